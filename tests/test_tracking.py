"""Where runs are tracked: in a file, on a real server over a real PostgreSQL, or nowhere and said so."""

import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
from mlflow import MlflowClient

from projects import Project, copy_project
from sales_forecast.registry.store import Registry
from servers import free_port, serving

pytestmark = pytest.mark.xdist_group("tracking")


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


@pytest.fixture(autouse=True)
def database(postgres_url: str, monkeypatch: pytest.MonkeyPatch) -> str:
    """Another PostgreSQL database, for what the runs publish."""
    monkeypatch.setenv("SALES_FORECAST_DATABASE_URL", postgres_url)
    return postgres_url


def run(project: Project, url: str, *arguments: str) -> Any:
    return project.kedro("run", *arguments, environment={"MLFLOW_TRACKING_URI": url})


def test_train_register_promote_and_load_on_a_server_over_postgresql(server: str, tmp_path: Path) -> None:
    project = copy_project(tmp_path / "project")
    done = run(project, server, "--env", "postgres", "--namespaces", "marketing")
    assert done.returncode == 0, done.stdout[-3000:] + done.stderr[-3000:]
    assert not (project.folder / "mlflow.db").exists()
    client = MlflowClient(tracking_uri=server)
    found = Registry(client, "sales_forecast.marketing").champion()
    assert found is not None
    tags = client.get_run(found.run_id or "").data.tags
    assert tags["data_version.marketing"] == found.tags["data_version"]

    again = run(project, server, "--env", "postgres", "--namespaces", "marketing", "-p", "registration")
    assert again.returncode == 0, again.stdout[-3000:] + again.stderr[-3000:]
    registry = Registry(client, "sales_forecast.marketing")
    assert [str(version.version) for version in registry.versions()] == ["2", "1"]
    registry.promote("2", "by hand")
    inference = run(project, server, "--env", "postgres", "--namespaces", "marketing", "-p", "inference")
    assert inference.returncode == 0, inference.stdout[-3000:] + inference.stderr[-3000:]
    report = project.path("08_reporting/report.html").read_text()
    assert "models:/sales_forecast.marketing/2" in report
    assert registry.rollback("undo").version == "1"


def test_a_server_that_does_not_answer_stops_the_run_before_anything_is_done(tmp_path: Path) -> None:
    project = copy_project(tmp_path / "project")
    nowhere = f"http://127.0.0.1:{free_port()}"
    done = run(project, nowhere, "--env", "postgres")
    said = done.stdout + done.stderr
    assert done.returncode == 1
    assert f"the tracking server {nowhere} does not answer" in said
    assert "mlflow.required=false" in said
    assert "Traceback" not in said
    assert project.outputs() == {}


def test_a_run_may_go_on_untracked_and_says_so(tmp_path: Path) -> None:
    project = copy_project(tmp_path / "project")
    nowhere = f"http://127.0.0.1:{free_port()}"
    domain = ("--env", "postgres", "--namespaces", "marketing", "--params", "mlflow.required=false")
    done = run(project, nowhere, *domain)
    said = done.stdout + done.stderr
    assert done.returncode == 0, said[-3000:]
    assert "this run is not tracked" in said
    curve = pd.read_parquet(project.path("07_model_output/marketing/budget_curve.parquet"))
    assert len(curve) == 61
    assert "Version untracked" in project.path("08_reporting/report.html").read_text()
    assert run(project, nowhere, *domain, "-p", "inference").returncode == 0


def test_an_address_that_is_no_tracking_server_is_named(server: str, tmp_path: Path) -> None:
    project = copy_project(tmp_path / "project")
    done = run(project, f"{server}/no/such/place", "--env", "postgres", "--namespaces", "marketing")
    assert done.returncode == 1
    assert "no/such/place does not answer: Not Found" in done.stdout + done.stderr
