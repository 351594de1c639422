"""The Lambda function that processes a delivery, and the job that publishes."""

import contextlib
import gzip
import json
import os
import shutil
import signal
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
import yaml

from projects import Project, copy_finished
from publications import rows
from sales_forecast.aws import lambda_processing
from sales_forecast.aws import publish as publish_job
from sales_forecast.aws.project import COPY
from sales_forecast.aws.publish import COMPARED, KEYS, compare, publish, read_predictions
from sales_forecast.errors import InputError
from sales_forecast.storage.database import ready_database

pytestmark = pytest.mark.xdist_group("aws processing")

EVENT = {"run_date": "2017-10-02", "bucket": "shop", "key": ""}


@pytest.fixture(scope="module")
def project(copied: Callable[[Path], Project], tmp_path_factory: pytest.TempPathFactory) -> Project:
    """A project whose configuration says where the raw files are."""
    project = copied(tmp_path_factory.mktemp("processing") / "project")
    raw = shutil.copytree(project.path("01_raw"), project.folder / "delivered")
    (project.folder / "conf/local/globals.yml").write_text(yaml.safe_dump({"raw_folder": str(raw)}))
    return project


@pytest.fixture
def url(project: Project, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, temporary: Path) -> str:
    """A database outside of the container."""
    url = f"sqlite:///{tmp_path}/shop.db"
    monkeypatch.setenv("SALES_FORECAST_DATABASE_URL", url)
    monkeypatch.setenv("MLFLOW_RUN_NAME", "set by the function")  # and taken back after the test
    return url


def process(project: Project, event: dict[str, str] = EVENT) -> dict[str, Any]:
    with contextlib.chdir(project.folder):
        return lambda_processing.handler(event, None)


def test_a_delivery_is_processed_twice_as_if_once(project: Project, url: str, temporary: Path) -> None:
    first = process(project)
    tables = temporary / "sales_forecast_project/data/02_intermediate/turnover"
    lines = (temporary / "sales_forecast_project" / first["series"]).read_text().splitlines()
    index = pd.read_parquet(tables / "forecast_index.parquet")
    assert len(lines) == len(index[["store", "department"]].drop_duplicates())
    assert json.loads(lines[0]).keys() == {"store", "department"}
    assert (first["state"], first["retailer"], first["has_champion"]) == ("accepted", "default", False)
    assert len(first["delivery"]) == 12
    assert process(project) == first
    with ready_database(url) as engine:
        assert [row["id"] for row in rows(engine, "deliveries")] == [first["delivery"]]


def test_a_delivery_that_cannot_be_read_is_refused_and_not_an_error(
    project: Project, url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """An error would be tried again, which would not help."""
    folder = shutil.copytree(project.folder / "delivered", tmp_path / "in")
    sales = folder / "turnover/train.csv.gz"
    sales.write_bytes(gzip.compress(b"a,b\n1,2\n"))
    monkeypatch.setattr(lambda_processing, "raw_folder", lambda bucket, key: str(folder))
    found = process(project, EVENT | {"key": "inbox/_DELIVERED"})
    assert found["state"] == "refused"
    assert "column(s) missing" in found["message"]


def test_a_database_that_does_not_answer_is_an_error_that_is_tried_again(
    project: Project, url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SALES_FORECAST_DATABASE_URL", "postgresql://127.0.0.1:9/shop")
    with pytest.raises(RuntimeError, match="database"):
        process(project)


# --- before forecasts are published ----------------------------------------------------------------------


def forecasts() -> pd.DataFrame:
    weeks = pd.to_datetime(["2017-10-07", "2017-10-14"])
    table = pd.DataFrame({"store": 105, "department": 117, "week": weeks, "horizon": [1, 2]})
    return table.assign(forecast=[10.1, 11.3], lo_80=9.0, hi_80=12.0, lo_95=8.0, hi_95=13.0)


def predicted(table: pd.DataFrame) -> pd.DataFrame:
    """As the container writes them, with a week that nobody wants."""
    more = table.iloc[[-1]].assign(week=pd.Timestamp("2017-10-21"), horizon=3)
    rows = pd.concat([table, more]).astype({"store": str, "department": str})
    return rows.assign(week=rows["week"].dt.strftime("%Y-%m-%d"))


def test_equal_forecasts_may_be_published() -> None:
    compare(forecasts(), predicted(forecasts()))


def test_lines_without_predictions_are_no_predictions(tmp_path: Path) -> None:
    """Answers of the container end with a new line, and SageMaker joins them by another one."""
    rows = predicted(forecasts()).to_dict("records")
    answers = [json.dumps({"predictions": [row]}) + "\n" for row in rows]
    output = tmp_path / "turnover/series.jsonl.out"
    output.parent.mkdir()
    output.write_text("\n".join(answers) + "\n\n")
    for place in (output, tmp_path):  # SageMaker may repeat folders of the input
        assert read_predictions(str(place)).to_dict("records") == rows
    shutil.copy(output, tmp_path / "other.out")
    with pytest.raises(InputError, match=r"must have one output of the batch transform.* and has 2"):
        read_predictions(str(tmp_path))


def test_a_difference_in_the_last_digit_is_told_with_an_example() -> None:
    other = predicted(forecasts().assign(forecast=[10.1, 11.299999999999999]))
    with pytest.raises(InputError) as refused:
        compare(forecasts(), other)
    assert str(refused.value) == (
        "1 of 2 forecasts differ between the container and the pipelines, such as store 105, department 117, "
        "week 2017-10-14: 11.299999999999999 and 11.3. Nothing is published. Give both the same image"
    )


def test_a_forecast_that_is_missing_is_a_difference() -> None:
    with pytest.raises(InputError, match="1 of 2 forecasts differ"):
        compare(forecasts(), predicted(forecasts().iloc[[0]]).iloc[[0]])


def test_a_model_that_is_older_than_the_data_is_not_compared(capsys: pytest.CaptureFixture[str]) -> None:
    older = forecasts().assign(week=lambda table: table["week"] - pd.Timedelta(weeks=1), forecast=1.0)
    compare(forecasts(), predicted(older))
    assert "older than the data" in capsys.readouterr().out


# --- the job that publishes ------------------------------------------------------------------------------


@pytest.fixture
def processed(small: Project, temporary: Path, monkeypatch: pytest.MonkeyPatch) -> Project:
    """A project whose data and registry are where the job looks: with --env aws that is S3 and a server."""
    project = copy_finished(small, temporary / COPY)
    for name in ("mlflow.db", "sales_forecast.db"):
        (project.folder / name).rename(project.folder / "data" / name)
    shutil.copytree(project.folder / "conf", temporary / "image/conf")
    shutil.copy(project.folder / "pyproject.toml", temporary / "image")
    monkeypatch.chdir(temporary / "image")
    return project


def transformed(project: Project, folder: Path) -> tuple[Path, pd.DataFrame]:
    """The output of a batch transform that predicts what was forecast."""
    table = pd.read_parquet(project.path("07_model_output/turnover/model_forecasts.parquet"))
    rows = table.assign(week=table["week"].dt.strftime("%Y-%m-%d"))[[*KEYS, "horizon", *COMPARED]]
    file = folder / "series.jsonl.out"
    file.write_text(
        json.dumps({"predictions": rows.astype({"store": str, "department": str}).to_dict("records")})
    )
    return file, table


def publications(project: Project) -> list[int]:
    with ready_database(f"sqlite:///{project.path('sales_forecast.db')}") as engine:
        return [row["id"] for row in rows(engine, "forecast_runs")]


def test_forecasts_are_published_only_if_the_container_agrees(processed: Project, tmp_path: Path) -> None:
    before = publications(processed)
    file, _ = transformed(processed, tmp_path)
    content = json.loads(file.read_text())
    content["predictions"][3]["forecast"] += 1e-9
    other = tmp_path / "other.out"
    other.write_text(json.dumps(content))
    with pytest.raises(InputError, match=r"^1 of [\d,]+ forecasts differ"):
        publish(str(other))
    assert publications(processed) == before
    publish(str(file))
    assert len(publications(processed)) >= len(before)
    assert processed.path("07_model_output/turnover/forecasts.parquet").exists()


def test_the_job_that_publishes_says_that_it_was_stopped(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As the first process of a container it would not end by SIGTERM without a handler of its own."""
    monkeypatch.setattr(publish_job, "publish", lambda predictions: os.kill(os.getpid(), signal.SIGTERM))
    monkeypatch.setattr(publish_job, "MESSAGE", str(tmp_path / "message"))
    monkeypatch.setattr("sys.argv", ["publish", "s3://shop/forecasts/job"])
    before = signal.signal(signal.SIGTERM, signal.SIG_IGN)  # as the first process has it
    try:
        with pytest.raises(SystemExit, match="the job was stopped"):
            publish_job.main()
    finally:
        signal.signal(signal.SIGTERM, before)
    assert (tmp_path / "message").read_text() == "the job was stopped"
