"""The real service over seeded tables in PostgreSQL, without loaded models, and what monitors it."""

import json
import shutil
import threading
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import httpx
import pytest
import uvicorn
import yaml
from mlflow import MlflowClient
from sqlalchemy import Connection, Engine, text

from projects import REPOSITORY
from sales_forecast.registry.trust import NO_KEY
from sales_forecast.service.app import create_app
from sales_forecast.service.settings import BudgetIntervalSettings, read_settings
from sales_forecast.storage.database import open_database, upgrade
from servers import free_port, serving
from services import wait_until
from watched_shop import fill_tables

MONITORING = REPOSITORY / "deploy" / "monitoring"
PROGRAMS = ("prometheus", "prometheus-alertmanager", "prometheus-node-exporter", "promtool", "amtool")


@dataclass(frozen=True)
class Watched:
    """A service that is watched, and where its alerts arrive.

    Args:
        database: What the service reads.
        service: Its address.
        prometheus: Address of the Prometheus that reads its metrics.
        received: Path of the webhook and alert, as Alertmanager has sent them.
    """

    database: Engine
    service: str
    prometheus: str
    received: list[tuple[str, dict[str, Any]]]

    def query(self, expression: str) -> list[dict[str, Any]]:
        """What Prometheus answers now."""
        asked = {"query": expression}
        answer = httpx.post(f"{self.prometheus}/api/v1/query", data=asked, timeout=30).json()
        assert answer["status"] == "success", (expression, answer)
        found: list[dict[str, Any]] = answer["data"]["result"]
        return found


@pytest.fixture(scope="session")
def programs() -> None:
    """Skips a test where the Debian packages are missing."""
    missing = [name for name in PROGRAMS if shutil.which(name) is None]
    if missing:
        pytest.skip(
            f"{', '.join(missing)} not installed: apt-get install prometheus prometheus-alertmanager "
            "prometheus-node-exporter"
        )


@pytest.fixture(scope="session")
def watched_database(new_postgres: Callable[[], str]) -> Iterator[Engine]:
    """The tables of a shop after some weeks."""
    engine = open_database(new_postgres())
    upgrade(engine)
    fill_tables(engine)
    yield engine
    engine.dispose()


@pytest.fixture
def reader(watched_database: Engine) -> Iterator[Connection]:
    """What Grafana may see of these tables."""
    grants = (MONITORING / "grafana" / "reader.sql").read_text()
    with watched_database.connect() as connection:
        connection.execute(text("create role grafana"))
        connection.execute(text(grants))
        connection.execute(text("set local role grafana"))
        yield connection
        connection.rollback()


@pytest.fixture(scope="session")
def service_url(watched_database: Engine, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The service; the registry names a champion, which cannot be loaded."""
    client = MlflowClient(tracking_uri=f"sqlite:///{tmp_path_factory.mktemp('registry')}/mlflow.db")
    run = client.create_run(client.create_experiment("weekly"))
    client.create_registered_model("sales_forecast.turnover")
    client.create_model_version("sales_forecast.turnover", f"{run.info.artifact_uri}/model", run.info.run_id)
    client.set_registered_model_alias("sales_forecast.turnover", "champion", "1")
    content = yaml.safe_load((REPOSITORY / "conf" / "base" / "service.yml").read_text())
    settings = read_settings(content | {"retailer": None})
    interval = BudgetIntervalSettings(interval_share=0.8, folds=5)
    app = create_app(settings, watched_database, client, interval, NO_KEY)
    port = free_port()
    server = uvicorn.Server(uvicorn.Config(app, port=port, log_level="warning"))
    thread = threading.Thread(target=server.run)
    thread.start()
    wait_until(lambda: server.started)
    yield f"127.0.0.1:{port}"
    server.should_exit = True
    thread.join()


@pytest.fixture(scope="session")
def watched(
    programs: None, watched_database: Engine, service_url: str, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Watched]:
    """The files of deploy/monitoring, with free ports and without the waiting, in the real programs."""
    folder = tmp_path_factory.mktemp("monitoring")
    received: list[tuple[str, dict[str, Any]]] = []
    addresses = {
        name: f"127.0.0.1:{free_port()}" for name in ("prometheus", "alertmanager", "node", "webhook")
    }
    write_configuration(folder, addresses | {"sales_forecast": service_url})
    commands = {
        "node": ["prometheus-node-exporter"],
        "alertmanager": [
            *("prometheus-alertmanager", f"--config.file={folder}/alertmanager.yml"),
            *(f"--storage.path={folder}/alerts", "--cluster.listen-address="),
        ],
        "prometheus": [
            *("prometheus", f"--config.file={folder}/prometheus.yml", f"--storage.tsdb.path={folder}/series"),
        ],
    }
    with ExitStack() as stack:
        stack.enter_context(receiving(addresses["webhook"], received))
        for name, command in commands.items():
            address = addresses[name]
            page = f"http://{address}/{'metrics' if name == 'node' else '-/ready'}"
            listening = [*command, f"--web.listen-address={address}"]
            stack.enter_context(serving(listening, page, folder / f"{name}.log"))
        found = Watched(
            watched_database, f"http://{service_url}", f"http://{addresses['prometheus']}", received
        )
        for _ in range(3):  # 401, but by a known route
            httpx.get(f"{found.service}/v1/models")
        asked = 'rate(sales_forecast_request_seconds_count{route="/v1/models"}[1m])'
        wait_until(lambda: bool(found.query(asked)) and bool(found.query('up{job="node"} == 1')))
        yield found


def write_configuration(folder: Path, addresses: dict[str, str]) -> None:
    """The committed files with other addresses, and intervals of a second."""
    prometheus = yaml.safe_load((MONITORING / "prometheus" / "prometheus.yml").read_text())
    prometheus["global"] = {"scrape_interval": "1s", "evaluation_interval": "1s"}
    prometheus["rule_files"] = [str(MONITORING / "prometheus" / "alerts.yml")]
    prometheus["alerting"]["alertmanagers"][0]["static_configs"] = [{"targets": [addresses["alertmanager"]]}]
    for job in prometheus["scrape_configs"]:
        job["static_configs"] = [{"targets": [addresses[job["job_name"]]]}]
    (folder / "prometheus.yml").write_text(yaml.safe_dump(prometheus))
    alerts = (MONITORING / "alertmanager" / "alertmanager.yml").read_text()
    alerts = alerts.replace("127.0.0.1:8099", addresses["webhook"]).replace(
        "group_wait: 30s", "group_wait: 0s"
    )
    (folder / "alertmanager.yml").write_text(alerts)


class _Webhook(BaseHTTPRequestHandler):
    received: list[tuple[str, dict[str, Any]]]

    def do_POST(self) -> None:
        message = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        self.received += [(self.path, alert) for alert in message["alerts"]]
        self.send_response(200)
        self.end_headers()

    def log_message(self, format: str, *arguments: Any) -> None:
        """Say nothing."""


def receiving(address: str, received: list[tuple[str, dict[str, Any]]]) -> Any:
    """A webhook for as long as a block lasts."""
    host, port = address.split(":")
    handler = type("Webhook", (_Webhook,), {"received": received})
    server = ThreadingHTTPServer((host, int(port)), handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    stack = ExitStack()
    stack.callback(server.server_close)
    stack.callback(server.shutdown)
    return stack
