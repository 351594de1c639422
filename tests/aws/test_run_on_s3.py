"""``kedro run --env aws`` on an S3 of this machine: the forecasts of a run on a disk, and nothing on the disk."""

import io
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import fsspec
import pandas as pd
import pytest
import yaml
from pandas.testing import assert_frame_equal

from projects import SMALL, Project
from s3_here import BUCKET, NEEDS_S3
from sales_forecast.storage.database import ready_database
from sales_forecast.storage.queries import newest_run

pytestmark = NEEDS_S3

FORECASTS = "07_model_output/turnover/forecasts.parquet"
OF_THE_RUN = ["run_id"]
"""Columns that differ from run to run."""


@pytest.fixture(scope="module")
def on_s3(
    bucket: Any,
    small: Project,
    copied: Callable[[Path], Project],
    tmp_path_factory: pytest.TempPathFactory,
) -> Iterator[Project]:
    """A project without a data folder after the same small run on S3, which knows the folds of the other one."""
    folder = tmp_path_factory.mktemp("on_s3")
    project, cache = copied(folder / "project"), folder / "cache"
    bucket.put(str(project.path("01_raw")), f"{BUCKET}/data/01_raw", recursive=True)
    shutil.rmtree(project.path(""))
    shutil.copytree(small.path("06_models/turnover/folds"), cache / "folds")
    parameters = project.folder / "conf/aws/parameters.yml"
    own = yaml.safe_load(parameters.read_text())
    own["turnover"] |= SMALL
    parameters.write_text(yaml.safe_dump(own))
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("SALES_FORECAST_CACHE", str(cache))
        patch.setenv("SALES_FORECAST_DATABASE_URL", f"sqlite:///{project.folder}/sales_forecast.db")
        patch.setenv("MLFLOW_TRACKING_URI", f"sqlite:///{project.folder}/mlflow.db")
        code, output = project.run("--env", "aws")
        assert code == 0, output[-3000:]
        yield project


def names_below(bucket: Any, folder: str) -> set[str]:
    bucket.invalidate_cache()
    return {path.removeprefix(f"{BUCKET}/{folder}/") for path in bucket.find(f"{BUCKET}/{folder}")}


def on_bucket(bucket: Any, name: str) -> pd.DataFrame:
    return pd.read_parquet(io.BytesIO(bucket.cat_file(f"{BUCKET}/data/{name}")))


def test_forecasts_are_those_of_a_run_on_a_disk_to_the_last_digit(
    bucket: Any, on_s3: Project, small: Project
) -> None:
    here, there = pd.read_parquet(small.path(FORECASTS)), on_bucket(bucket, FORECASTS)
    assert len(here) > 0
    assert_frame_equal(there.drop(columns=OF_THE_RUN), here.drop(columns=OF_THE_RUN), check_exact=True)


def test_every_file_of_a_run_is_in_the_bucket_and_none_on_the_disk(
    bucket: Any, on_s3: Project, small: Project
) -> None:
    there = names_below(bucket, "data")
    here = {name.removeprefix("data/") for name in small.outputs() if "/folds/" not in name}
    tables = {name for name in here if name.startswith("05_model_input/turnover/")}
    assert here - tables - there == set()
    assert not [name for name in there if name.rpartition("/")[2].startswith(".")]
    assert "05_model_input/turnover.tar" in there
    assert {"publications/1.tar", "publications/2.tar"} <= there
    assert "publications/under_way.json" not in there
    archived = {path.name for path in small.path("archive").rglob("*") if path.is_file()}
    assert {name.rpartition("/")[2] for name in there if name.startswith("archive/")} == archived
    assert not on_s3.path("").exists()


def test_models_and_reports_of_the_tracked_run_are_in_the_bucket(bucket: Any, on_s3: Project) -> None:
    names = {name.rpartition("/")[2] for name in names_below(bucket, "mlflow")}
    assert {"MLmodel", "report.html", "planner_sheet.xlsx", "model_card.md"} <= names
    assert not (on_s3.folder / "mlruns").exists()


def next_week(bucket: Any) -> str:
    """A delivery in another folder of the bucket, with a week more that has sold nearly what was forecast."""
    raw, inbox = f"s3://{BUCKET}/data/01_raw", f"s3://{BUCKET}/inbox"
    bucket.copy(raw, inbox, recursive=True)
    sales, wanted = (pd.read_csv(f"{raw}/turnover/{name}.csv.gz") for name in ("train", "test"))
    forecasts, week = on_bucket(bucket, FORECASTS), wanted["day_id"].min()
    sold = forecasts[forecasts["week"] == week]
    new = pd.DataFrame(
        {
            "day_id": week,
            "but_num_business_unit": sold["store"],
            "dpt_num_department": sold["department"],
            "turnover": (1.05 * sold["forecast"]).round(2),
        }
    )
    later = pd.concat([sales, new[sales.columns]]), wanted[wanted["day_id"] != week]
    for table, name in zip(later, ("train", "test"), strict=True):
        table.to_csv(f"{inbox}/turnover/{name}.csv.gz", index=False)
    return inbox


def serving(project: Project) -> int:
    with (
        ready_database(f"sqlite:///{project.folder}/sales_forecast.db") as engine,
        engine.connect() as database,
    ):
        run = newest_run(database, "turnover")
    assert run is not None
    return run.id


def test_a_delivery_in_the_bucket_is_accepted_learned_from_published_and_taken_back(
    bucket: Any, on_s3: Project
) -> None:
    before, inbox = bucket.cat_file(f"{BUCKET}/data/{FORECASTS}"), next_week(bucket)
    kept = names_below(bucket, "data/archive")
    said = on_s3.command("deliver", inbox, "--env", "aws")
    assert said.exit_code == 0, said.output
    assert f"kedro run --env aws --pipelines refresh --params raw_folder={inbox}" in said.output
    assert len(names_below(bucket, "data/archive") - kept) == 2

    code, output = on_s3.run("--env", "aws", "--pipelines", "refresh", "--params", f"raw_folder={inbox}")
    assert code == 0, output[-3000:]
    assert set(on_bucket(bucket, FORECASTS)["model_version"]) == {"2"}

    said = on_s3.command("ledger", "withdraw", str(serving(on_s3)), "--env", "aws", "--why", "a test")
    assert said.exit_code == 0, said.output
    assert bucket.cat_file(f"{BUCKET}/data/{FORECASTS}") == before
    assert not on_s3.path("").exists()


@pytest.mark.parametrize(
    ("changes", "says"),
    [
        ({"SALES_FORECAST_BUCKET": None}, "the environment variable SALES_FORECAST_BUCKET is missing"),
        (
            {"SALES_FORECAST_BUCKET": "no-such-bucket"},
            "s3://no-such-bucket/data cannot be reached: .*[Mm]ake the bucket, or name another one",
        ),
        (
            {"AWS_ACCESS_KEY_ID": None, "AWS_SECRET_ACCESS_KEY": None},
            "s3://shop/data cannot be reached: .*Give this process credentials",
        ),
        (
            {"AWS_ENDPOINT_URL": "http://127.0.0.1:9", "AWS_MAX_ATTEMPTS": "1"},
            "s3://shop/data cannot be reached: .*AWS_ENDPOINT_URL",
        ),
        ({"SALES_FORECAST_DATABASE_URL": None}, "the secret 'SALES_FORECAST_DATABASE_URL' is missing"),
    ],
)
def test_what_is_missing_is_said_in_one_message_with_the_remedy(
    on_s3: Project, monkeypatch: pytest.MonkeyPatch, changes: dict[str, str | None], says: str
) -> None:
    for name, value in changes.items():
        monkeypatch.delenv(name) if value is None else monkeypatch.setenv(name, value)
    kept = type(fsspec.filesystem("s3"))
    kept.clear_instance_cache()
    code, output = on_s3.run("--env", "aws")
    kept.clear_instance_cache()
    assert code == 1, output
    assert output.count("Error: ") == 1
    assert pd.Series([" ".join(output.split())]).str.contains(says).all(), output
