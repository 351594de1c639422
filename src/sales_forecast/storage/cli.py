"""``sales-forecast keys`` and ``sales-forecast audit``: who may call, and who was answered what."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console
from rich.table import Column, Table
from sqlalchemy import Engine

from sales_forecast.configuration import load_configuration
from sales_forecast.errors import InputError
from sales_forecast.storage import audit as trail
from sales_forecast.storage.database import answering, open_database, upgrade, writing
from sales_forecast.storage.keys import SCOPES, Scope, create_key, list_keys, revoke_key

keys = typer.Typer(no_args_is_help=True, help="Make, list and revoke API keys.")
audit = typer.Typer(no_args_is_help=True, help="Export and purge the record of answers.")

Environment = Annotated[str, typer.Option("--env", help="Folder in conf/ that says where the database is.")]
Since = Annotated[datetime | None, typer.Option("--since", help="Answers from this moment on, UTC.")]
Until = Annotated[datetime | None, typer.Option("--until", help="Answers before this moment, UTC.")]


@keys.command()
def create(
    name: Annotated[str, typer.Argument(help="Whose key it is, for people.")],
    scopes: Annotated[
        str, typer.Option(help=f"Of {', '.join(SCOPES)}, with commas between.")
    ] = "read,predict",
    days: Annotated[
        int | None, typer.Option(min=1, help="Valid for so long; without it, until revoked.")
    ] = None,
    env: Environment = "local",
) -> None:
    """Make a key and show it, once."""
    with _database(env) as engine:
        now = datetime.now(UTC)
        with writing(engine) as connection:
            expires = now + timedelta(days=days) if days else None
            key = create_key(connection, name, _scopes(scopes), now, expires)
    typer.echo(key)
    typer.echo("Keep it: nobody can show it again. Send it as 'Authorization: Bearer ...'.", err=True)


def _scopes(given: str) -> list[Scope]:
    wanted = [name.strip() for name in given.split(",")]
    if unknown := [name for name in wanted if name not in SCOPES]:
        raise InputError(f"--scopes: '{unknown[0]}' is none of {', '.join(SCOPES)}")
    return [scope for scope in SCOPES if scope in wanted]


@keys.command("list")
def show(env: Environment = "local") -> None:
    """Show all keys, without their secrets."""
    table = Table(Column("id", no_wrap=True), "name", "scopes", "made", "expires", "revoked")
    with _database(env) as engine, engine.connect() as connection:
        for key in list_keys(connection):
            moments = (key.created_at, key.expires_at, key.revoked_at)
            table.add_row(key.id, key.name, ", ".join(key.scopes), *(_minute(moment) for moment in moments))
    Console().print(table)


def _minute(moment: datetime | None) -> str:
    return f"{moment:%Y-%m-%d %H:%M}" if moment else "-"


@keys.command()
def revoke(
    key_id: Annotated[str, typer.Argument(help="As 'list' shows it.")], env: Environment = "local"
) -> None:
    """Refuse a key from now on."""
    with _database(env) as engine, writing(engine) as connection:
        revoke_key(connection, key_id.removeprefix("sf_"), datetime.now(UTC))
    typer.echo(f"Key {key_id} is refused from now on.")


@audit.command()
def export(
    file: Annotated[Path, typer.Argument(help="A Parquet file; an older one is replaced.")],
    since: Since = None,
    until: Until = None,
    env: Environment = "local",
) -> None:
    """Write answers to a Parquet file."""
    if not file.absolute().parent.is_dir():
        raise typer.BadParameter(f"there is no folder {file.absolute().parent}")
    if file.exists() and not file.is_file():
        raise typer.BadParameter(f"{file} is there already, and no file")
    with _database(env) as engine:
        count = trail.export(engine, file, *(_utc(moment) for moment in (since, until)))
    typer.echo(f"{count:,} answers are in {file}.")


def _utc(moment: datetime | None) -> datetime | None:
    return moment.replace(tzinfo=UTC) if moment else None


@audit.command()
def purge(
    keep_days: Annotated[
        int | None, typer.Option(min=1, help="Instead of audit.keep_days in service.yml.")
    ] = None,
    yes: Annotated[bool, typer.Option("--yes", help="Do not ask.")] = False,
    env: Environment = "local",
) -> None:
    """Forget old answers for good; export them first if they may be needed."""
    with _database(env) as engine:
        days = keep_days or int(load_configuration(env)["service"]["audit"]["keep_days"])
        before = datetime.now(UTC) - timedelta(days=days)
        with engine.connect() as connection:
            count = trail.count_before(connection, before)
        if not count:
            typer.echo(f"No answer is older than {days} days.")
            return
        if not yes:
            typer.confirm(f"Forget {count:,} answers from before {before:%Y-%m-%d}?", abort=True)
        with writing(engine) as connection:
            count = trail.purge(connection, before)
    typer.echo(f"{count:,} answers from before {before:%Y-%m-%d} are forgotten.")


@contextmanager
def _database(env: str) -> Iterator[Engine]:
    """The environment's database; errors that are the user's become one message."""
    try:
        with connected(env) as engine, answering(engine):
            yield engine
    except InputError as error:
        typer.echo(f"Error: {error}", err=True)
        raise typer.Exit(1) from error


@contextmanager
def connected(env: str) -> Iterator[Engine]:
    """The environment's database, up to date.

    Raises:
        InputError: It does not answer.
    """
    engine = open_database(load_configuration(env)["globals"]["database_url"])
    try:
        upgrade(engine)
        yield engine
    finally:
        engine.dispose()
