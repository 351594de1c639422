"""``kedro run --env spark`` on a real Spark in local mode forecasts what a plain run does."""

import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import yaml
from pandas.testing import assert_frame_equal

from projects import SMALL, Project, copy_project
from sales_forecast.contracts import Panel, Sales
from sales_forecast.datasets import SparkParquetDataset
from spark_here import NEEDS_SPARK

pytestmark = NEEDS_SPARK

KEYS = ["store", "department", "week"]
ENDS = ["forecast", "lo_80", "hi_80", "lo_95", "hi_95"]


@pytest.fixture(scope="module")
def on_spark(spark: Any, tmp_path_factory: pytest.TempPathFactory) -> Project:
    """A project after the same small run on Spark, which does not read ``conf/local``."""
    project = copy_project(tmp_path_factory.mktemp("spark") / "project")
    parameters = project.folder / "conf" / "spark" / "parameters.yml"
    own = yaml.safe_load(parameters.read_text())
    own["turnover"] |= SMALL
    parameters.write_text(yaml.safe_dump(own))
    code, output = project.run("--env", "spark", "--namespaces", "turnover")
    assert code == 0, output[-3000:]
    return project


@pytest.mark.parametrize("load_as", ["spark", "pandas"])
def test_a_table_is_written_to_a_url_and_read_from_there(
    spark: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, load_as: Any
) -> None:
    monkeypatch.chdir(tmp_path)
    dataset = SparkParquetDataset(filepath=f"file://{tmp_path}/shop/sales", load_as=load_as)
    for rows in (5, 3):
        dataset.save(spark.range(rows))
        assert dataset.exists()
        assert len(dataset.load().toPandas() if load_as == "spark" else dataset.load()) == rows
    assert [path.name for path in tmp_path.iterdir()] == ["shop"]


@pytest.mark.parametrize(
    ("table", "keys"),
    [
        ("forecasts", KEYS),
        ("backtest", ["method", "cutoff", *KEYS]),
        ("forecasts_by_level", ["level", "key", "department", "week"]),
    ],
)
def test_forecasts_equal_those_of_one_machine(
    small: Project, on_spark: Project, table: str, keys: list[str]
) -> None:
    here, there = (
        pd.read_parquet(project.path(f"07_model_output/turnover/{table}.parquet"))
        .sort_values(keys, ignore_index=True)
        .set_index(keys)
        for project in (small, on_spark)
    )
    pd.testing.assert_index_equal(here.index, there.index)
    np.testing.assert_allclose(there[ENDS], here[ENDS], rtol=0, atol=1e-6)


@pytest.mark.parametrize(
    ("name", "contract", "on_one_machine", "by_spark"),
    [
        ("sales", Sales, "02_intermediate/turnover/sales.parquet", "02_intermediate/turnover/spark/sales"),
        ("panel", Panel, "03_primary/turnover/panel.parquet", "03_primary/turnover/spark/panel"),
    ],
)
def test_what_spark_writes_is_what_pandas_writes_in_the_same_order(
    small: Project, on_spark: Project, name: str, contract: Any, on_one_machine: str, by_spark: str
) -> None:
    expected = pd.read_parquet(small.path(on_one_machine))
    found = SparkParquetDataset(filepath=str(on_spark.path(by_spark)), load_as="pandas").load()
    # pandas rounds what it reads
    assert_frame_equal(contract.validate(found), expected, check_exact=False, rtol=0, atol=1e-9)
    assert len(expected) > 30_000


@pytest.mark.parametrize("file", ["02_intermediate/turnover/forecast_index", "03_primary/turnover/calendar"])
def test_what_is_derived_from_it_is_the_same(small: Project, on_spark: Project, file: str) -> None:
    here, there = (pd.read_parquet(project.path(f"{file}.parquet")) for project in (small, on_spark))
    assert_frame_equal(there, here)
    assert len(here) > 0


def test_no_row_of_the_sample_is_rejected(on_spark: Project) -> None:
    rejected = on_spark.path("02_intermediate/turnover/spark/rejected")
    assert SparkParquetDataset(filepath=str(rejected), load_as="pandas").load().empty


def test_the_model_is_the_same_file(small: Project, on_spark: Project) -> None:
    model = "06_models/turnover/model.json"
    assert on_spark.path(model).read_text() == small.path(model).read_text()


def test_a_missing_file_is_named_with_what_to_do(on_spark: Project, tmp_path: Path) -> None:
    raw = tmp_path / "raw"
    shutil.copytree(on_spark.path("01_raw"), raw)
    (raw / "turnover" / "train.csv.gz").unlink()
    code, output = on_spark.run(
        *("--env", "spark", "--namespaces", "turnover", "--params", f"raw_folder={raw}")
    )
    assert code == 1
    assert "train.csv.gz cannot be read" in output
    assert "raw_folder=FOLDER" in output
    assert "Traceback" not in output


def test_without_java_one_sentence_says_what_to_install(
    new_project: Project, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for tool in ("bash", "sh", "dirname", "env", "ls"):  # what Spark's own scripts call
        (tmp_path / tool).symlink_to(shutil.which(tool) or "/bin/false")
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.delenv("JAVA_HOME", raising=False)
    result = new_project.kedro("run", "--env", "spark", "--namespaces", "turnover")
    assert result.returncode == 1
    assert "Spark needs Java 17 or newer and found none" in result.stdout + result.stderr
    assert "apt-get install openjdk-17-jre-headless" in result.stdout + result.stderr
    assert "Traceback" not in result.stdout + result.stderr
    assert new_project.outputs() == {}
