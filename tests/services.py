"""The real service over a finished project, in this process or in one of its own."""

import contextlib
import os
import shutil
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import httpx
import pandas as pd
from fastapi import FastAPI
from fastapi.testclient import TestClient
from mlflow import MlflowClient
from sqlalchemy import Engine, insert, select, text

from projects import Project
from sales_forecast.configuration import load_configuration
from sales_forecast.registry.cli import open_tracking
from sales_forecast.registry.store import Registry
from sales_forecast.registry.trust import read_trust
from sales_forecast.service.app import create_app
from sales_forecast.service.settings import read_budget_interval, read_settings
from sales_forecast.storage.database import open_database, upgrade, writing
from sales_forecast.storage.keys import Scope, create_key
from sales_forecast.storage.schema import audit_log, metadata
from servers import free_port, serving

EVERYTHING: list[Scope] = ["read", "predict", "plan", "admin"]


@dataclass(frozen=True)
class Shop:
    """A service, and a planner whose key is for everything."""

    project: Project
    engine: Engine
    client: httpx.Client
    key: str
    app: FastAPI | None = None

    @property
    def bearer(self) -> dict[str, str]:
        return {"Authorization": f"Bearer {self.key}"}

    def get(self, path: str, **query: Any) -> httpx.Response:
        return self.client.get(path, params=query, headers=self.bearer)

    def post(self, path: str, body: Any) -> httpx.Response:
        return self.client.post(path, json=body, headers=self.bearer)

    def send(self, path: str, content: bytes | Iterator[bytes], **headers: str) -> httpx.Response:
        """A body as it is, right or wrong."""
        given = {"Content-Type": "application/json"} | self.bearer | headers
        return self.client.post(path, content=content, headers=given)

    def predict(self, *series: dict[str, Any]) -> pd.DataFrame:
        answer = self.post("/v1/turnover/predict", {"series": list(series)})
        assert answer.status_code == 200, answer.text
        return pd.DataFrame(answer.json()["predictions"])

    def ready(self) -> tuple[int, str, dict[str, Any]]:
        """Status, colour and checks."""
        answer = self.get("/ready")
        body = answer.json()
        return answer.status_code, body["status"], body["checks"]

    def audited(self, request_id: str) -> list[dict[str, Any]]:
        with self.engine.connect() as connection:
            query = select(audit_log).where(audit_log.c.request_id == request_id)
            return [dict(row._mapping) for row in connection.execute(query)]

    def output(self, name: str) -> pd.DataFrame:
        """A table that the run has written."""
        return pd.read_parquet(self.project.path(f"07_model_output/{name}.parquet"))


def new_key(engine: Engine, scopes: list[Scope] | None = None, expires_at: datetime | None = None) -> str:
    with writing(engine) as connection:
        return create_key(connection, "a planner", scopes or EVERYTHING, datetime.now(UTC), expires_at)


def fill(engine: Engine, project: Project) -> None:
    """Bring a database to what the project's run has left in its own."""
    upgrade(engine)
    source = open_database(f"sqlite:///{project.folder}/sales_forecast.db")
    with source.connect() as reading, writing(engine) as connection:
        for table in metadata.sorted_tables:
            rows = [dict(row._mapping) for row in reading.execute(select(table))]
            if rows:
                connection.execute(insert(table), rows)
        if engine.dialect.name == "postgresql":
            connection.execute(text("select setval('forecast_runs_id_seq', 100)"))
    source.dispose()


@contextlib.contextmanager
def opened(project: Project, database_url: str, **changes: Any) -> Iterator[Shop]:
    """The application in this process; settings other than those of service.yml by name."""
    with contextlib.chdir(project.folder):
        configuration = load_configuration("local")
        client = open_tracking(configuration)
        content = {
            "check_registry_seconds": 0.2,
            "max_seconds": 300,
            "wrong_keys_per_minute": 10_000,
            **changes,
        }
        settings = read_settings(configuration["service"], **content)
        curve = read_budget_interval(configuration["parameters"]["marketing"]["curve"])
        trust = read_trust(configuration["globals"]["models"])
    engine = open_database(database_url, pool_size=20)
    upgrade(engine)
    app = create_app(settings, engine, client, curve, trust)
    with TestClient(app, raise_server_exceptions=False) as calls:
        wait_until(lambda: calls.get("/ready").status_code == 200)
        yield Shop(project, engine, calls, new_key(engine), app)
    engine.dispose()


@contextlib.contextmanager
def served(
    project: Project,
    database_url: str,
    log: Path,
    *options: str,
    answers_at: str = "/ready",
    before: tuple[str, ...] = (),
) -> Iterator[tuple[Shop, Any]]:
    """``sales-forecast serve`` in a process of its own; the shop and the process."""
    url = f"http://127.0.0.1:{(port := free_port())}"
    environment = {"PYTHONPATH": str(project.folder / "src"), "SALES_FORECAST_DATABASE_URL": database_url}
    command = [*before, sys.executable, "-m", "sales_forecast", "serve", "--port", str(port), *options]
    engine = open_database(database_url)
    with (
        contextlib.chdir(project.folder),
        serving(command, url + answers_at, log, environment) as process,
        httpx.Client(base_url=url, timeout=60) as client,
    ):
        yield Shop(project, engine, client, new_key(engine)), process
    engine.dispose()


def wait_until(so: Callable[[], bool], seconds: float = 120) -> None:
    end = time.monotonic() + seconds
    while not so():
        assert time.monotonic() < end, "it has not become so"
        time.sleep(0.05)


# --- versions ----------------------------------------------------------------------------------------


def registry(project: Project, domain: str = "turnover") -> Registry:
    client = MlflowClient(tracking_uri=f"sqlite:///{project.folder}/mlflow.db")
    return Registry(client, f"sales_forecast.{domain}")


def another_version(
    project: Project, change: Callable[[Path], None], domain: str = "turnover", of: str = "1"
) -> str:
    """Register a copy of a version, changed in its folder of model and tables."""
    known = registry(project, domain)
    found = known.version(of)
    source = known.client.get_model_version_download_uri(known.name, of).removeprefix("file://")
    folder = project.folder / "mlruns" / f"{domain}-{len(known.versions()) + 1}"
    shutil.copytree(source, folder)
    change(folder / "data" / "package")
    new = known.client.create_model_version(known.name, f"file://{folder}", found.run_id)
    return str(new.version)


def twice_the_turnover(package: Path) -> None:
    panel = pd.read_parquet(package / "panel.parquet")
    panel.assign(turnover=2 * panel["turnover"]).to_parquet(package / "panel.parquet", index=False)


def damaged(package: Path) -> None:
    os.unlink(package / "model.json")  # noqa: PTH108
