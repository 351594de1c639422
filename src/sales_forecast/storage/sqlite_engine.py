"""What connections to SQLite need: files for their owner alone, transactions that lock when they begin."""

from __future__ import annotations

import os
import sqlite3
import stat
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path

from sqlalchemy import Connection, Dialect, Engine, event
from sqlalchemy.exc import DisconnectionError
from sqlalchemy.pool import ConnectionPoolEntry, PoolProxiedConnection

OF_OTHERS = 0o077
"""Bits of a file's mode that are for the group and for all others."""


def set_up_sqlite(engine: Engine) -> None:
    """Prepare an engine of SQLite before it connects.

    Args:
        engine: SQLAlchemy engine; transactions with the option ``writes`` lock the file when they begin.
    """
    event.listen(engine, "do_connect", _make_private_file)
    event.listen(engine, "connect", _set_up_connection)
    event.listen(engine, "begin", _begin_transaction)
    _reconnect_to_replaced_file(engine)


def _make_private_file(_: Dialect, __: ConnectionPoolEntry, arguments: Sequence[str], ___: object) -> None:
    """Make the file, if there is none, for its owner alone; SQLite gives those beside it the same mode.

    A file that exists must not be opened here: closing it would drop the locks that other connections of this
    process hold on it (https://www.sqlite.org/howtocorrupt.html, section 2.2).
    """
    with suppress(OSError):  # SQLite says what is wrong
        try:
            os.close(os.open(arguments[0], os.O_CREAT | os.O_EXCL | os.O_RDONLY, 0o600))
        except FileExistsError:
            _take_from_others(arguments[0])


def _take_from_others(file: str) -> None:
    """Leave an own file of an earlier version, and those beside it, to their owner alone."""
    for path in (Path(f"{file}{end}") for end in ("", "-wal", "-shm")):
        if path.exists() and (status := path.stat()).st_uid == os.getuid():
            mode = stat.S_IMODE(status.st_mode)
            if mode & OF_OTHERS:
                path.chmod(mode & ~OF_OTHERS)


def _set_up_connection(connection: sqlite3.Connection, _: ConnectionPoolEntry) -> None:
    """Allow readers beside one writer, and make committed rows survive a power failure."""
    connection.isolation_level = None  # SQLAlchemy begins transactions explicitly
    if not connection.execute("pragma page_count").fetchone()[0]:  # in a file with tables it comes too late
        connection.execute("pragma auto_vacuum = incremental")
    for pragma in ("journal_mode = wal", "synchronous = full", "foreign_keys = on"):
        connection.execute(f"pragma {pragma}")


def _reconnect_to_replaced_file(engine: Engine) -> None:
    """Reconnect when the database file was replaced; an old connection would use the deleted file."""

    def identity() -> tuple[int, int] | None:
        try:
            status = Path(str(engine.url.database)).stat()
        except FileNotFoundError:
            return None
        return status.st_dev, status.st_ino

    def connected(_: sqlite3.Connection, entry: ConnectionPoolEntry) -> None:
        entry.info["file"] = identity()

    def checked_out(_: sqlite3.Connection, entry: ConnectionPoolEntry, __: PoolProxiedConnection) -> None:
        if entry.info["file"] != identity():
            raise DisconnectionError("the database's file was replaced")

    event.listen(engine, "connect", connected)
    event.listen(engine, "checkout", checked_out)


def _begin_transaction(connection: Connection) -> None:
    """Begin a transaction; one that writes locks at once, since two that both read first would deadlock."""
    writes = connection.get_execution_options().get("writes", False)
    connection.exec_driver_sql("begin immediate" if writes else "begin")
