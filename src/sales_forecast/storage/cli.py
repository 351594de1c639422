"""The commands ``sales-forecast keys`` and ``sales-forecast audit``."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Annotated

import typer
from rich.cells import cell_len
from rich.console import Console
from rich.markup import escape
from rich.table import Column, Table
from sqlalchemy import Engine

from sales_forecast.configuration import load_configuration
from sales_forecast.errors import InputError
from sales_forecast.storage import audit as audit_log
from sales_forecast.storage.database import database_errors, ready_database, writing
from sales_forecast.storage.keys import SCOPES, Scope, create_key, list_keys, revoke_key

keys = typer.Typer(no_args_is_help=True, help="Create, list and revoke API keys.")
audit = typer.Typer(no_args_is_help=True, help="Export and purge the audit log.")

WRAPS_AT = 12
"""Narrowest column of words that wrap."""

Environment = Annotated[str, typer.Option("--env", help="Folder in conf/ that configures the database.")]


def _not_blank(why: str) -> str:
    if not why.strip():
        raise typer.BadParameter("say why in a few words: it stays on record")
    return why.strip()


Why = Annotated[str, typer.Option("--why", help="Is recorded.", prompt="Why?", callback=_not_blank)]
Since = Annotated[datetime | None, typer.Option("--since", help="Time of the first record, UTC.")]
Until = Annotated[datetime | None, typer.Option("--until", help="Time before which records end, UTC.")]


@keys.command()
def create(
    name: Annotated[str, typer.Argument(help="Name of the key's owner, for people.")],
    scopes: Annotated[
        str, typer.Option(help=f"Any of {', '.join(SCOPES)}, separated by commas.")
    ] = "read,predict",
    days: Annotated[
        int | None, typer.Option(min=1, help="Days until the key expires; without it, it does not.")
    ] = None,
    env: Environment = "local",
) -> None:
    """Create a key and show it, once."""
    with open_configured(env) as engine:
        now = datetime.now(UTC)
        with writing(engine) as connection:
            expires = now + timedelta(days=days) if days else None
            key = create_key(connection, name, _scopes(scopes), now, expires)
    typer.echo(key)
    typer.echo("Keep it: it cannot be shown again. Send it as 'Authorization: Bearer ...'.", err=True)


def _scopes(given: str) -> list[Scope]:
    wanted = [name.strip() for name in given.split(",")]
    if unknown := [name for name in wanted if name not in SCOPES]:
        raise InputError(f"--scopes: '{unknown[0]}' is none of {', '.join(SCOPES)}")
    return [scope for scope in SCOPES if scope in wanted]


@keys.command("list")
def show(env: Environment = "local") -> None:
    """List all keys, without their secrets."""
    table = Table(Column("id", no_wrap=True), "name", "scopes", "created", "expires", "revoked")
    with open_configured(env) as engine, engine.connect() as connection:
        for key in list_keys(connection):
            moments = (key.created_at, key.expires_at, key.revoked_at)
            table.add_row(key.id, key.name, ", ".join(key.scopes), *(_minute(moment) for moment in moments))
    Console().print(table)


def _minute(moment: datetime | None) -> str:
    return f"{moment:%Y-%m-%d %H:%M}" if moment else "-"


@keys.command()
def revoke(
    key_id: Annotated[str, typer.Argument(help="Id of the key, as 'list' shows it.")],
    env: Environment = "local",
) -> None:
    """Revoke a key."""
    with open_configured(env) as engine, writing(engine) as connection:
        revoke_key(connection, key_id.removeprefix("sf_"), datetime.now(UTC))
    typer.echo(f"Key {key_id} is refused from now on.")


@audit.command()
def export(
    file: Annotated[Path, typer.Argument(help="Parquet file to write; an existing one is replaced.")],
    since: Since = None,
    until: Until = None,
    env: Environment = "local",
) -> None:
    """Write records to a Parquet file."""
    if not file.absolute().parent.is_dir():
        raise typer.BadParameter(f"there is no folder {file.absolute().parent}")
    if file.exists() and not file.is_file():
        raise typer.BadParameter(f"{file} exists and is not a file")
    with open_configured(env) as engine:
        count = audit_log.export(engine, file, *(_utc(moment) for moment in (since, until)))
    typer.echo(f"{count:,} records are in {file}.")


def _utc(moment: datetime | None) -> datetime | None:
    return moment.replace(tzinfo=UTC) if moment else None


@audit.command()
def purge(
    keep_days: Annotated[
        int | None, typer.Option(min=1, help="Days to keep, instead of audit.keep_days in service.yml.")
    ] = None,
    yes: Annotated[bool, typer.Option("--yes", help="Do not ask for confirmation.")] = False,
    env: Environment = "local",
) -> None:
    """Delete old records for good; export them first if they may be needed."""
    with open_configured(env) as engine:
        days = keep_days or int(load_configuration(env)["service"]["audit"]["keep_days"])
        before = datetime.now(UTC) - timedelta(days=days)
        with engine.connect() as connection:
            count = audit_log.count_before(connection, before)
        if not count:
            typer.echo(f"No record is older than {days} days.")
            return
        if not yes:
            typer.confirm(f"Delete {count:,} records from before {before:%Y-%m-%d}?", abort=True)
        with writing(engine) as connection:
            count = audit_log.purge(connection, before)
    typer.echo(f"{count:,} records from before {before:%Y-%m-%d} are deleted.")


def print_table(names: Sequence[str], rows: Sequence[Sequence[str]], console: Console | None = None) -> None:
    """Print a table of which only the last column may wrap; ids and dates are of no use if they are cut.

    Where they do not fit, the table goes without spaces, and then over the edge of the terminal.

    Args:
        names: Heads of the columns.
        rows: Words of each row.
        console: Where; None for the terminal.
    """
    console = console or Console()
    widths = [max(map(cell_len, column)) for column in zip(names, *rows, strict=True)]
    needed = sum(widths[:-1]) + min(widths[-1], WRAPS_AT)
    spaces = 1 if needed + 3 * len(widths) + 1 <= console.width else 0
    console.width = max(console.width, needed + (2 * spaces + 1) * len(widths) + 1)
    table = Table(
        *(Column(name, no_wrap=True) for name in names[:-1]),
        Column(names[-1], overflow="fold"),
        padding=(0, spaces),
    )
    for row in rows:
        table.add_row(*map(escape, row))
    console.print(table)


@contextmanager
def open_configured(env: str) -> Iterator[Engine]:
    """Open the environment's database; print an error that the user can resolve as one message."""
    try:
        url = load_configuration(env)["globals"]["database_url"]
        with ready_database(url) as engine, database_errors(engine):
            yield engine
    except InputError as error:
        typer.echo(f"Error: {error}", err=True)
        raise typer.Exit(1) from error
