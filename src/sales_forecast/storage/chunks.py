"""Much to write or to delete, in short transactions between which others have their turn.

SQLite has one writer at a time, which the audit log of the service waits for; a waiting one looks every 0.1
seconds at the latest. PostgreSQL locks rows only, and needs no pauses.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from contextlib import closing, contextmanager
from time import sleep

from filelock import FileLock, Timeout
from sqlalchemy import ColumnElement, Engine, Table, delete, literal_column, select, text

from sales_forecast.errors import InputError
from sales_forecast.storage.database import writing

ROWS_AT_A_TIME = 2_000
"""Rows that one transaction writes or deletes: 0.1 seconds on SQLite, and 1 second on a busy machine."""

PAUSE_SECONDS = 0.12
"""Longer than SQLite lets a waiting writer sleep."""

PAGES_AT_A_TIME = 2_000
"""Pages of 4 kB that one transaction gives back to the file system."""

INCREMENTAL = 2
"""What SQLite calls files that can shrink."""

PUBLICATION_LOCK = 5_104_201_777
"""Key of the advisory lock in PostgreSQL that one publication at a time holds; an arbitrary number."""

SECONDS_TO_WAIT = 600


def give_way(engine: Engine) -> None:
    """Let waiting writers have their turn, on SQLite."""
    if engine.dialect.name == "sqlite":
        sleep(PAUSE_SECONDS)


def delete_rows(engine: Engine, table: Table, condition: ColumnElement[bool]) -> int:
    """Delete rows for good, some of them in each transaction.

    Args:
        engine: SQLAlchemy engine of the database.
        table: Table whose rows are deleted.
        condition: Which of them.

    Returns:
        The number of deleted rows.
    """
    place: ColumnElement[object] = literal_column("rowid" if engine.dialect.name == "sqlite" else "ctid")
    some = select(place).select_from(table).where(condition).limit(ROWS_AT_A_TIME)
    count = 0
    while True:
        with writing(engine) as connection:
            deleted = connection.execute(delete(table).where(place.in_(some))).rowcount
        count += deleted
        if deleted < ROWS_AT_A_TIME:
            return count
        give_way(engine)


def free_space(engine: Engine) -> int:
    """Give the space of deleted rows back to the file system; PostgreSQL's autovacuum does so by itself.

    Returns:
        Bytes that are free in the file, and stay so: those of a SQLite file from before it was made to
        shrink. They are used for new rows.
    """
    if engine.dialect.name != "sqlite":
        return 0
    with closing(engine.raw_connection()) as pooled:
        connection: sqlite3.Connection = pooled.driver_connection  # type: ignore[assignment]

        def ask(pragma: str) -> int:
            return int(connection.execute(f"pragma {pragma}").fetchone()[0])

        while (free := ask("freelist_count")) and ask("auto_vacuum") == INCREMENTAL:
            # a script, since sqlite3 runs but the first of the steps of a statement without a result
            connection.executescript(f"begin immediate; pragma incremental_vacuum({PAGES_AT_A_TIME}); commit")
            give_way(engine)
        return free * ask("page_size")


@contextmanager
def one_publication(engine: Engine) -> Iterator[None]:
    """Wait until no other process publishes, and let none begin meanwhile; others may write.

    Raises:
        InputError: Another one takes too long.
    """
    if engine.dialect.name == "sqlite":
        try:
            with FileLock(f"{engine.url.database}.publishing.lock", timeout=SECONDS_TO_WAIT):
                yield
        except Timeout as error:
            raise InputError(
                f"another publication has not ended after {SECONDS_TO_WAIT} seconds; try again when it has"
            ) from error
        return
    with engine.begin() as connection:
        connection.execute(text(f"set local lock_timeout = '{SECONDS_TO_WAIT}s'"))
        connection.execute(text("set local idle_in_transaction_session_timeout = 0"))
        connection.execute(text("select pg_advisory_xact_lock(:lock)"), {"lock": PUBLICATION_LOCK})
        yield
