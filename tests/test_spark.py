"""``kedro run --env spark`` on a real Spark in local mode forecasts what a plain run does."""

import shutil
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from projects import Project, copy_project
from spark_here import NEEDS_SPARK

pytestmark = [*NEEDS_SPARK, pytest.mark.xdist_group("finished")]

KEYS = ["store", "department", "week"]
ENDS = ["forecast", "lo_80", "hi_80", "lo_95", "hi_95"]


@pytest.fixture(scope="module")
def on_spark(tmp_path_factory: pytest.TempPathFactory) -> Project:
    project = copy_project(tmp_path_factory.mktemp("spark") / "project")
    result = project.kedro("run", "--env", "spark", "--namespaces", "turnover")
    assert result.returncode == 0, result.stdout[-3000:] + result.stderr[-3000:]
    return project


@pytest.mark.parametrize(
    ("table", "keys"),
    [
        ("forecasts", KEYS),
        ("backtest", ["method", "cutoff", *KEYS]),
        ("forecasts_by_level", ["level", "key", "department", "week"]),
    ],
)
def test_forecasts_equal_those_of_one_machine(
    finished: Project, on_spark: Project, table: str, keys: list[str]
) -> None:
    here, there = (
        pd.read_parquet(project.path(f"07_model_output/turnover/{table}.parquet"))
        .sort_values(keys, ignore_index=True)
        .set_index(keys)
        for project in (finished, on_spark)
    )
    pd.testing.assert_index_equal(here.index, there.index)
    np.testing.assert_allclose(there[ENDS], here[ENDS], rtol=0, atol=1e-6)


def test_the_model_is_the_same_file(finished: Project, on_spark: Project) -> None:
    model = "06_models/turnover/model.json"
    assert on_spark.path(model).read_text() == finished.path(model).read_text()


def test_a_missing_file_is_named_with_what_to_do(on_spark: Project, tmp_path: Path) -> None:
    raw = tmp_path / "raw"
    shutil.copytree(on_spark.path("01_raw"), raw)
    (raw / "turnover" / "train.csv.gz").unlink()
    result = on_spark.kedro(
        "run", "--env", "spark", "--namespaces", "turnover", "--params", f"raw_folder={raw}"
    )
    assert result.returncode == 1
    assert "train.csv.gz cannot be read" in result.stdout + result.stderr
    assert "raw_folder=FOLDER" in result.stdout + result.stderr
    assert "Traceback" not in result.stdout + result.stderr


def test_without_java_one_sentence_says_what_to_install(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    project = copy_project(tmp_path / "project")
    for tool in ("bash", "sh", "dirname", "env", "ls"):  # what Spark's own scripts call
        (tmp_path / tool).symlink_to(shutil.which(tool) or "/bin/false")
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.delenv("JAVA_HOME", raising=False)
    result = project.kedro("run", "--env", "spark", "--namespaces", "turnover")
    assert result.returncode == 1
    assert "Spark needs Java 17 or newer and found none" in result.stdout + result.stderr
    assert "apt-get install openjdk-17-jre-headless" in result.stdout + result.stderr
    assert "Traceback" not in result.stdout + result.stderr
    assert project.outputs() == {}
