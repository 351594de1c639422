"""Connections to the database, and the migrations that update its tables."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path

import orjson
from alembic import command
from alembic.config import Config
from filelock import FileLock
from sqlalchemy import URL, Connection, Engine, Table, create_engine, make_url, text
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.exc import (
    ArgumentError,
    DBAPIError,
    IntegrityError,
    InterfaceError,
    OperationalError,
    SQLAlchemyError,
)

from sales_forecast.errors import InputError
from sales_forecast.storage.sqlite_engine import set_up_sqlite

MIGRATIONS = Path(__file__).parent / "migrations"
LOCK = 5_104_201_776
"""Key of the advisory lock in PostgreSQL that one process at a time can hold; an arbitrary number."""

TIMEOUT_SECONDS = 5

POSTGRESQL_OPTIONS: Mapping[str, object] = {
    "connect_timeout": TIMEOUT_SECONDS,
    "tcp_user_timeout": 1000 * TIMEOUT_SECONDS,  # a server that cannot be reached counts as stopped
    "keepalives_idle": TIMEOUT_SECONDS,
    "options": "-c lock_timeout=60000",
}
SQLITE_SECONDS = 30
SQLITE_OPTIONS: Mapping[str, object] = {"timeout": SQLITE_SECONDS, "check_same_thread": False}

DRIVERS = {
    "sqlite": "sqlite",
    "postgresql": "postgresql+psycopg",
    "postgres": "postgresql+psycopg",
}


def open_database(url: str, *, pool_size: int = 5) -> Engine:
    """Create an engine; it connects when it is first used.

    Args:
        url: ``sqlite:///file`` or ``postgresql://user:password@host/name``.
        pool_size: Number of connections that are kept open.

    Raises:
        InputError: The URL is invalid, or the folder of the file cannot be created.
    """
    address = _parse(url)
    is_file = address.drivername == "sqlite"
    if is_file:
        folder = Path(str(address.database)).parent
        try:
            folder.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise InputError(
                f"the folder {folder} of the database cannot be made: {error.strerror}. Name another one "
                "with SALES_FORECAST_DATABASE_URL"
            ) from error
    engine = create_engine(
        address,
        connect_args=dict(SQLITE_OPTIONS if is_file else POSTGRESQL_OPTIONS),
        pool_size=pool_size,
        max_overflow=10,
        pool_pre_ping=not is_file,
        pool_timeout=TIMEOUT_SECONDS,
        hide_parameters=True,  # the content of requests must not appear in logs
        json_serializer=lambda value: orjson.dumps(value).decode(),
        json_deserializer=orjson.loads,
    )
    if is_file:
        set_up_sqlite(engine)
    return engine


def _parse(url: str) -> URL:
    """Parse a URL and set the driver that is installed, whichever driver it names."""
    try:
        address = make_url(url)
        address = address.set(drivername=DRIVERS[address.get_backend_name()])
        if address.drivername == "sqlite" and address.database in (None, "", ":memory:"):
            raise ValueError("a database in memory does not outlive the process")
    except (ArgumentError, KeyError, ValueError) as error:
        raise InputError(
            "SALES_FORECAST_DATABASE_URL (database_url in globals.yml) is no address of a database: write "
            "postgresql://user:password@host/name or sqlite:///path/to/file"
        ) from error
    return address


def write_engine(engine: Engine) -> Engine:
    """Return the same engine with transactions that lock SQLite for writing when they begin."""
    return engine.execution_options(writes=True)


@contextmanager
def writing(engine: Engine) -> Iterator[Connection]:
    """Open one transaction that writes; all of it is committed or none."""
    with write_engine(engine).begin() as connection:
        yield connection


@contextmanager
def short_waits(engine: Engine) -> Iterator[Connection]:
    """Open one transaction that writes, or fails soon if SQLite is locked by another one."""
    with engine.connect() as connection:
        is_file = connection.dialect.name == "sqlite"
        try:
            if is_file:
                connection.exec_driver_sql("pragma busy_timeout = 500")
                connection.rollback()
            with connection.execution_options(writes=True).begin():
                yield connection
        finally:
            if is_file:
                connection.exec_driver_sql(f"pragma busy_timeout = {SQLITE_SECONDS * 1000}")


def is_busy(error: SQLAlchemyError) -> bool:
    """Return whether SQLite was locked by another transaction for too long."""
    original = getattr(error, "orig", None)
    return isinstance(original, sqlite3.OperationalError) and original.sqlite_errorcode == sqlite3.SQLITE_BUSY


def lock_database(connection: Connection) -> None:
    """Hold a lock until the transaction ends; on SQLite every transaction that writes holds one already."""
    if connection.dialect.name == "postgresql":
        connection.execute(text("select pg_advisory_xact_lock(:lock)"), {"lock": LOCK})


def upgrade(engine: Engine) -> None:
    """Migrate the tables to the newest revision; other processes wait until it is done.

    Args:
        engine: SQLAlchemy engine of the database.

    Raises:
        InputError: The database does not answer, or was made by a newer version of this project.
    """
    with database_errors(engine):
        if engine.dialect.name == "sqlite":
            with FileLock(f"{engine.url.database}.lock", timeout=60), writing(engine) as connection:
                _migrate(connection)
            return
        with writing(engine) as connection:
            lock_database(connection)
            _migrate(connection)


@contextmanager
def ready_database(url: str) -> Iterator[Engine]:
    """Open a database with its tables up to date, and close it again.

    Args:
        url: ``sqlite:///file`` or ``postgresql://user:password@host/name``.

    Raises:
        InputError: The database does not answer, or was made by a newer version of this project.
    """
    engine = open_database(url)
    try:
        upgrade(engine)
        yield engine
    finally:
        engine.dispose()


def _migrate(connection: Connection) -> None:
    from alembic.util import CommandError

    try:
        command.upgrade(configuration(connection), "head")
    except CommandError as error:
        raise InputError(
            f"the database was made by a newer version of this project ({error}): update the project"
        ) from error


def configuration(connection: Connection) -> Config:
    """Return Alembic's configuration with the connection that it is to use."""
    config = Config()
    config.set_main_option("script_location", str(MIGRATIONS).replace("%", "%%"))
    config.attributes["connection"] = connection
    return config


@contextmanager
def database_errors(engine: Engine) -> Iterator[None]:
    """Turn an error of the driver into one sentence for the user.

    Args:
        engine: SQLAlchemy engine of the database that is used meanwhile.

    Raises:
        InputError: The database does not answer or refuses a statement.
    """
    try:
        yield
    except IntegrityError:  # the rows are wrong, not the database
        raise
    except (DBAPIError, OSError, sqlite3.Error) as error:
        address = engine.url.render_as_string(hide_password=True)
        away = isinstance(error, OperationalError | InterfaceError | sqlite3.OperationalError)
        does = "does not answer" if away else "refuses"
        reason = str(error.orig if isinstance(error, DBAPIError) else error).strip().partition("\n")[0]
        raise InputError(
            f"the database {address} {does}: {reason}. Start or mend it, or name another one with "
            "SALES_FORECAST_DATABASE_URL"
        ) from error


def upsert(connection: Connection, table: Table, rows: Sequence[Mapping[str, object]]) -> None:
    """Insert rows; where the primary key exists already, update the other columns.

    Args:
        connection: Connection to the database.
        table: Table to write to.
        rows: Rows with a value for every column.
    """
    if not rows:
        return
    insert = (sqlite if connection.dialect.name == "sqlite" else postgresql).insert(table)
    keys = [column.name for column in table.primary_key]
    others = {column.name: insert.excluded[column.name] for column in table.c if column.name not in keys}
    connection.execute(insert.on_conflict_do_update(index_elements=keys, set_=others), rows)
