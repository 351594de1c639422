"""Where runs are tracked: in a file, on a real server over a real PostgreSQL, or nowhere and said so."""

import os
import subprocess
import sys
import sysconfig
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import mlflow
import pandas as pd
import pytest
from mlflow import MlflowClient
from mlflow.entities import Run

from projects import Project
from sales_forecast.registry.store import Registry
from sales_forecast.unfinished_runs import end_killed_runs
from servers import free_port, serving

pytestmark = pytest.mark.xdist_group("tracking")

MARKETING = ("--namespaces", "marketing")
FIRST_STAGE = (*MARKETING, "--pipelines", "data_processing")


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory, new_postgres: Callable[[], str]) -> Iterator[str]:
    """An MLflow server that keeps its runs and models in PostgreSQL."""
    folder = tmp_path_factory.mktemp("server")
    store = new_postgres().replace("postgresql://", "postgresql+psycopg://")
    url = f"http://127.0.0.1:{(port := free_port())}"
    command = [
        *(sys.executable, "-m", "mlflow", "server", "--host", "127.0.0.1", "--port", str(port)),
        *("--backend-store-uri", store, "--artifacts-destination", str(folder / "artifacts")),
        *("--workers", "1"),
    ]
    with serving(command, f"{url}/health", folder / "server.log"):
        yield url


@dataclass(frozen=True)
class Tracked:
    """A project whose runs are tracked elsewhere."""

    project: Project
    monkeypatch: pytest.MonkeyPatch

    def run(self, url: str, *arguments: str) -> tuple[int, str]:
        self.monkeypatch.setenv("MLFLOW_TRACKING_URI", url)
        return self.project.run("--env", "postgres", *arguments)


@pytest.fixture
def tracked(new_project: Project, postgres_url: str, monkeypatch: pytest.MonkeyPatch) -> Tracked:
    """What its runs publish goes to another PostgreSQL database."""
    monkeypatch.setenv("SALES_FORECAST_DATABASE_URL", postgres_url)
    return Tracked(new_project, monkeypatch)


def test_train_register_promote_and_load_on_a_server_over_postgresql(server: str, tracked: Tracked) -> None:
    code, output = tracked.run(server, *MARKETING)
    assert code == 0, output[-3000:]
    assert not (tracked.project.folder / "mlflow.db").exists()
    client = MlflowClient(tracking_uri=server)
    found = Registry(client, "sales_forecast.marketing").champion()
    assert found is not None
    tags = client.get_run(found.run_id or "").data.tags
    assert tags["data_version.marketing"] == found.tags["data_version"]

    code, output = tracked.run(server, *MARKETING, "-p", "registration")
    assert code == 0, output[-3000:]
    registry = Registry(client, "sales_forecast.marketing")
    assert [str(version.version) for version in registry.versions()] == ["1"], "the same model again"
    code, output = tracked.run(server, *MARKETING, "--params", "marketing.split.seed=7")
    assert code == 0, output[-3000:]
    assert [str(version.version) for version in registry.versions()] == ["2", "1"]
    registry.promote("2", "by hand")
    code, output = tracked.run(server, *MARKETING, "-p", "inference")
    assert code == 0, output[-3000:]
    report = tracked.project.path("08_reporting/data_science.html").read_text()
    assert "models:/sales_forecast.marketing/2" in report
    assert registry.rollback("undo").version == "1"


def test_a_server_that_does_not_answer_stops_the_run_before_anything_is_done(tracked: Tracked) -> None:
    nowhere = f"http://127.0.0.1:{free_port()}"
    code, output = tracked.run(nowhere)
    assert code == 1
    assert f"the tracking server {nowhere} does not answer" in output
    assert "mlflow.required=false" in output
    assert "Traceback" not in output
    assert tracked.project.outputs() == {}


def test_a_run_may_go_on_untracked_and_says_so(tracked: Tracked) -> None:
    nowhere = f"http://127.0.0.1:{free_port()}"
    untracked = ("run", "--env", "postgres", *MARKETING, "--params", "mlflow.required=false")
    for stages in ((), ("--pipelines", "inference")):
        done = tracked.project.kedro(*untracked, *stages, environment={"MLFLOW_TRACKING_URI": nowhere})
        assert done.returncode == 0, done.stderr[-3000:]
        assert "this run is not tracked" in done.stdout + done.stderr
    curve = pd.read_parquet(tracked.project.path("07_model_output/marketing/budget_curve.parquet"))
    assert len(curve) == 61
    assert "Version untracked" in tracked.project.path("08_reporting/data_science.html").read_text()


def test_an_address_that_is_no_tracking_server_is_named(server: str, tracked: Tracked) -> None:
    code, output = tracked.run(f"{server}/no/such/place", *MARKETING)
    assert code == 1
    assert "no/such/place does not answer: Not Found" in output


def test_two_runs_in_one_process_are_two_runs(new_project: Project, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("SALES_FORECAST_DATABASE_URL", raising=False)
    project = new_project
    for _ in range(2):
        code, output = project.run("--namespaces", "marketing", "--pipelines", "data_processing")
        assert code == 0, output
        assert mlflow.active_run() is None
    found = MlflowClient(tracking_uri=f"sqlite:///{project.folder}/mlflow.db").search_runs(
        ["1"], order_by=["attributes.start_time"]
    )
    assert [run.info.status for run in found] == ["FINISHED", "FINISHED"]
    assert {run.data.tags["process.pid"] for run in found} == {str(os.getpid())}
    assert found[0].data.params == found[1].data.params


def test_data_is_processed_where_mlflow_is_not_installed(new_project: Project, tmp_path: Path) -> None:
    libraries = tmp_path / "libraries"  # all but those
    libraries.mkdir()
    for installed in Path(sysconfig.get_path("purelib")).iterdir():
        if "mlflow" not in installed.name and installed.suffix != ".pth":
            (libraries / installed.name).symlink_to(installed)
    paths = os.pathsep.join([str(new_project.folder / "src"), str(libraries)])
    done = subprocess.run(
        [sys.executable, "-S", "-m", "kedro", "run", "--pipelines", "data_processing"],
        cwd=new_project.folder,
        env=os.environ | {"PYTHONPATH": paths},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr[-3000:]
    assert "MLflow is not installed: this run is not tracked." in done.stdout
    assert (new_project.path("03_primary/turnover/panel.parquet")).exists()
    assert not (new_project.folder / "mlflow.db").exists()


def runs_of(project: Project) -> list[Run]:
    """All tracked runs, the first one first."""
    client = MlflowClient(tracking_uri=f"sqlite:///{project.folder}/mlflow.db")
    return list(client.search_runs(["1"], order_by=["attributes.start_time"]))


def test_commands_that_name_a_run_share_it_until_it_is_ended(
    new_project: Project, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("SALES_FORECAST_DATABASE_URL", raising=False)
    begun = new_project.command("runs", "begin", "a Monday")
    assert begun.exit_code == 0, begun.output
    run_id = begun.output.split()[-1]
    client = MlflowClient(tracking_uri=f"sqlite:///{new_project.folder}/mlflow.db")
    assert end_killed_runs(client, "1") == [], "the process that began it is gone, but others go on with it"
    for stage in ("data_processing", "eda_reporting"):
        monkeypatch.setenv("MLFLOW_RUN_ID", run_id)  # MLflow takes it away
        monkeypatch.setenv("MLFLOW_RUN_NAME", "a Monday")
        code, output = new_project.run(*MARKETING, "--pipelines", stage)
        assert code == 0, output
    (shared,) = runs_of(new_project)
    assert (shared.info.run_id, shared.info.run_name) == (run_id, "a Monday")
    assert shared.data.params["marketing.split.seed"] == "42"
    assert "data_version.marketing" in shared.data.tags
    ended = new_project.command("runs", "end", run_id, "failed")
    assert ended.exit_code == 0, ended.output
    assert [run.info.status for run in runs_of(new_project)] == ["FAILED"]


def test_a_run_is_not_gone_on_with_under_other_parameters(
    new_project: Project, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("SALES_FORECAST_DATABASE_URL", raising=False)
    assert new_project.run(*FIRST_STAGE)[0] == 0
    (first,) = runs_of(new_project)
    monkeypatch.setenv("MLFLOW_RUN_ID", first.info.run_id)
    code, output = new_project.run(*FIRST_STAGE, "--params", "marketing.split.seed=7")
    assert code == 1
    assert f"MLFLOW_RUN_ID: run {first.info.run_id} has marketing.split.seed = 42, now it is 7" in output
    assert [run.info.status for run in runs_of(new_project)] == ["FINISHED"]


def test_what_is_no_run_is_said(new_project: Project) -> None:
    ended = new_project.command("runs", "end", "0" * 32, "finished")
    assert ended.exit_code == 1
    assert f"there is no run {'0' * 32}" in ended.output
