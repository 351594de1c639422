"""The commands ``sales-forecast db``: back up, restore, check and measure the database."""

from __future__ import annotations

import getpass
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated

import typer
from sqlalchemy import Engine

from sales_forecast.configuration import load_configuration
from sales_forecast.errors import InputError
from sales_forecast.storage import backup as backups
from sales_forecast.storage.audit import RECORD_READ, RESTORE, event
from sales_forecast.storage.cli import Environment, chain_of, print_table
from sales_forecast.storage.database import database_errors, open_database, upgrade

db = typer.Typer(no_args_is_help=True, help="Back up, restore, check and measure the database.")

MEGABYTE = 1e6


@contextmanager
def _opened(env: str, *, must_exist: bool = True) -> Iterator[Engine]:
    """Open the environment's database as it is; its tables are not brought up to date."""
    try:
        engine = open_database(load_configuration(env)["globals"]["database_url"])
        file = backups.sqlite_file(engine)
        if must_exist and file is not None and not file.is_file():
            raise InputError(f"there is no database {file}")
        with database_errors(engine):
            yield engine
        engine.dispose()
    except InputError as error:
        typer.echo(f"Error: {error}", err=True)
        raise typer.Exit(1) from error


@db.command()
def backup(
    file: Annotated[Path, typer.Argument(help="File to write; an existing one is replaced.")],
    env: Environment = "local",
) -> None:
    """Write the database to a file, while others use it: SQLite's own format, or that of pg_dump.

    The audit log has a record of it, which is written before, and so is in the backup as well.
    """
    if not file.absolute().parent.is_dir():
        raise typer.BadParameter(f"there is no folder {file.absolute().parent}")
    with _opened(env) as engine:
        _record_backup(engine, file, env)
        backups.back_up(engine, file)
    typer.echo(f"{file} ({file.stat().st_size / MEGABYTE:,.1f} MB)")


def _record_backup(engine: Engine, file: Path, env: str) -> None:
    """Record that the audit log is copied, unless its tables are those of another version of the project."""
    from sales_forecast.storage.health import revision_of

    with engine.connect() as connection:
        revision = revision_of(connection)
    if revision != backups.head_revision():
        typer.echo(f"The backup is not on record: the database has migration {revision or 'none'}.", err=True)
        return
    content = {"account": getpass.getuser(), "file": str(file)}
    chain_of(env).write(engine, [event(RECORD_READ, "db backup", content)])


@db.command()
def restore(
    file: Annotated[Path, typer.Argument(help="A backup.")],
    yes: Annotated[bool, typer.Option("--yes", help="Do not ask for confirmation.")] = False,
    env: Environment = "local",
) -> None:
    """Replace the database by a backup, whole or not at all; stop the service and runs before.

    The audit log, which is replaced as well, has a record of it afterwards.
    """
    with _opened(env, must_exist=False) as engine:
        name = engine.url.render_as_string(hide_password=True)
        if not yes:
            typer.confirm(f"Replace all tables of {name} by {file}?", abort=True)
        kept = backups.restore(engine, file)
        upgrade(engine)
        content = {"account": getpass.getuser(), "file": str(file)}
        result = {"kept": str(kept) if kept else None}
        chain_of(env).write(engine, [event(RESTORE, "db restore", content, result)])
    typer.echo(f"{name} is as in {file}." + (f" What it was before is in {kept}." if kept else ""))


@db.command()
def check(env: Environment = "local") -> None:
    """Check integrity, migrations and foreign keys: exit code 1 if something is wrong."""
    from sales_forecast.storage.health import check as check_all

    with _opened(env) as engine, engine.connect() as connection:
        found = check_all(connection)
    for finding in found:
        typer.echo(f"{finding.name}: {finding.problem or 'ok'}")
    if any(finding.problem for finding in found):
        raise typer.Exit(1)


@db.command()
def size(env: Environment = "local") -> None:
    """Print rows and bytes of each table, the largest first."""
    from sales_forecast.storage.health import sizes

    with _opened(env) as engine, engine.connect() as connection:
        found = sizes(connection)
    rows = [
        (f"{one.rows:,}", "-" if one.bytes is None else f"{one.bytes / MEGABYTE:,.2f}", one.name)
        for one in found
    ]
    print_table(("rows", "MB", "table"), rows)
