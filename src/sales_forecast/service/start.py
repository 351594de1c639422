"""Start of the service: what is checked and opened before the first connection, in each of its processes."""

from __future__ import annotations

import logging
import os
from contextlib import ExitStack
from dataclasses import asdict, dataclass
from functools import cached_property
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING

import orjson
import psutil
from prometheus_client.multiprocess import mark_process_dead

from sales_forecast.configuration import load_configuration
from sales_forecast.registry.cli import tracking_client
from sales_forecast.registry.trust import read_trust
from sales_forecast.reporting.live import SCRIPTS, compressed_script
from sales_forecast.service.app import create_app
from sales_forecast.service.connection_limits import limits_of_connections
from sales_forecast.service.connections import LimitedProtocol
from sales_forecast.service.logs import log_as_json
from sales_forecast.service.metrics import MULTIPROCESS
from sales_forecast.service.settings import ServiceSettings, read_budget_interval, read_settings
from sales_forecast.storage.database import open_database, upgrade

if TYPE_CHECKING:
    from fastapi import FastAPI
    from kedro.config import OmegaConfigLoader
    from mlflow import MlflowClient
    from sqlalchemy import Engine

logger = logging.getLogger(__name__)

OPTIONS = "SALES_FORECAST_SERVE"
"""Environment variable that tells further processes with which options the service was started."""

CONNECTIONS_TO_DATABASE = 20

KEEP_ALIVE_SECONDS = 75
"""Seconds until an idle connection is closed; longer than clients and proxies keep it (usually a minute)."""


@dataclass(frozen=True)
class Start:
    """Options of ``sales-forecast serve``, and what is opened by them.

    Args:
        env: Folder in ``conf/`` with service.yml and the databases.
        host: Address to listen on; None for the one in service.yml.
        port: Port to listen on; None for the one in service.yml.
        production: Whether no key is made; None for what service.yml says.
        workers: Number of processes.
    """

    env: str
    host: str | None
    port: int | None
    production: bool | None
    workers: int

    @cached_property
    def _configuration(self) -> OmegaConfigLoader:
        return load_configuration(self.env)

    @cached_property
    def settings(self) -> ServiceSettings:
        """Settings of one process, which counts its share of the units on its own.

        Raises:
            InputError: A setting is unknown, missing or invalid.
        """
        found = read_settings(
            self._configuration["service"], host=self.host, port=self.port, production=self.production
        )
        return found.for_one_of(self.workers)

    @cached_property
    def engine(self) -> Engine:
        """Engine of the database, with its tables up to date.

        Raises:
            InputError: The database does not answer, or was made by a newer version of this project.
        """
        url = self._configuration["globals"]["database_url"]
        engine = open_database(str(url), pool_size=CONNECTIONS_TO_DATABASE)
        upgrade(engine)
        return engine

    @cached_property
    def client(self) -> MlflowClient:
        """Client of the tracking server that holds the registry; it need not answer yet."""
        return tracking_client(self._configuration)

    def make_app(self) -> FastAPI:
        """Make the application of this process with its scripts, and set the limits of its connections."""
        curve = read_budget_interval(self._configuration["parameters"]["marketing"]["curve"])
        trust = read_trust(self._configuration["globals"]["models"])
        app = create_app(self.settings, self.engine, self.client, curve, trust)
        LimitedProtocol.limits = limits_of_connections(self.settings)
        for name in SCRIPTS:  # otherwise the first requests, which need no key, would all compress them
            compressed_script(name)
        return app

    def run(self, app: FastAPI) -> None:
        """Serve until stopped.

        Args:
            app: Application, if there is one process; further processes each make their own.
        """
        import uvicorn

        settings = self.settings
        if settings.production and not settings.trusted_proxies:
            logger.warning(
                "No proxy is trusted (trusted_proxies in service.yml): behind one, all clients have its "
                "address, and the wrong keys of one of them lock the others out"
            )
        with ExitStack() as stack:
            if self.workers > 1:
                folder = stack.enter_context(TemporaryDirectory(prefix="sales_forecast_metrics_"))
                os.environ |= {OPTIONS: orjson.dumps(asdict(self)).decode(), MULTIPROCESS: folder}
            uvicorn.run(
                f"{__name__}:make_app_of_worker" if self.workers > 1 else app,
                factory=self.workers > 1,
                workers=self.workers,
                http=LimitedProtocol,
                ws="none",
                host=settings.host,
                port=settings.port,
                proxy_headers=False,  # ProxyMiddleware of the application does that
                timeout_keep_alive=KEEP_ALIVE_SECONDS,
                log_config=None,
                access_log=False,
                server_header=False,
            )


def make_app_of_worker() -> FastAPI:
    """Make the application of one of several processes; uvicorn calls this in each, and for one that died."""
    start = Start(**orjson.loads(os.environ[OPTIONS]))
    log_as_json("production" if start.settings.production else start.env)
    forget_dead_processes(Path(os.environ[MULTIPROCESS]))
    return start.make_app()


def forget_dead_processes(folder: Path) -> None:
    """Take what processes that are gone were doing out of the metrics; what they have counted stays.

    Args:
        folder: Folder where each process keeps its metrics.
    """
    for pid in {file.stem.rsplit("_", 1)[-1] for file in folder.glob("gauge_live*.db")}:
        if not psutil.pid_exists(int(pid)):
            mark_process_dead(int(pid), str(folder))
