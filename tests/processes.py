"""Processes of their own that write to a database or a registry, and may die while they do."""

import multiprocessing
import os
import signal
from datetime import datetime
from multiprocessing.process import BaseProcess
from multiprocessing.synchronize import Barrier
from typing import Any

from mlflow import MlflowClient
from sqlalchemy import event

from sales_forecast.registry.store import Registry
from sales_forecast.storage.database import open_database, upgrade
from sales_forecast.storage.publications import Publication, publish

START = multiprocessing.get_context("forkserver")  # imports what it forks once, in a process without threads
START.set_forkserver_preload(["mlflow", "sales_forecast.storage.publications"])


def together(database_url: str, work: Any, *arguments: Any) -> list[int | None]:
    """Do the same work in three processes at the same time; how each one ended."""
    line = START.Barrier(3)
    processes = [START.Process(target=_after, args=(line, work, database_url, *arguments)) for _ in range(3)]
    for process in processes:
        process.start()
    return [_ended(process) for process in processes]


def _ended(process: BaseProcess) -> int | None:
    process.join(300)
    return process.exitcode


def _after(line: Barrier, work: Any, *arguments: Any) -> None:
    line.wait(300)
    work(*arguments)


def upgrade_it(database_url: str) -> None:
    upgrade(open_database(database_url))


def publish_there(database_url: str, publication: Publication, now: datetime) -> None:
    publish(open_database(database_url), publication, now)


def killed_before(statement: str, database_url: str, publication: Publication, now: datetime) -> int | None:
    """Publish in a process that is killed before it sends a statement; how it ended."""
    process = START.Process(target=_publish_and_die, args=(statement, database_url, publication, now))
    process.start()
    return _ended(process)


def _publish_and_die(statement: str, database_url: str, publication: Publication, now: datetime) -> None:
    database = open_database(database_url)

    def die(*arguments: Any) -> None:
        said = arguments[2].lower() if len(arguments) > 1 else "commit"
        if said.startswith(statement):
            os.kill(os.getpid(), signal.SIGKILL)

    event.listen(database, "before_cursor_execute", die)
    event.listen(database, "commit", die)
    publish(database, publication, now)


def killed_while_promoting(uri: str, name: str, version: str, moment: str, call: str) -> int | None:
    """Promote in a process that is killed ``before`` or ``after`` a call to MLflow; how it ended."""
    process = START.Process(target=_promote_and_die, args=(uri, name, version, moment, call))
    process.start()
    return _ended(process)


def _promote_and_die(uri: str, name: str, version: str, moment: str, call: str) -> None:
    client = MlflowClient(tracking_uri=uri)
    usual = getattr(client, call)

    def die(*arguments: Any) -> None:
        if moment == "after":
            usual(*arguments)
        os.kill(os.getpid(), signal.SIGKILL)

    setattr(client, call, die)
    Registry(client, name).promote(version, "in the middle of a power cut")
