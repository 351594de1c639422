"""``sales-forecast deliver`` and ``deliveries``: check what a retailer sends, and decide about it."""

from __future__ import annotations

import getpass
import logging
import shlex
from collections import Counter
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Annotated, Any, cast

import typer
from rich.console import Console

from sales_forecast.places import on_disk
from sales_forecast.storage.cli import Environment, Why, open_configured, print_table

if TYPE_CHECKING:
    from kedro.io import DataCatalog
    from kedro.pipeline import Pipeline

    from sales_forecast.deliveries.dataset import DeliveryDataset
    from sales_forecast.deliveries.delivery import Delivery

deliveries = typer.Typer(no_args_is_help=True, help="Look at deliveries, and accept those that are held.")

Id = Annotated[str, typer.Argument(help="Id of the delivery, as 'list' shows it.")]


def _checked(folder: str) -> str:
    if "," in folder:
        raise typer.BadParameter(f"'{folder}' has a comma, at which 'kedro run --params' ends: rename it")
    path = on_disk(folder)
    if path is not None and not path.is_dir():
        raise typer.BadParameter(f"there is no folder '{folder}'")
    return folder


def deliver(
    folder: Annotated[
        str,
        typer.Argument(help="Folder of the raw files, or a URL: s3://bucket/inbox.", callback=_checked),
    ],
    params: Annotated[
        str, typer.Option("--params", help="As for kedro run: NAME=VALUE,..., such as retailer=default.")
    ] = "",
    held_exit_code: Annotated[
        int, typer.Option(min=1, max=125, help="Exit code of a delivery that a person must look at.")
    ] = 1,
    env: Environment = "local",
) -> None:
    """Check a delivery of turnover, record it, and keep its files in the archive; fits and publishes nothing.

    Exit code 0: accepted; 1, or --held-exit-code: held, or refused because it cannot be read; 1: an error.
    """
    from sales_forecast.cli import told

    with told():
        found = _receive(folder, env, params)
    console = Console()
    whose = "" if found.state == "refused" else f" of retailer '{found.retailer}'"
    console.print(f"Delivery {found.id}{whose}: [bold]{found.state}[/bold]", highlight=False)
    for finding in found.findings:
        console.print(
            f"- {finding.severity}, {finding.check}: {finding.text}", soft_wrap=True, highlight=False
        )
    if found.state == "accepted":
        console.print(
            f"Next: {_refresh(folder, env, params)}",
            soft_wrap=True,
            highlight=False,
        )
        return
    if found.state == "held":
        console.print(
            "What serves goes on as it was. If the files are right: sales-forecast deliveries accept "
            f"{found.id} --why ...",
            soft_wrap=True,
            highlight=False,
        )
    raise typer.Exit(held_exit_code)


def _refresh(folder: str, env: str, params: str = "") -> str:
    """The command that goes on with a delivery, for the shell."""
    given = f"raw_folder={folder}" + (f",{params}" if params else "")
    where = "" if env == "local" else f" --env {shlex.quote(env)}"
    return f"kedro run{where} --pipelines refresh --params {shlex.quote(given)}"


def _receive(folder: str, env: str, params: str) -> Delivery:
    """Read and check a delivery as the first step of a run does."""
    from kedro.framework.project import pipelines

    from sales_forecast.configuration import open_project
    from sales_forecast.hooks import check_runtime_params, params_that_are_read

    given = _parsed(params)
    catalog, _ = open_project(env, folder, given)
    check_runtime_params(given, params_that_are_read())
    logging.disable(logging.INFO)  # what was found is told at the end
    return _check(pipelines["data_processing"].only_nodes_with_tags("turnover"), catalog)


def _parsed(params: str) -> dict[str, Any]:
    """Read ``name=value`` with commas between, dots within names, as ``kedro run`` does."""
    from omegaconf import OmegaConf

    items = [item.strip() for item in params.split(",") if item.strip()]
    if unclear := [item for item in items if "=" not in item]:
        raise typer.BadParameter(f"--params: '{unclear[0]}' is not of the form name=value")
    return cast("dict[str, Any]", OmegaConf.to_container(OmegaConf.from_dotlist(items)))


def _check(pipeline: Pipeline, catalog: DataCatalog) -> Delivery:
    from sales_forecast.contracts import DataContractError
    from sales_forecast.deliveries.refused import DELIVERY, record_refused
    from sales_forecast.input_checks import check_inputs, forget_kept

    try:
        found: Delivery = check_inputs(pipeline, catalog)[DELIVERY]
    except DataContractError as error:
        if refused := record_refused(error, catalog):
            return refused
        raise
    finally:
        forget_kept(pipeline.nodes)
    cast("DeliveryDataset", catalog.get(DELIVERY)).record(found)
    return found


@deliveries.command("list")
def list_deliveries(
    limit: Annotated[int, typer.Option(min=1, help="Number of decisions.")] = 20, env: Environment = "local"
) -> None:
    """Show the newest decisions about deliveries, newest first."""
    from sales_forecast.storage.deliveries import decisions

    names = ("delivery", "when (UTC)", "retailer", "last week", "decision", "who", "findings")
    rows = []
    with open_configured(env) as engine, engine.connect() as connection:
        for row in decisions(connection, limit):
            counts = Counter(f"{finding['severity']}: {finding['check']}" for finding in row["findings"])
            findings = [found + (f" ({count} times)" if count > 1 else "") for found, count in counts.items()]
            why = f" ({row['why']})" if row["why"] else ""
            when, last_week = f"{row['at']:%Y-%m-%d %H:%M}", str(row["last_week"] or "-")
            decided = (row["id"], when, row["retailer"], last_week, row["state"], row["who"])
            rows.append((*decided, "; ".join(findings) + why))
    print_table(names, rows)


@deliveries.command()
def show(delivery: Id, env: Environment = "local") -> None:
    """Show one delivery with its files and everything that was found in it."""
    from sales_forecast.storage.deliveries import find_delivery

    with open_configured(env) as engine, engine.connect() as connection:
        found = find_delivery(connection, delivery)
    console = Console()
    console.print(f"Delivery {found.id}: [bold]{found.state}[/bold], from {found.folder}", soft_wrap=True)
    for name, file in found.files.items():
        console.print(f"  {name}: {file.path}, SHA-256 {file.sha256}", soft_wrap=True, highlight=False)
    for finding in found.findings:
        console.print(
            f"- {finding.severity}, {finding.check}: {finding.text}", soft_wrap=True, highlight=False
        )


@deliveries.command()
def accept(delivery: Id, why: Why, env: Environment = "local") -> None:
    """Let a delivery be used although the checks hold it; the next run on its files goes on."""
    from sales_forecast.storage.database import writing
    from sales_forecast.storage.deliveries import accept_delivery

    with open_configured(env) as engine, writing(engine) as connection:
        found = accept_delivery(connection, delivery, datetime.now(UTC), getpass.getuser(), why)
    typer.echo(f"Delivery {delivery} is accepted. Next: {_refresh(found.folder, env)}")
