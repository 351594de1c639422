"""Where runs are tracked: in a file, on a real server over a real PostgreSQL, or nowhere and said so."""

import os
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass

import mlflow
import pandas as pd
import pytest
from mlflow import MlflowClient

from projects import Project
from sales_forecast.registry.store import Registry
from servers import free_port, serving

pytestmark = pytest.mark.xdist_group("tracking")

MARKETING = ("--namespaces", "marketing")


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
    report = tracked.project.path("08_reporting/report.html").read_text()
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
    assert "Version untracked" in tracked.project.path("08_reporting/report.html").read_text()


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
