"""``sales-forecast models``: look at the registry, and change by hand which model serves."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.console import Console
from rich.markdown import Markdown
from rich.table import Table

from sales_forecast.errors import InputError
from sales_forecast.registry.store import CHALLENGER, CHAMPION, Event, Registry, registries
from sales_forecast.retailers import DEFAULT_RETAILER, read_retailer, retailer_of
from sales_forecast.storage.cli import Why

if TYPE_CHECKING:
    from kedro.config import OmegaConfigLoader
    from mlflow import MlflowClient

DOMAINS = ("turnover", "marketing")
SHOWN_TAGS = ("data_version", "decision")

models = typer.Typer(no_args_is_help=True, help="Look at the registry, and change which model serves.")

Domain = Annotated[str, typer.Argument(help=f"{' or '.join(DOMAINS)}.")]
Version = Annotated[str, typer.Argument(help="Number of the version, as 'list' shows it.")]
Environment = Annotated[str, typer.Option("--env", help="Folder in conf/ that says where the registry is.")]
Whose = Annotated[
    str | None,
    typer.Option("--retailer", help="Whose models; without it, those of the retailer of the files in data/."),
]


@dataclass(frozen=True)
class _Models:
    """The registered models of all retailers.

    Args:
        client: Of the tracking server.
        configuration: Says where ``data/`` keeps whose files it holds.
    """

    client: MlflowClient
    configuration: OmegaConfigLoader

    def of(self, domain: str) -> dict[str, Registry]:
        """Registered models of a domain, by retailer; that of the default one, still empty, before the first.

        Raises:
            InputError: There is no such domain.
        """
        if domain not in DOMAINS:
            raise InputError(f"'{domain}' is no domain; there are {' and '.join(DOMAINS)}")
        model = f"sales_forecast.{domain}"
        return registries(self.client, model) or {DEFAULT_RETAILER: Registry(self.client, model)}

    def choose(self, domain: str, retailer: str | None) -> Registry:
        """Registered model of a retailer: the named one, that of the files in ``data/``, or the only one.

        Raises:
            InputError: There is no such domain or retailer, or none is named, and there are several.
        """
        known = self.of(domain)
        wanted = retailer or (self._present(domain) if len(known) > 1 else next(iter(known)))
        if wanted in known:
            return known[wanted]
        there = f"sales_forecast.{domain} has models of {len(known)} retailer(s): {', '.join(known)}"
        if retailer:
            raise InputError(f"--retailer: there is no retailer '{retailer}'; {there}")
        raise InputError(f"{there}. Name the one that is meant: --retailer {next(iter(known))}")

    def _present(self, domain: str) -> str | None:
        from sales_forecast.project_root import project_root

        file = self.configuration["catalog"][f"{domain}.retailer"]["filepath"]
        return read_retailer(Path(project_root(), file))


@models.command("list")
def list_versions(env: Environment = "local") -> None:
    """Show every version of both domains and of all retailers, newest first."""
    console = Console()
    with _registered(env) as registered:
        for domain in DOMAINS:
            for registry in registered.of(domain).values():
                console.print(_versions(registry))


@models.command()
def show(domain: Domain, version: Version = "", retailer: Whose = None, env: Environment = "local") -> None:
    """Show one version, the champion if none is named, with its card and every change of the champion."""
    console = Console()
    with _registered(env) as registered:
        registry = registered.choose(domain, retailer)
        found = registry.version(version) if version else registry.champion()
        if found is None:
            raise InputError(f"{registry.name} has no champion yet. Make one: kedro run")
        console.print(f"[bold]{registry.name} version {found.version}[/bold], made by run {found.run_id}")
        for name, value in sorted(found.tags.items()):
            console.print(f"  {name}: {value}", soft_wrap=True, highlight=False)
        console.print(Markdown(found.description or ""))
        console.print(_history(registry))


@models.command()
def promote(
    domain: Domain, version: Version, why: Why, retailer: Whose = None, env: Environment = "local"
) -> None:
    """Let a version serve, whatever the comparison said."""
    with _registered(env) as registered:
        registry = registered.choose(domain, retailer)
        event = registry.promote(version, why)
        _say(registry, event)
        _let_publish_again(registered.configuration["globals"]["database_url"], registry, event)


def _let_publish_again(url: str, registry: Registry, event: Event) -> None:
    """Undo the withdrawals of a version's forecasts: they may be published again by the next run."""
    from datetime import UTC, datetime

    from sales_forecast.storage.database import database_errors, ready_database, writing
    from sales_forecast.storage.withdrawals import restore, withdrawn_of

    with ready_database(url) as engine, database_errors(engine), writing(engine) as connection:
        for number in withdrawn_of(connection, registry.name, event.version):
            restore(connection, number, datetime.now(UTC), event.who, event.why)


@models.command()
def rollback(domain: Domain, why: Why, retailer: Whose = None, env: Environment = "local") -> None:
    """Let the version serve again that served before, and withdraw the forecasts of the one that goes."""
    with _registered(env) as registered:
        registry = registered.choose(domain, retailer)
        event = registry.rollback(why)
        _say(registry, event)
        url = registered.configuration["globals"]["database_url"]
        _withdraw_forecasts(url, domain, registry, event)


def _withdraw_forecasts(url: str, domain: str, registry: Registry, event: Event) -> None:
    """Withdraw what the version that goes has published last, until forecasts of another one serve."""
    from datetime import UTC, datetime

    from sales_forecast.published_files import bring_back_files
    from sales_forecast.storage.database import database_errors, ready_database, writing
    from sales_forecast.storage.queries import newest_run
    from sales_forecast.storage.withdrawals import withdraw

    with ready_database(url) as engine, database_errors(engine), writing(engine) as connection:
        found = serves = newest_run(connection, domain, retailer=retailer_of(registry.name))
        while serves is not None and serves.model_version == event.previous:
            serves = withdraw(connection, serves.id, datetime.now(UTC), event.who, event.why)
    if found is None or serves == found:
        return
    if serves is None:
        typer.echo("Its forecasts are withdrawn; none serve. To make some: kedro run --pipelines inference")
        return
    files = bring_back_files(serves.id)
    typer.echo(
        f"Its forecasts are withdrawn; those of {serves.made_at:%Y-%m-%d %H:%M} UTC serve again (publication "
        f"{serves.id}, {files} files in data/). To forecast from the newest data: "
        "kedro run --pipelines inference"
    )


def _say(registry: Registry, event: Event) -> None:
    before = f"; before, version {event.previous} did" if event.previous else ""
    typer.echo(f"Version {event.version} of {registry.name} serves{before}.")


@contextmanager
def _registered(env: str) -> Iterator[_Models]:
    """All registered models; errors that are the user's become one message."""
    try:
        from sales_forecast.configuration import load_configuration

        configuration = load_configuration(env)
        yield _Models(open_tracking(configuration), configuration)
    except InputError as error:
        typer.echo(f"Error: {error}", err=True)
        raise typer.Exit(1) from error


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
