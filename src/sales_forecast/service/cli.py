"""The commands ``sales-forecast serve`` and ``sales-forecast ab``."""

from __future__ import annotations

import json
import shlex
import socket
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Annotated
from urllib.parse import urlencode

import typer
from rich.console import Console
from rich.table import Table
from sqlalchemy import Engine, select

from sales_forecast.atomic import whole_file
from sales_forecast.configuration import load_configuration
from sales_forecast.errors import InputError
from sales_forecast.memory import limit_heaps
from sales_forecast.retailers import DEFAULT_RETAILER
from sales_forecast.storage.audit_chain import AuditChain, Signer
from sales_forecast.storage.database import open_database, upgrade, writing
from sales_forecast.storage.key_changes import create_on_record
from sales_forecast.storage.keys import find_key, list_keys
from sales_forecast.storage.queries import newest_run
from sales_forecast.storage.schema import forecasts

ab = typer.Typer(no_args_is_help=True, help="Compare champion and challenger.")

Environment = Annotated[
    str, typer.Option("--env", help="Folder in conf/ with service.yml and the databases.")
]

TRIAL_KEY = Path("conf/local/trial_key")
"""File of the key for trying the service; of conf/local nothing gets into git."""


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
    workers: Annotated[
        int, typer.Option(min=1, help="Number of processes; each holds the models in memory.")
    ] = 1,
    env: Environment = "local",
) -> None:
    """Serve the HTTP API until stopped; its documentation is at /docs."""
    limit_heaps()
    from sales_forecast.service.logs import log_as_json
    from sales_forecast.service.settings import served_retailer
    from sales_forecast.service.start import Start

    try:
        start = Start(env, host, port, production, workers)
        settings = start.settings
        _check_address(settings.host, settings.port)
        retailer = served_retailer(settings, start.engine)
        if settings.production:
            _check_keys(start.engine)
        else:
            _make_trial_key(start.engine, settings.audit.signer)
            _print_examples(start.engine, f"http://{settings.host}:{settings.port}", retailer)
        app = start.make_app()
    except InputError as error:
        typer.echo(f"Error: {error}", err=True)
        raise typer.Exit(1) from error
    log_as_json("production" if settings.production else env)
    start.run(app)


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


def _check_keys(engine: Engine) -> None:
    """Check that there is a valid key.

    Raises:
        InputError: There is none.
    """
    now = datetime.now(UTC)
    with engine.connect() as connection:
        if not any(key.is_valid(now) for key in list_keys(connection)):
            raise InputError("there is no valid API key; make one: sales-forecast keys create NAME")


def _make_trial_key(engine: Engine, signer: Signer) -> None:
    """Write a key for trying the service to a file that nobody else may read; one that is valid is kept."""
    now = datetime.now(UTC)
    if TRIAL_KEY.is_file():
        with engine.connect() as connection:
            if find_key(connection, TRIAL_KEY.read_text().strip(), now + timedelta(hours=1)) is not None:
                return
    with writing(engine) as connection:
        chain, name, expires = AuditChain(signer, "serve"), "for trying, of serve", now + timedelta(days=1)
        key = create_on_record(connection, chain, "serve", name, ["read", "predict", "plan"], now, expires)
    with whole_file(TRIAL_KEY) as part:
        part.touch(mode=0o600)
        part.write_text(key + "\n")


def _print_examples(engine: Engine, address: str, retailer: str) -> None:
    """Print whose forecasts are served, and calls that work with the key, which no log is to get."""
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
    pages = f"{address}/docs, sign in at {address}/planner"
    typer.echo(f"Open {pages}, or try (the key in {TRIAL_KEY} is valid for a day):", err=True)
    series = {"store": row.store, "department": row.department}
    curl = f'  curl -s -H "Authorization: Bearer $(cat {TRIAL_KEY})"'
    typer.echo(f'{curl} "{address}/v1/turnover/forecasts?{urlencode(series)}"', err=True)
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
    from sales_forecast.registry.trust import read_trust
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
        trust = read_trust(configuration["globals"]["models"])
        packages = [open_package(version, TurnoverPackage, trust) for version in (champion, challenger)]
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
