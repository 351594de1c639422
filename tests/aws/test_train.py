"""A training job: what SageMaker lays down, what it collects, and what it shows of a failure."""

import contextlib
import json
import os
import signal
import subprocess
import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
from fastapi.testclient import TestClient

from projects import REPOSITORY, SMALL, Project, copy_project
from sales_forecast.aws.exported_models import load_models
from sales_forecast.aws.project import COPY
from sales_forecast.aws.serve import make_app
from sales_forecast.aws.train import Job, train
from sales_forecast.errors import InputError
from sales_forecast.registry.trust import NO_KEY
from sales_forecast.service.settings import BudgetIntervalSettings
from sales_forecast.tracking import flatten

pytestmark = pytest.mark.xdist_group("aws train")

INTERVAL = BudgetIntervalSettings(interval_share=0.8, folds=5)


@dataclass(frozen=True)
class Trained:
    """A job that has ended.

    Args:
        root: In place of /opt/ml.
        copy: The project as the job has left it.
        done: The process.
    """

    root: Path
    copy: Path
    done: subprocess.CompletedProcess[str]


def lay_down(root: Path, hyperparameters: Mapping[str, str], *channels: str) -> Path:
    """What SageMaker lays under /opt/ml; the channel ``raw`` has the sample."""
    (root / "input/config").mkdir(parents=True)
    (root / "model").mkdir()
    (root / "output").mkdir()
    files = {
        "hyperparameters": hyperparameters,
        "inputdataconfig": {name: {"TrainingInputMode": "File"} for name in channels},
        "resourceconfig": {"current_host": "algo-1", "hosts": ["algo-1"]},
    }
    for name, content in files.items():
        (root / f"input/config/{name}.json").write_text(json.dumps(content))
    for name in channels:
        (root / "input/data").mkdir(exist_ok=True)
        (root / "input/data" / name).symlink_to(REPOSITORY / "data/01_raw")
    return root


def in_texts(parameters: Mapping[str, Any]) -> dict[str, str]:
    """Parameters as SageMaker takes them: names with points, and texts as values."""
    return {
        name: value if isinstance(value, str) else json.dumps(value)
        for name, value in flatten(dict(parameters))
    }


def command(root: Path, temporary: Path) -> dict[str, Any]:
    return {
        "args": [sys.executable, "-m", "sales_forecast.aws.train", str(root)],
        "cwd": root.parent / "project",
        "env": os.environ | {"PYTHONPATH": str(root.parent / "project/src"), "TMPDIR": str(temporary)},
        "text": True,
    }


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory, copied: Callable[[Path], Project]) -> Trained:
    folder = tmp_path_factory.mktemp("trained")
    copied(folder / "project")
    (folder / "temporary").mkdir()
    root = lay_down(folder / "ml", in_texts({"turnover": SMALL}), "raw")
    done = subprocess.run(**command(root, folder / "temporary"), capture_output=True, check=False)
    return Trained(root, folder / "temporary" / COPY, done)


def test_a_job_leaves_a_model_and_its_reports(trained: Trained) -> None:
    assert trained.done.returncode == 0, trained.done.stdout[-3000:] + trained.done.stderr[-3000:]
    model = trained.root / "model"
    outcome = json.loads((model / "outcome.json").read_text())
    assert outcome == {
        "retailer": "default",
        "champion": "1",
        "challenger": None,
        "promoted": True,
        "challenged": False,
    }
    assert sorted(path.name for path in (model / "champion").iterdir()) == ["marketing", "turnover"]
    assert (trained.root / "output/data/report.html").stat().st_size > 10_000
    assert not (trained.root / "output/failure").exists()


def test_hyperparameters_are_parameters_of_the_run(trained: Trained) -> None:
    backtest = pd.read_parquet(trained.copy / "data/07_model_output/turnover/backtest.parquet")
    assert backtest["cutoff"].nunique() == SMALL["backtest"]["folds"]


def test_the_container_predicts_what_the_job_has_forecast_to_the_last_digit(trained: Trained) -> None:
    forecasts = pd.read_parquet(trained.copy / "data/07_model_output/turnover/model_forecasts.parquet")
    wanted = forecasts.astype({"store": str, "department": str})
    series = wanted[["store", "department"]].drop_duplicates().to_dict("records")
    models = load_models(trained.root / "model", "champion", NO_KEY, INTERVAL)
    with TestClient(make_app(models)) as client:
        answer = client.post("/invocations", json={"series": series})
    rows = pd.DataFrame(answer.json()["predictions"])
    both = wanted.merge(
        rows.assign(week=pd.to_datetime(rows["week"])),
        on=["store", "department", "week"],
        suffixes=("", "_there"),
    )
    assert len(both) == len(wanted)
    assert (both["forecast"] == both["forecast_there"]).all()
    assert (both["hi_95"] == both["hi_95_there"]).all()


def test_nothing_of_the_image_is_changed(trained: Trained) -> None:
    project = trained.root.parent / "project"
    assert not (project / "mlflow.db").exists()
    assert not list((project / "data").glob("0[2-8]*"))


# --- failures --------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def project(copied: Callable[[Path], Project], tmp_path_factory: pytest.TempPathFactory) -> Project:
    return copied(tmp_path_factory.mktemp("train") / "project")


def failure(project: Project, root: Path) -> str:
    with contextlib.chdir(project.folder):
        assert train(root) == 1
    return (root / "output/failure").read_text()


@pytest.mark.usefixtures("temporary")
def test_an_unknown_hyperparameter_is_one_message_in_the_failure_file(
    project: Project, tmp_path: Path
) -> None:
    root = lay_down(tmp_path / "ml", {"turnover.backtset.folds": "4"}, "raw")
    said = failure(project, root)
    assert said.startswith("--params: nothing reads 'turnover.backtset.folds'; did you mean")
    assert not (root / "model/outcome.json").exists()


@pytest.mark.usefixtures("temporary")
def test_a_job_without_a_model_says_how_to_make_the_first_one(project: Project, tmp_path: Path) -> None:
    said = failure(project, lay_down(tmp_path / "ml", {"pipelines": "none"}))
    assert said.startswith("no version of sales_forecast.turnover serves, so there is nothing to deploy")


def test_channels_are_checked_before_anything_is_run(tmp_path: Path) -> None:
    root = lay_down(tmp_path / "unknown", {}, "raw", "train")
    with pytest.raises(InputError, match="there is no channel 'train'"):
        Job(root).raw_folder()
    root = lay_down(tmp_path / "empty", {})
    (root / "input/config/inputdataconfig.json").write_text('{"raw": {}}')
    with pytest.raises(InputError, match="the channel 'raw' is empty"):
        Job(root).raw_folder()


def test_several_machines_are_refused(tmp_path: Path) -> None:
    root = lay_down(tmp_path / "ml", {}, "raw")
    (root / "input/config/resourceconfig.json").write_text('{"hosts": ["algo-1", "algo-2"]}')
    with pytest.raises(InputError, match="the job has 2 machines"):
        Job(root).raw_folder()


def test_hyperparameters_are_read_as_numbers_lists_and_texts(tmp_path: Path) -> None:
    """SageMaker's own client writes texts with quotes."""
    given = {"turnover.backtest.folds": "4", "a.list": '["x", "y"]', "pipelines": '"refresh"', "b": "1,2"}
    assert Job(lay_down(tmp_path / "ml", given)).hyperparameters() == {
        "turnover": {"backtest": {"folds": 4}},
        "a": {"list": ["x", "y"]},
        "pipelines": "refresh",
        "b": "1,2",
    }


@pytest.mark.usefixtures("copied")
def test_a_job_that_is_stopped_says_so(tmp_path: Path) -> None:
    copy_project(tmp_path / "project")
    root = lay_down(tmp_path / "ml", {}, "raw")
    with subprocess.Popen(**command(root, tmp_path), stdout=subprocess.PIPE, stderr=subprocess.STDOUT) as job:
        assert job.stdout is not None
        for line in job.stdout:
            if "Checking the input" in line:
                job.send_signal(signal.SIGTERM)
                break
        job.stdout.read()
    assert job.returncode == 1
    assert (root / "output/failure").read_text() == "the job was stopped"
