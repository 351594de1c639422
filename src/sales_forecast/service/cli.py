"""``sales-forecast serve`` and ``sales-forecast ab``."""

from __future__ import annotations

import ctypes
import json
import shlex
import socket
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from typing import Annotated
from urllib.parse import urlencode

import typer
from rich.console import Console
from rich.table import Table
from sqlalchemy import Engine, select

from sales_forecast.configuration import load_configuration
from sales_forecast.errors import InputError
from sales_forecast.storage.database import open_database, upgrade, writing
from sales_forecast.storage.keys import create_key, list_keys
from sales_forecast.storage.queries import newest_run
from sales_forecast.storage.schema import forecasts

ab = typer.Typer(no_args_is_help=True, help="Champion and challenger side by side.")

Environment = Annotated[str, typer.Option("--env", help="Folder in conf/ with service.yml and the stores.")]

CONNECTIONS = 20

SECONDS_IDLE = 75
"""Then a connection is closed; longer than authenticator and proxies (a minute, mostly) wait to use it again."""

M_ARENA_MAX = -8
"""As glibc's malloc.h has it."""


def serve(
    host: Annotated[str | None, typer.Option(help="Instead of the one in service.yml.")] = None,
    port: Annotated[int | None, typer.Option(help="Instead of the one in service.yml.")] = None,
    production: Annotated[
        bool | None, typer.Option("--production", help="Make no key; accept no default.")
    ] = None,
    env: Environment = "local",
) -> None:
    """Answer over HTTP until stopped; see /docs."""
    _share_heaps()
    import uvicorn

    from sales_forecast.registry.cli import open_tracking
    from sales_forecast.registry.store import Registry
    from sales_forecast.service.app import create_app
    from sales_forecast.service.logs import log_as_json
    from sales_forecast.service.settings import read_settings

    try:
        configuration = load_configuration(env)
        settings = read_settings(configuration["service"], host=host, port=port, production=production)
        _refuse_taken(settings.host, settings.port)
        engine = open_database(configuration["globals"]["database_url"], pool_size=CONNECTIONS)
        upgrade(engine)
        key = _key(engine, production=settings.production)
        client = open_tracking(configuration)
    except InputError as error:
        typer.echo(f"Error: {error}", err=True)
        raise typer.Exit(1) from error
    app = create_app(settings, engine, client, configuration["parameters"]["marketing"]["curve"])
    if key is not None:
        has_champion = Registry(client, "sales_forecast.turnover").champion() is not None
        _say_how(engine, f"http://{settings.host}:{settings.port}", key, has_champion=has_champion)
    log_as_json()
    uvicorn.run(
        app,
        host=settings.host,
        port=settings.port,
        timeout_keep_alive=SECONDS_IDLE,
        log_config=None,
        access_log=False,
        server_header=False,
    )


def _refuse_taken(host: str, port: int) -> None:
    """Say so before a key is made.

    Raises:
        InputError: The address is taken, or none of this machine's.
    """
    try:
        with socket.create_server((host, port), family=socket.AF_INET6 if ":" in host else socket.AF_INET):
            return
    except OSError as error:
        raise InputError(
            f"the service cannot listen on {host}, port {port}: {error.strerror}. Stop what does, or name "
            "another one: --port, or port in conf/local/service.yml"
        ) from error


def _share_heaps() -> None:
    """Have all threads take memory from two heaps.

    Of itself glibc gives a thread a heap of its own, up to eight a core, and each keeps what its largest
    question took.
    """
    with suppress(AttributeError, OSError, TypeError):  # another C library
        ctypes.CDLL(None).mallopt(M_ARENA_MAX, 2)


def _key(engine: Engine, *, production: bool) -> str | None:
    """A key for today, unless this is production, which must have one.

    Raises:
        InputError: It has none.
    """
    now = datetime.now(UTC)
    if production:
        with engine.connect() as connection:
            valid = [
                key
                for key in list_keys(connection)
                if key.revoked_at is None and (key.expires_at is None or key.expires_at > now)
            ]
        if not valid:
            raise InputError("there is no valid API key; make one: sales-forecast keys create NAME")
        return None
    with writing(engine) as connection:
        return create_key(
            connection, "made by serve, for a day", ["read", "predict"], now, now + timedelta(days=1)
        )


def _say_how(engine: Engine, address: str, key: str, *, has_champion: bool) -> None:
    """Print calls that work."""
    with engine.connect() as connection:
        run = newest_run(connection, "turnover")
        row = None
        if run is not None:
            row = connection.execute(select(forecasts).where(forecasts.c.run == run.id).limit(1)).first()
    if row is None:
        typer.echo(f"Open {address}/docs. No forecasts are stored yet; make some: kedro run", err=True)
        return
    typer.echo(f"Open {address}/docs, or try (the key is valid for a day):", err=True)
    series = {"store": row.store, "department": row.department}
    curl = f'  curl -s -H "Authorization: Bearer {key}"'
    typer.echo(f'{curl} "{address}/v1/turnover/forecasts?{urlencode(series)}"', err=True)
    if not has_champion:
        typer.echo("No model is in the registry yet, only stored forecasts; make one: kedro run", err=True)
        return
    asked = shlex.quote(json.dumps({"series": [series]}))
    typer.echo(
        f"{curl} -H 'Content-Type: application/json' {address}/v1/turnover/predict -d {asked}", err=True
    )


@ab.command()
def report(
    since: Annotated[
        datetime | None, typer.Option(help="When the experiment began, UTC; the challenger's first answer.")
    ] = None,
    env: Environment = "local",
) -> None:
    """Compare the arms on the weeks whose turnover has arrived, and say whether the experiment may stop."""
    from sales_forecast.service.experiment import compare_arms
    from sales_forecast.service.settings import read_settings

    try:
        configuration = load_configuration(env)
        settings = read_settings(configuration["service"])
        engine = open_database(configuration["globals"]["database_url"])
        upgrade(engine)
        found = compare_arms(engine, settings.ab, since.replace(tzinfo=UTC) if since else None)
    except InputError as error:
        typer.echo(f"Error: {error}", err=True)
        raise typer.Exit(1) from error
    table = Table("week", "stores", "champion", "challenger", "difference", "interval", title=found.title)
    for look in found.looks:
        table.add_row(
            f"{look.week:%Y-%m-%d}",
            str(look.stores),
            f"{look.champion:.2%}",
            f"{look.challenger:.2%}",
            f"{100 * look.difference:+.2f}",
            f"{100 * look.low:+.2f} to {100 * look.high:+.2f}",
        )
    console = Console()
    console.print(table)
    console.print(found.words)
