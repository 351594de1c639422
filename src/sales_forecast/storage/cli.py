"""The commands ``sales-forecast keys``, and what other commands on the database share."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from typing import Annotated

import typer
from rich.cells import cell_len
from rich.console import Console
from rich.markup import escape
from rich.table import Column, Table
from sqlalchemy import Engine

from sales_forecast.configuration import load_configuration
from sales_forecast.errors import InputError
from sales_forecast.storage.audit_chain import AuditChain
from sales_forecast.storage.audit_settings import AuditSettings, read_audit_settings
from sales_forecast.storage.database import database_errors, ready_database, writing
from sales_forecast.storage.key_changes import create_on_record, revoke_on_record
from sales_forecast.storage.keys import EVERYWHERE, SCOPES, ListedKey, Scope, Territory, list_keys

keys = typer.Typer(no_args_is_help=True, help="Create, list and revoke API keys.")

CONTROLS = re.compile(r"[\x00-\x09\x0b-\x1f\x7f-\x9f]")
"""Characters that a terminal obeys, but for the end of a line."""

WRAPS_AT = 12
"""Narrowest column of words that wrap."""

Environment = Annotated[str, typer.Option("--env", help="Folder in conf/ that configures the database.")]


def _not_blank(why: str) -> str:
    if not why.strip():
        raise typer.BadParameter("say why in a few words: it stays on record")
    return why.strip()


Why = Annotated[str, typer.Option("--why", help="Is recorded.", prompt="Why?", callback=_not_blank)]


@keys.command()
def create(
    name: Annotated[str, typer.Argument(help="Name of the key's owner, for people.")],
    scopes: Annotated[
        str, typer.Option(help=f"Any of {', '.join(SCOPES)}, separated by commas.")
    ] = "read,predict",
    days: Annotated[
        int | None, typer.Option(min=1, help="Days until the key expires; without it, it does not.")
    ] = None,
    stores: Annotated[
        str | None, typer.Option(help="With plan: stores whose plan it may change, separated by commas.")
    ] = None,
    regions: Annotated[
        str | None, typer.Option(help="With plan: regions whose plan it may change, separated by commas.")
    ] = None,
    login: Annotated[
        str | None,
        typer.Option(help="Name by which a trusted proxy announces the owner, who needs no key."),
    ] = None,
    env: Environment = "local",
) -> None:
    """Create a key and show it, once.

    A reader needs the scope read; a planner read, predict and plan; an administrator all of them. Without
    --stores and --regions, a planner may change the plan of every store.
    """
    territory = Territory(_names(stores, "--stores"), _names(regions, "--regions"))
    if territory != EVERYWHERE and "plan" not in _scopes(scopes):
        raise typer.BadParameter("--stores and --regions need the scope plan: --scopes read,predict,plan")
    with open_configured(env) as engine:
        now, chain = datetime.now(UTC), chain_of(env)
        with writing(engine) as connection:
            expires = now + timedelta(days=days) if days else None
            key = create_on_record(
                connection, chain, "keys", name, _scopes(scopes), now, expires, territory, login
            )
    typer.echo(key)
    typer.echo("Keep it: it cannot be shown again. Send it as 'Authorization: Bearer ...'.", err=True)


def _scopes(given: str) -> list[Scope]:
    wanted = [name.strip() for name in given.split(",")]
    if unknown := [name for name in wanted if name not in SCOPES]:
        raise InputError(f"--scopes: '{unknown[0]}' is none of {', '.join(SCOPES)}")
    return [scope for scope in SCOPES if scope in wanted]


def _names(given: str | None, option: str) -> frozenset[str] | None:
    if given is None:
        return None
    found = frozenset(name.strip() for name in given.split(",") if name.strip())
    if not found:
        raise typer.BadParameter(f"{option}: name at least one")
    return found


@keys.command("list")
def show(env: Environment = "local") -> None:
    """List all keys, without their secrets."""
    table = Table(Column("id", no_wrap=True), "name", "scopes", "may plan", "created", "expires", "revoked")
    with open_configured(env) as engine, engine.connect() as connection:
        for key in list_keys(connection):
            moments = (key.created_at, key.expires_at, key.revoked_at)
            words = (key.name, ", ".join(key.scopes), _plans(key))
            table.add_row(key.id, *map(escape, words), *(_minute(moment) for moment in moments))
    Console().print(table)


def _plans(key: ListedKey) -> str:
    if "plan" not in key.scopes:
        return "-"
    parts = {"stores": key.stores, "regions": key.regions}
    named = [f"{name} {', '.join(found)}" for name, found in parts.items() if found is not None]
    return "; ".join(named) or "every store"


def _minute(moment: datetime | None) -> str:
    return f"{moment:%Y-%m-%d %H:%M}" if moment else "-"


@keys.command()
def revoke(
    key_id: Annotated[str, typer.Argument(help="Id of the key, as 'list' shows it.")],
    env: Environment = "local",
) -> None:
    """Revoke a key."""
    key_id = key_id.removeprefix("sf_")
    with open_configured(env) as engine:
        chain = chain_of(env)
        with writing(engine) as connection:
            revoke_on_record(connection, chain, key_id, datetime.now(UTC))
    typer.echo(f"Key {key_id} is refused from now on.")


def audit_settings_of(env: str) -> AuditSettings:
    """Return the settings of the audit log of an environment."""
    return read_audit_settings(load_configuration(env)["service"])


def chain_of(env: str) -> AuditChain:
    """Return a writer of the audit log for one command."""
    return AuditChain(audit_settings_of(env).signer, "command line")


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
        table.add_row(*map(printable, row))
    console.print(table)


def printable(text: str) -> str:
    """Return a text that the console prints as it is: a terminal would obey what planners have written."""
    return escape(CONTROLS.sub("\ufffd", text))


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
