"""``sales-forecast models``: look at the registry, and change by hand which model serves."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated

import typer
from rich.console import Console
from rich.markdown import Markdown

from sales_forecast.errors import InputError
from sales_forecast.registry.store import Event, Registry, registries
from sales_forecast.registry.tables import history_table, signings_table, versions_table
from sales_forecast.registry.trust import Trust, read_trust
from sales_forecast.retailers import DEFAULT_RETAILER, read_retailer
from sales_forecast.storage.cli import Why

if TYPE_CHECKING:
    from kedro.config import OmegaConfigLoader
    from mlflow import MlflowClient

DOMAINS = ("turnover", "marketing")

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

    @property
    def trust(self) -> Trust:
        """What a version must prove before it is loaded."""
        return read_trust(self.configuration["globals"]["models"])

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

    def meant(self, domain: str, retailer: str | None) -> list[Registry]:
        """Registered models of a domain or of both, and of one retailer or of all.

        Raises:
            InputError: There is no such domain or retailer.
        """
        domains = (domain,) if domain else DOMAINS
        if retailer:
            return [self.choose(each, retailer) for each in domains]
        return [registry for each in domains for registry in self.of(each).values()]

    def _present(self, domain: str) -> str | None:
        from sales_forecast.data_root import in_project

        file = self.configuration["catalog"][f"{domain}.retailer"]["filepath"]
        return read_retailer(in_project(file))


@models.command("list")
def list_versions(env: Environment = "local") -> None:
    """Show every version of both domains and of all retailers, newest first."""
    console = Console()
    with _registered(env) as registered:
        for domain in DOMAINS:
            for registry in registered.of(domain).values():
                console.print(versions_table(registry))


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
        console.print(history_table(registry))
        if signed := signings_table(registry):
            console.print(signed)


@models.command()
def promote(
    domain: Domain, version: Version, why: Why, retailer: Whose = None, env: Environment = "local"
) -> None:
    """Let a version serve, whatever the comparison said."""
    from sales_forecast.registry.published import let_publish_again
    from sales_forecast.registry.signing import check_version

    with _registered(env) as registered:
        registry = registered.choose(domain, retailer)
        check_version(registry.version(version), registered.trust)
        event = registry.promote(version, why)
        _say(registry, event)
        let_publish_again(registered.configuration["globals"]["database_url"], registry, event)


@models.command()
def rollback(domain: Domain, why: Why, retailer: Whose = None, env: Environment = "local") -> None:
    """Let the version serve again that served before, and withdraw the forecasts of the one that goes."""
    from sales_forecast.data_root import reachable_root
    from sales_forecast.registry.published import withdraw_forecasts
    from sales_forecast.registry.signing import check_version

    with _registered(env) as registered:
        registry = registered.choose(domain, retailer)
        check_version(registry.version(registry.before()), registered.trust)
        event = registry.rollback(why)
        _say(registry, event)
        configured = registered.configuration["globals"]
        where = configured["database_url"], reachable_root(configured)
        if done := withdraw_forecasts(*where, domain, registry, event):
            typer.echo(done)


@models.command()
def verify(
    domain: Annotated[str, typer.Argument(help="Of the versions; without it, both domains.")] = "",
    version: Version = "",
    retailer: Whose = None,
    env: Environment = "local",
) -> None:
    """Compare the files of all versions, or of one, with what was registered; exit code 1 if one differs."""
    from sales_forecast.registry.signing import verify_version

    with _registered(env) as registered:
        if version:
            found = [registered.choose(domain, retailer).version(version)]
        else:
            found = [each for one in registered.meant(domain, retailer) for each in one.versions()]
        refused = 0
        for each in found:
            try:
                finding = verify_version(each, registered.trust)
                typer.echo(f"{each.name} version {each.version}: {finding}.")
            except InputError as error:
                refused += 1
                typer.echo(f"Error: {error}", err=True)
        if refused:
            raise InputError(f"{refused} of {len(found)} version(s) would not be loaded")


@models.command()
def sign(
    domain: Domain,
    version: Version,
    why: Why,
    yes: Annotated[bool, typer.Option("--yes", help="Do not ask for confirmation.")] = False,
    retailer: Whose = None,
    env: Environment = "local",
) -> None:
    """Vouch for a version as it is: record the digests of its files, and sign them if there is a key."""
    from sales_forecast.registry.signing import offer_signature

    with _registered(env) as registered:
        registry = registered.choose(domain, retailer)
        offer = offer_signature(registry.version(version), registered.trust)
        typer.echo(offer.description)
        if not yes:
            typer.confirm("Do you vouch for these files?", abort=True)
        registry.sign(version, offer.tags, why)
        signed = " and signed" if registered.trust.needs_signature else ""
        typer.echo(f"The digests of version {version} of {registry.name} are recorded{signed}.")


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
    return tracking_client(configuration)


def tracking_client(configuration: OmegaConfigLoader) -> MlflowClient:
    """Return a client of the tracking server that ``mlflow.yml`` names, whether it answers or not."""
    import mlflow

    uri = configuration["mlflow"]["server"]["mlflow_tracking_uri"]
    mlflow.set_tracking_uri(uri)  # artifacts are found by it
    return mlflow.MlflowClient(tracking_uri=uri)
