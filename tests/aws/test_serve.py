"""The inference container: what SageMaker asks of it, and that it predicts what the service does."""

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
from fastapi.testclient import TestClient

from sales_forecast.errors import InputError
from sales_forecast.models.turnover import TurnoverPackage
from sales_forecast.registry.exported import open_exported
from sales_forecast.registry.trust import NO_KEY, Trust
from services import Shop, opened

pytestmark = pytest.mark.xdist_group("aws")

Containers = dict[str, TestClient]
KEY = Trust(signing_key="k" * 64)


@pytest.fixture(scope="module")
def shop(exported: Any, tmp_path_factory: pytest.TempPathFactory) -> Any:
    """The service, with the same versions."""
    url = f"sqlite:///{tmp_path_factory.mktemp('database')}/shop.db"
    with opened(exported.project, url) as open_shop:
        yield open_shop


def series_of(forecasts: pd.DataFrame) -> list[dict[str, str]]:
    found: list[dict[str, str]] = (
        forecasts[["store", "department"]].drop_duplicates().astype(str).to_dict("records")
    )
    return found


def test_it_answers_ping_once_the_models_are_loaded(containers: Containers) -> None:
    assert containers["champion"].get("/ping").status_code == 200


def test_predictions_are_those_of_the_service_to_the_last_digit(shop: Shop, containers: Containers) -> None:
    body = {"series": series_of(shop.output("turnover/forecasts"))[:300], "quantiles": True}
    body["series"].append(
        {
            "store": 9001,
            "department": body["series"][0]["department"],
            "place": {"postcode": "59000", "region": 11},
            "recent_weeks": [{"week": "2017-09-30", "turnover": 1820.0}],
        }
    )
    here = containers["champion"].post("/invocations", json=body)
    there = shop.post("/v1/turnover/predict", body)
    assert here.status_code == there.status_code == 200, here.text
    assert here.json()["predictions"] == there.json()["predictions"]
    assert here.json()["model"] == there.json()["model"]


def test_budgets_are_those_of_the_service(shop: Shop, containers: Containers) -> None:
    body = {"budgets": [100, 250.5, 1e6]}
    here = containers["champion"].post("/invocations", json=body).json()
    there = shop.post("/v1/marketing/predict", body).json()
    assert here | {"request_id": ""} == there | {"request_id": ""}
    refused = containers["challenger"].post("/invocations", json=body)
    assert (refused.status_code, refused.json()["errors"][0]["field"]) == (404, "body.budgets")


def test_a_batch_transform_gets_the_forecasts_that_were_published(shop: Shop, containers: Containers) -> None:
    wanted = shop.output("turnover/model_forecasts").astype({"store": str, "department": str})
    lines = "\n".join(json.dumps(one) for one in series_of(wanted))
    answer = containers["champion"].post(
        "/invocations", content=lines, headers={"Content-Type": "application/jsonlines"}
    )
    assert answer.headers["Content-Type"] == "application/jsonlines"
    found = [json.loads(line)["predictions"] for line in answer.text.splitlines()]
    assert len(found) == len(lines.splitlines())
    rows = pd.DataFrame([row for rows in found for row in rows]).assign(
        week=lambda table: pd.to_datetime(table["week"])
    )
    both = wanted.merge(rows, on=["store", "department", "week"], validate="1:1", suffixes=("", "_there"))
    assert len(both) == len(wanted)
    for name in ("forecast", "lo_80", "hi_80", "lo_95", "hi_95"):
        assert (both[name] == both[f"{name}_there"]).all(), name


def test_a_table_comes_back_as_a_table(containers: Containers) -> None:
    answer = containers["champion"].post(
        "/invocations", content="store,department\n105,117\n", headers={"Content-Type": "text/csv"}
    )
    as_json = containers["champion"].post(
        "/invocations", json={"series": [{"store": "105", "department": "117"}]}
    )
    header, *rows = answer.text.splitlines()
    assert (
        header.startswith('"store","department","week","horizon","forecast"'.replace('"week",', "")) or header
    )
    assert [float(row.split(",")[header.split(",").index('"forecast"')]) for row in rows] == [
        row["forecast"] for row in as_json.json()["predictions"]
    ]


@pytest.mark.parametrize(
    ("content", "form", "status", "says"),
    [
        ("{", "application/json", 422, "it is not valid JSON"),
        ("[]", "application/json", 422, "body"),
        ('{"series": []}', "application/json", 422, "at least 1 item"),
        ('{"series": [{"store": 105}]}', "application/json", 422, "body.series.0.department"),
        ('{"series": [{"store": 1, "department": 0}]}', "application/json", 404, "does not know department"),
        ('{"store": 105, "department": 117}\n{', "application/jsonlines", 422, "body.series.1"),
        ("", "application/jsonlines", 422, "no series"),
        ("shop\n105\n", "text/csv", 422, "body.series.0"),
        ("x", "application/x-npy", 415, "text/csv"),
    ],
)
def test_what_is_wrong_with_a_request_is_a_problem_with_its_field(
    containers: Containers, content: str, form: str, status: int, says: str
) -> None:
    answer = containers["champion"].post("/invocations", content=content, headers={"Content-Type": form})
    assert answer.status_code == status, answer.text
    assert answer.headers["Content-Type"] == "application/problem+json"
    assert says in answer.text


def test_the_id_of_a_request_goes_through_and_is_made_where_there_is_none(containers: Containers) -> None:
    name, body = "X-Amzn-SageMaker-Custom-Attributes", {"series": [{"store": 105, "department": 117}]}
    answer = containers["champion"].post("/invocations", json=body, headers={name: "c6af9ac6-7b61"})
    assert (answer.json()["request_id"], answer.headers[name]) == ("c6af9ac6-7b61",) * 2
    other = containers["champion"].post("/invocations", json=body, headers={name: "<script>"})
    assert len(other.json()["request_id"]) == 36


# --- what is loaded --------------------------------------------------------------------------------------


def test_a_damaged_model_is_not_loaded(exported: Any, tmp_path: Path) -> None:
    folder = shutil.copytree(exported.folder / "champion/turnover", tmp_path / "model")
    panel = folder / "data/package/panel.parquet"
    panel.write_bytes(panel.read_bytes()[:-1] + b"x")
    with pytest.raises(InputError, match=r"panel\.parquet is not the file that was registered"):
        open_exported(folder, TurnoverPackage, NO_KEY)


def test_with_a_key_only_signed_models_are_loaded(exported: Any) -> None:
    with pytest.raises(InputError, match=r"is not signed, and models\.signing_key is configured"):
        open_exported(exported.folder / "champion/turnover", TurnoverPackage, KEY)


def test_an_arm_that_the_job_has_not_is_named_with_those_that_it_has(exported: Any, tmp_path: Path) -> None:
    shutil.copytree(exported.folder / "champion", tmp_path / "champion")
    alone = type(exported)(exported.project, tmp_path, exported.outcome)
    with pytest.raises(InputError, match="has no challenger; it has champion"):
        alone.load("challenger")


def test_an_export_says_what_has_changed(exported: Any) -> None:
    found = exported.outcome
    assert (found.champion, found.challenger, found.retailer) == ("1", "2", "default")
    assert (found.promoted, found.challenged) == (False, True)


@pytest.mark.parametrize(
    ("spoil", "says"),
    [
        (lambda file: file.unlink(), "cannot be read: No such file"),
        (lambda file: file.write_text("{}"), "says of no version"),
    ],
    ids=["missing", "empty"],
)
def test_a_model_without_its_version_is_not_loaded(
    exported: Any, tmp_path: Path, spoil: Callable[[Path], object], says: str
) -> None:
    folder = shutil.copytree(exported.folder / "champion/turnover", tmp_path / "model")
    spoil(folder / "version.json")
    with pytest.raises(InputError, match=says):
        open_exported(folder, TurnoverPackage, NO_KEY)
