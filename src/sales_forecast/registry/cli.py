"""``sales-forecast models``: look at the registry, and change by hand which model serves."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Annotated

import typer
from rich.console import Console
from rich.markdown import Markdown
from rich.table import Table

from sales_forecast.errors import InputError
from sales_forecast.registry.store import CHALLENGER, CHAMPION, Registry

if TYPE_CHECKING:
    from kedro.config import OmegaConfigLoader
    from mlflow import MlflowClient

DOMAINS = ("turnover", "marketing")
SHOWN_TAGS = ("data_version", "decision")

models = typer.Typer(no_args_is_help=True, help="Look at the registry, and change which model serves.")

Domain = Annotated[str, typer.Argument(help=f"{' or '.join(DOMAINS)}.")]
Version = Annotated[str, typer.Argument(help="Number of the version, as 'list' shows it.")]
Environment = Annotated[str, typer.Option("--env", help="Folder in conf/ that says where the registry is.")]
Why = Annotated[str, typer.Option("--why", help="Is recorded.", prompt="Why?")]


@models.command("list")
def list_versions(env: Environment = "local") -> None:
    """Show every version of both domains, newest first."""
    console = Console()
    with _registries(env) as registries:
        for registry in registries.values():
            console.print(_versions(registry))


@models.command()
def show(domain: Domain, version: Version = "", env: Environment = "local") -> None:
    """Show one version, the champion if none is named, with its card and every change of the champion."""
    console = Console()
    with _registries(env) as registries:
        registry = _of(registries, domain)
        found = registry.version(version) if version else registry.champion()
        if found is None:
            raise InputError(f"{registry.name} has no champion yet. Make one: kedro run")
        console.print(f"[bold]{registry.name} version {found.version}[/bold], made by run {found.run_id}")
        for name, value in sorted(found.tags.items()):
            console.print(f"  {name}: {value}", soft_wrap=True, highlight=False)
        console.print(Markdown(found.description or ""))
        console.print(_history(registry))


@models.command()
def promote(domain: Domain, version: Version, why: Why, env: Environment = "local") -> None:
    """Let a version serve, whatever the comparison said."""
    with _registries(env) as registries:
        event = _of(registries, domain).promote(version, why)
        _say(domain, event.version, event.previous)


@models.command()
def rollback(domain: Domain, why: Why, env: Environment = "local") -> None:
    """Let the version serve again that served before."""
    with _registries(env) as registries:
        event = _of(registries, domain).rollback(why)
        _say(domain, event.version, event.previous)


def _say(domain: str, version: str, previous: str | None) -> None:
    before = f"; before, version {previous} did" if previous else ""
    typer.echo(f"Version {version} of sales_forecast.{domain} serves{before}.")


def _of(registries: dict[str, Registry], domain: str) -> Registry:
    if domain not in registries:
        raise InputError(f"'{domain}' is no domain; there are {' and '.join(registries)}")
    return registries[domain]


@contextmanager
def _registries(env: str) -> Iterator[dict[str, Registry]]:
    """The registry of each domain; errors that are the user's become one message."""
    try:
        client = _client(env)
        yield {domain: Registry(client, f"sales_forecast.{domain}") for domain in DOMAINS}
    except InputError as error:
        typer.echo(f"Error: {error}", err=True)
        raise typer.Exit(1) from error


def _client(env: str) -> MlflowClient:
    """A client of the store that ``mlflow.yml`` of the environment names."""
    from sales_forecast.configuration import load_configuration

    return open_tracking(load_configuration(env))


def open_tracking(configuration: OmegaConfigLoader) -> MlflowClient:
    """A client of the tracking server that ``mlflow.yml`` names.

    Raises:
        InputError: It does not answer.
    """
    from sales_forecast.tracking import does_not_answer

    uri = configuration["mlflow"]["server"]["mlflow_tracking_uri"]
    if reason := does_not_answer(uri):
        raise InputError(f"the tracking server {uri} does not answer: {reason}")
    import mlflow

    mlflow.set_tracking_uri(uri)  # artifacts are found by it
    return mlflow.MlflowClient(tracking_uri=uri)


def _versions(registry: Registry) -> Table:
    table = Table("version", "serves", "made", "data", "decision", title=registry.name)
    aliases = {CHAMPION: registry.champion(), CHALLENGER: registry.challenger()}
    for found in registry.versions():
        mine = [name for name, one in aliases.items() if one and str(one.version) == str(found.version)]
        table.add_row(
            str(found.version),
            ", ".join(mine),
            f"{_day(found.creation_timestamp)}",
            *(found.tags.get(name, "") for name in SHOWN_TAGS),
        )
    return table


def _history(registry: Registry) -> Table:
    table = Table("when", "what", "version", "before", "who", "why", title="Changes of the champion")
    champion = registry.champion()
    events = registry.history()
    then = [event.previous for event in events[1:]] + [str(champion.version) if champion else None]
    for event, served_then in zip(events, then, strict=True):
        happened = event.version == served_then
        what = event.action if happened else f"{event.action}, interrupted"
        table.add_row(event.when, what, event.version, event.previous or "-", event.who, event.why)
    return table


def _day(milliseconds: int) -> str:
    from datetime import UTC, datetime

    return f"{datetime.fromtimestamp(milliseconds / 1000, UTC):%Y-%m-%d %H:%M}"
