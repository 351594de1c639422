"""Connections, and the migrations that bring an older database up to date."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import orjson
from alembic import command
from alembic.config import Config
from filelock import FileLock
from sqlalchemy import URL, Connection, Engine, Table, create_engine, event, make_url, text
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.exc import (
    ArgumentError,
    DBAPIError,
    DisconnectionError,
    IntegrityError,
    InterfaceError,
    OperationalError,
)

from sales_forecast.errors import InputError

MIGRATIONS = Path(__file__).parent / "migrations"
LOCK = 5_104_201_776
"""Any number; PostgreSQL lets one process at a time hold it."""

SECONDS_TO_ANSWER = 5

POSTGRESQL_WAITS = {
    "connect_timeout": SECONDS_TO_ANSWER,
    "tcp_user_timeout": 1000 * SECONDS_TO_ANSWER,  # a server that is cut off is as good as gone
    "keepalives_idle": SECONDS_TO_ANSWER,
    "options": "-c lock_timeout=60000",
}

DRIVERS = {
    "sqlite": "sqlite",
    "postgresql": "postgresql+psycopg",
    "postgres": "postgresql+psycopg",
}


def open_database(url: str, *, pool_size: int = 5) -> Engine:
    """Make an engine; it connects when it is first used.

    Args:
        url: ``sqlite:///file`` or ``postgresql://user:password@host/name``.
        pool_size: Connections that are kept open.

    Raises:
        InputError: It is no such address, or the file's folder cannot be made.
    """
    place = _place(url)
    is_file = place.drivername == "sqlite"
    waits: dict[str, Any] = {"timeout": 30, "check_same_thread": False} if is_file else POSTGRESQL_WAITS
    if is_file:
        folder = Path(str(place.database)).parent
        try:
            folder.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise InputError(
                f"the folder {folder} of the database cannot be made: {error.strerror}. Name another one "
                "with SALES_FORECAST_DATABASE_URL"
            ) from error
    engine = create_engine(
        place,
        connect_args=waits,
        pool_size=pool_size,
        max_overflow=10,
        pool_pre_ping=not is_file,
        pool_timeout=SECONDS_TO_ANSWER,
        hide_parameters=True,  # what callers ask is nothing for logs
        json_serializer=lambda value: orjson.dumps(value).decode(),
        json_deserializer=orjson.loads,
    )
    if is_file:
        event.listen(engine, "connect", _set_up_sqlite)
        event.listen(engine, "begin", _begin_now)
        _notice_another_file(engine)
    return engine


def _place(url: str) -> URL:
    """Read an address, whichever driver it names."""
    try:
        place = make_url(url)
        place = place.set(drivername=DRIVERS[place.get_backend_name()])
        if place.drivername == "sqlite" and place.database in (None, "", ":memory:"):
            raise ValueError("what is in memory only is gone after the run")
    except (ArgumentError, KeyError, ValueError) as error:
        raise InputError(
            "SALES_FORECAST_DATABASE_URL (database_url in globals.yml) is no address of a database: write "
            "postgresql://user:password@host/name or sqlite:///path/to/file"
        ) from error
    return place


def _set_up_sqlite(connection: Any, _: Any) -> None:
    """Readers and one writer at the same time; what is committed survives a power cut."""
    connection.isolation_level = None  # transactions begin where SQLAlchemy says so
    for pragma in ("journal_mode = wal", "synchronous = full", "foreign_keys = on"):
        connection.execute(f"pragma {pragma}")


def _notice_another_file(engine: Engine) -> None:
    """Connect again when the file was replaced: who holds the old one would write where nobody reads."""

    def identity() -> tuple[int, int] | None:
        try:
            status = Path(str(engine.url.database)).stat()
        except FileNotFoundError:
            return None
        return status.st_dev, status.st_ino

    def connected(_: Any, record: Any) -> None:
        record.info["file"] = identity()

    def checked_out(_: Any, record: Any, __: Any) -> None:
        if record.info["file"] != identity():
            raise DisconnectionError("the database's file was replaced")

    event.listen(engine, "connect", connected)
    event.listen(engine, "checkout", checked_out)


def _begin_now(connection: Connection) -> None:
    """A transaction that will write takes the lock at once: two that both read first could not both go on."""
    writes = connection.get_execution_options().get("writes", False)
    connection.exec_driver_sql("begin immediate" if writes else "begin")


def to_write(engine: Engine) -> Engine:
    """The same engine, whose transactions take SQLite's lock when they begin."""
    return engine.execution_options(writes=True)


@contextmanager
def writing(engine: Engine) -> Iterator[Connection]:
    """One transaction that writes: all of it or nothing."""
    with to_write(engine).begin() as connection:
        yield connection


def one_at_a_time(connection: Connection) -> None:
    """Wait until no other transaction that asked for this is open; on SQLite, all that write do so."""
    if connection.dialect.name == "postgresql":
        connection.execute(text("select pg_advisory_xact_lock(:lock)"), {"lock": LOCK})


def upgrade(engine: Engine) -> None:
    """Bring the tables up to date; other processes wait meanwhile.

    Raises:
        InputError: The database does not answer, or was made by a newer version of this project.
    """
    with answering(engine):
        if engine.dialect.name == "sqlite":
            with FileLock(f"{engine.url.database}.lock", timeout=60), writing(engine) as connection:
                _migrate(connection)
            return
        with writing(engine) as connection:
            one_at_a_time(connection)
            _migrate(connection)


def _migrate(connection: Connection) -> None:
    from alembic.util import CommandError

    try:
        command.upgrade(configuration(connection), "head")
    except CommandError as error:
        raise InputError(
            f"the database was made by a newer version of this project ({error}): update the project"
        ) from error


def configuration(connection: Connection) -> Config:
    """Alembic's, with the connection that it is to use."""
    config = Config()
    config.set_main_option("script_location", str(MIGRATIONS).replace("%", "%%"))
    config.attributes["connection"] = connection
    return config


@contextmanager
def answering(engine: Engine) -> Iterator[None]:
    """Turn the driver's error into one sentence, unless it is about our rows."""
    try:
        yield
    except IntegrityError:
        raise
    except (DBAPIError, OSError) as error:
        place = engine.url.render_as_string(hide_password=True)
        does = "does not answer" if isinstance(error, OperationalError | InterfaceError) else "refuses"
        reason = str(error.orig if isinstance(error, DBAPIError) else error).strip().partition("\n")[0]
        raise InputError(
            f"the database {place} {does}: {reason}. Start or mend it, or name another one with "
            "SALES_FORECAST_DATABASE_URL"
        ) from error


def upsert(connection: Connection, table: Table, rows: list[dict[str, Any]]) -> None:
    """Insert rows; where the key is there already, replace the other columns."""
    if not rows:
        return
    dialect: Any = {"sqlite": sqlite, "postgresql": postgresql}[connection.dialect.name]
    insert = dialect.insert(table)
    keys = [column.name for column in table.primary_key]
    others = {column.name: insert.excluded[column.name] for column in table.c if column.name not in keys}
    connection.execute(insert.on_conflict_do_update(index_elements=keys, set_=others), rows)
