"""A new champion while requests run, a version that cannot be loaded, and an experiment with two arms."""

import contextlib
import re
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
from sqlalchemy import Engine, insert
from typer.testing import CliRunner

from projects import Project, copy_finished
from sales_forecast.__main__ import app
from sales_forecast.service.model_manager import ModelManager
from sales_forecast.storage.database import open_database, writing
from sales_forecast.storage.schema import weekly_turnover
from services import Shop, another_version, damaged, opened, registry, twice_the_turnover, wait_until

pytestmark = pytest.mark.xdist_group("service alone")


@pytest.fixture(scope="module")
def rivals(small: Project, tmp_path_factory: pytest.TempPathFactory) -> Project:
    """Version 1 is champion, 2 is challenger and predicts other figures, and 3 lacks its model."""
    project = copy_finished(small, tmp_path_factory.mktemp("rivals") / "project")
    assert another_version(project, twice_the_turnover) == "2"
    assert another_version(project, damaged) == "3"
    registry(project).challenge("2")
    return project


@dataclass
class Clients:
    """Send the same request all the time, and keep the responses."""

    shop: Shop
    answers: list[tuple[int, tuple[Any, ...]]] = field(default_factory=list)
    done: threading.Event = field(default_factory=threading.Event)

    def call(self) -> None:
        while not self.done.is_set():
            answer = self.shop.post("/v1/turnover/predict", {"series": [{"store": 105, "department": 117}]})
            predicted = [(one["model_version"], one["forecast"]) for one in answer.json()["predictions"]]
            self.answers.append((answer.status_code, tuple(predicted)))

    def last_version(self) -> str | None:
        return self.answers[-1][1][0][0] if self.answers else None


@contextlib.contextmanager
def calling(shop: Shop) -> Iterator[Clients]:
    clients = Clients(shop)
    threads = [threading.Thread(target=clients.call) for _ in range(3)]
    for thread in threads:
        thread.start()
    try:
        yield clients
    finally:
        clients.done.set()
        for thread in threads:
            thread.join()


def test_another_champion_takes_over_while_requests_run_and_a_broken_one_does_not(
    rivals: Project, new_database: Callable[[str], str], tmp_path: Path
) -> None:
    project = copy_finished(rivals, tmp_path / "project")
    with opened(project, new_database("sqlite")) as shop, calling(shop) as clients:
        wait_until(lambda: clients.last_version() == "1")
        registry(project).promote("2", "to see it change")
        wait_until(lambda: clients.last_version() == "2")
        status, colour, checks = shop.ready()
        assert (status, colour) == (200, "yellow")
        assert "made by version 1, while version 2 serves" in checks["turnover forecasts"]["detail"]

        registry(project).promote("3", "by mistake")
        wait_until(lambda: shop.ready()[2]["turnover champion"]["status"] == "yellow")
        status, colour, checks = shop.ready()
        assert (status, colour) == (200, "yellow")
        reason = checks["turnover champion"]["detail"]
        assert "sales_forecast.turnover@champion cannot be loaded" in reason
        assert "version 3" in reason
        assert "/tmp" not in reason
        assert str(project.folder) not in reason
        assert clients.last_version() == "2"
        models = shop.get("/v1/models").json()["versions"]
        turnover = [each for each in models if each["name"] == "sales_forecast.turnover"]
        assert {each["version"]: each["aliases"] for each in turnover}["1"] == []

        registry(project).promote("1", "back again")
        wait_until(lambda: clients.last_version() == "1")
        assert shop.ready()[1] == "green"
        assert 'arm="champion",model="sales_forecast.turnover"} 1.0' in shop.client.get("/metrics").text
    assert {status for status, _ in clients.answers} == {200}
    assert (
        len({predicted for _, predicted in clients.answers}) == 2
    )  # whole answers of one version or the other


# --- side by side ------------------------------------------------------------------------------------


def experiment(**changes: Any) -> dict[str, Any]:
    known = {"challenger_share": 0.5, "salt": "spring", "planned_weeks": 8, "alpha": 0.05}
    return known | changes


def every_series(shop: Shop) -> list[dict[str, str]]:
    known = shop.output("turnover/forecasts")[["store", "department"]].drop_duplicates().astype(str)
    return [{str(name): label for name, label in one.items()} for one in known.to_dict("records")]


@pytest.mark.parametrize("kind", ["sqlite", "postgresql"])
def test_each_store_has_one_arm_and_the_audit_log_has_both(
    rivals: Project, new_database: Callable[[str], str], kind: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    url = new_database(kind)
    monkeypatch.setenv("SALES_FORECAST_DATABASE_URL", url)
    monkeypatch.chdir(rivals.folder)
    assert "no request was answered by two arms" in report(failing=True)
    with opened(rivals, url, ab=experiment()) as shop:
        answer = shop.post("/v1/turnover/predict", {"series": every_series(shop)}).json()
        split = shop.get("/v1/models").json()["split"]
        records = shop.audited(answer["request_id"])
        made = shop.output("turnover/forecasts")
        (record,) = shop.audited(
            shop.post("/v1/turnover/predict", {"series": every_series(shop)[:1]}).json()["request_id"]
        )
    assert record["other_output"]
    predicted = pd.DataFrame(answer["predictions"])
    assert split == {"champion": 0.5, "challenger": 0.5}
    assert set(zip(predicted["arm"], predicted["model_version"], strict=True)) == {
        ("champion", "1"),
        ("challenger", "2"),
    }
    assert (predicted.groupby("store")["arm"].nunique() == 1).all()
    assert (predicted.groupby("store")["department"].nunique() > 1).any()
    by_store = predicted.drop_duplicates("store")["arm"].eq("challenger").mean()
    assert 0.3 < by_store < 0.7

    assert {record["arm"] for record in records} == {"champion", "challenger"}
    champions, challengers = both_arms(records)
    exact = made.astype({"store": str, "department": str}).assign(week=made["week"].dt.strftime("%Y-%m-%d"))
    keys = ["store", "department", "week"]
    columns = [*keys, "forecast", "lo_95", "hi_95"]
    pd.testing.assert_frame_equal(
        champions.sort_values(keys, ignore_index=True)[columns],
        exact.sort_values(keys, ignore_index=True)[columns],
        check_exact=True,
    )
    assert len(challengers) == len(champions)
    assert challengers["forecast"].sum() > 1.5 * champions["forecast"].sum()

    assert "no turnover of the experiment's weeks has arrived" in report(failing=True)
    engine = open_database(url)
    arrive(engine, challengers, weeks=3)
    early = report()
    assert re.search(r"2017-10-21 .* 0\.00%", early)
    arrive(engine, challengers, weeks=8)
    whole = report()
    engine.dispose()
    assert "champion (version 1), challenger (version 2)" in whole
    assert len(re.findall(r"2017-1[01]-\d\d", whole)) == 8
    # all weeks were predicted at one time, so however clear it looks, it is one piece of evidence
    assert "No difference found. The planned weeks are over. Keep the champion." in whole


def both_arms(records: list[dict[str, Any]]) -> tuple[pd.DataFrame, pd.DataFrame]:
    """What each arm predicts for all series, whichever arm's predictions were returned."""
    rows = [
        row
        for one in records
        for output in (one["output"], one["other_output"])
        for each in output
        for row in each
    ]
    table = pd.DataFrame(rows)
    return table[table["arm"] == "champion"], table[table["arm"] == "challenger"]


def arrive(engine: Engine, sold: pd.DataFrame, weeks: int) -> None:
    """The first weeks' turnover is what the challenger has forecast; those before are known already."""
    rows = sold[sold["horizon"].between(4 if weeks > 3 else 1, weeks)]
    new = rows.assign(week=pd.to_datetime(rows["week"]).dt.date, turnover=rows["forecast"])
    with writing(engine) as connection:
        columns = ["store", "department", "week", "turnover"]
        connection.execute(insert(weekly_turnover), new[columns].to_dict("records"))


def report(failing: bool = False) -> str:
    done = CliRunner().invoke(app, ["ab", "report"], env={"COLUMNS": "200"})
    assert done.exit_code == int(failing), done.output
    assert failing == done.output.startswith("Error: ")
    return done.output


def test_the_salt_decides_which_stores_and_the_share_how_many() -> None:
    stores = [str(number) for number in range(10_000)]

    def predicted_by_challenger(share: float, salt: str) -> set[str]:
        arms = ModelManager({}, share, salt)
        return {store for store in stores if arms.is_challengers(store)}

    for share in (0.05, 0.2, 0.5):
        assert abs(len(predicted_by_challenger(share, "spring")) / 10_000 - share) < 0.015
    spring, autumn = predicted_by_challenger(0.5, "spring"), predicted_by_challenger(0.5, "autumn")
    assert spring == predicted_by_challenger(0.5, "spring")
    assert 0.45 < len(spring & autumn) / len(spring) < 0.55
    assert predicted_by_challenger(0.2, "spring") < spring
    assert predicted_by_challenger(0.0, "spring") == set()
    assert len(predicted_by_challenger(1.0, "spring")) == 10_000


def test_without_a_share_the_challenger_is_not_even_loaded(
    rivals: Project, new_database: Callable[[str], str]
) -> None:
    with opened(rivals, new_database("sqlite")) as shop:
        assert shop.app is not None
        assert shop.app.state.service.model_manager.challenger() is None
        assert set(shop.predict(*every_series(shop))["arm"]) == {"champion"}
        versions = shop.get("/v1/models").json()
    assert versions["split"] == {"champion": 1.0, "challenger": 0.0}
