"""The commands ``sales-forecast serve`` and ``sales-forecast ab``."""

from __future__ import annotations

import json
import shlex
import socket
from datetime import UTC, datetime, timedelta
from typing import Annotated
from urllib.parse import urlencode

import typer
from rich.console import Console
from rich.table import Table
from sqlalchemy import Engine, select

from sales_forecast.configuration import load_configuration
from sales_forecast.errors import InputError
from sales_forecast.memory import limit_heaps
from sales_forecast.retailers import DEFAULT_RETAILER
from sales_forecast.storage.database import open_database, upgrade, writing
from sales_forecast.storage.keys import create_key, list_keys
from sales_forecast.storage.queries import newest_run
from sales_forecast.storage.schema import forecasts

ab = typer.Typer(no_args_is_help=True, help="Compare champion and challenger.")

Environment = Annotated[
    str, typer.Option("--env", help="Folder in conf/ with service.yml and the databases.")
]

CONNECTIONS = 20

KEEP_ALIVE_SECONDS = 75
"""Seconds until an idle connection is closed; longer than clients and proxies keep it (usually a minute)."""


def serve(
    host: Annotated[
        str | None, typer.Option(help="Address to listen on, instead of the one in service.yml.")
    ] = None,
    port: Annotated[
        int | None, typer.Option(help="Port to listen on, instead of the one in service.yml.")
    ] = None,
    production: Annotated[
        bool | None, typer.Option("--production", help="Create no key, and refuse default secrets.")
    ] = None,
    env: Environment = "local",
) -> None:
    """Serve the HTTP API until stopped; its documentation is at /docs."""
    limit_heaps()
    import uvicorn

    from sales_forecast.registry.cli import open_tracking
    from sales_forecast.registry.store import registry_of
    from sales_forecast.service.app import create_app
    from sales_forecast.service.logs import log_as_json
    from sales_forecast.service.settings import read_budget_interval, read_settings, served_retailer

    try:
        configuration = load_configuration(env)
        settings = read_settings(configuration["service"], host=host, port=port, production=production)
        budget_interval = read_budget_interval(configuration["parameters"]["marketing"]["curve"])
        _check_address(settings.host, settings.port)
        engine = open_database(configuration["globals"]["database_url"], pool_size=CONNECTIONS)
        upgrade(engine)
        retailer = served_retailer(settings, engine)
        key = _create_key(engine, production=settings.production)
        client = open_tracking(configuration)
    except InputError as error:
        typer.echo(f"Error: {error}", err=True)
        raise typer.Exit(1) from error
    app = create_app(settings, engine, client, budget_interval)
    if key is not None:
        has_champion = registry_of(client, "sales_forecast.turnover", retailer).champion() is not None
        address = f"http://{settings.host}:{settings.port}"
        _print_examples(engine, address, key, retailer, has_champion=has_champion)
    log_as_json("production" if settings.production else env)
    uvicorn.run(
        app,
        host=settings.host,
        port=settings.port,
        timeout_keep_alive=KEEP_ALIVE_SECONDS,
        log_config=None,
        access_log=False,
        server_header=False,
    )


def _check_address(host: str, port: int) -> None:
    """Check that the address is free, before a key is created.

    Raises:
        InputError: The address is in use, or does not belong to this machine.
    """
    try:
        with socket.create_server((host, port), family=socket.AF_INET6 if ":" in host else socket.AF_INET):
            return
    except OSError as error:
        raise InputError(
            f"the service cannot listen on {host}, port {port}: {error.strerror}. Stop the other process, or "
            "choose another port: --port, or port in conf/local/service.yml"
        ) from error


def _create_key(engine: Engine, *, production: bool) -> str | None:
    """Create a key that is valid for a day; in production there must be a valid one already.

    Raises:
        InputError: There is no valid key in production.
    """
    now = datetime.now(UTC)
    if production:
        with engine.connect() as connection:
            has_valid_key = any(key.is_valid(now) for key in list_keys(connection))
        if not has_valid_key:
            raise InputError("there is no valid API key; make one: sales-forecast keys create NAME")
        return None
    with writing(engine) as connection:
        return create_key(
            connection, "created by serve, for a day", ["read", "predict"], now, now + timedelta(days=1)
        )


def _print_examples(engine: Engine, address: str, key: str, retailer: str, *, has_champion: bool) -> None:
    """Print whose forecasts are served, and calls that work with the key."""
    if retailer != DEFAULT_RETAILER:
        typer.echo(f"The forecasts and models are those of retailer '{retailer}'.", err=True)
    with engine.connect() as connection:
        run = newest_run(connection, "turnover", retailer=retailer)
        row = None
        if run is not None:
            row = connection.execute(select(forecasts).where(forecasts.c.run == run.id).limit(1)).first()
    if row is None:
        typer.echo(f"Open {address}/docs. No forecasts are stored yet; make some: kedro run", err=True)
        return
    pages = f"{address}/docs, sign in at {address}/monitoring"
    typer.echo(f"Open {pages}, or try (the key is valid for a day):", err=True)
    series = {"store": row.store, "department": row.department}
    curl = f'  curl -s -H "Authorization: Bearer {key}"'
    typer.echo(f'{curl} "{address}/v1/turnover/forecasts?{urlencode(series)}"', err=True)
    if not has_champion:
        typer.echo("No model is in the registry yet, only stored forecasts; make one: kedro run", err=True)
        return
    body = shlex.quote(json.dumps({"series": [series]}))
    typer.echo(
        f"{curl} -H 'Content-Type: application/json' {address}/v1/turnover/predict -d {body}", err=True
    )


@ab.command()
def plan(env: Environment = "local") -> None:
    """Say, before an experiment starts, how many weeks it takes to see a difference of 2 %."""
    from sales_forecast.models.turnover import TurnoverPackage
    from sales_forecast.registry.cli import open_tracking
    from sales_forecast.registry.packages import open_package
    from sales_forecast.registry.store import registry_of
    from sales_forecast.service.experiment import plan_experiment
    from sales_forecast.service.settings import read_settings, served_retailer

    try:
        configuration = load_configuration(env)
        settings = read_settings(configuration["service"])
        engine = open_database(configuration["globals"]["database_url"])
        upgrade(engine)
        client, retailer = open_tracking(configuration), served_retailer(settings, engine)
        registry = registry_of(client, "sales_forecast.turnover", retailer)
        champion, challenger = registry.champion(), registry.challenger()
        if champion is None or challenger is None:
            missing = "champion" if champion is None else "challenger"
            raise InputError(
                f"{registry.name} has no {missing}, so there is nothing to compare. Make one: kedro run"
            )
        packages = [open_package(version, TurnoverPackage) for version in (champion, challenger)]
        typer.echo(plan_experiment(packages[0], packages[1], settings.ab))
    except InputError as error:
        typer.echo(f"Error: {error}", err=True)
        raise typer.Exit(1) from error


@ab.command()
def report(
    since: Annotated[
        datetime | None,
        typer.Option(help="Start of the experiment, UTC; by default the challenger's first prediction."),
    ] = None,
    env: Environment = "local",
) -> None:
    """Compare both arms on the weeks whose turnover has arrived, and say whether the experiment may stop."""
    from sales_forecast.service.experiment import compare_arms
    from sales_forecast.service.settings import read_settings, served_retailer

    try:
        configuration = load_configuration(env)
        settings = read_settings(configuration["service"])
        engine = open_database(configuration["globals"]["database_url"])
        upgrade(engine)
        start = since.replace(tzinfo=UTC) if since else None
        found = compare_arms(engine, settings.ab, start, served_retailer(settings, engine))
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
    console.print(found.conclusion)
