"""``sales-forecast retention``: remove what is older than the configuration keeps."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING, Annotated

import typer
from rich.console import Console
from rich.table import Table

from sales_forecast.storage.cli import Environment, open_configured

if TYPE_CHECKING:
    from sales_forecast.pipelines.retention import Removal


def retention(
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Show what would be removed, and leave it.")
    ] = False,
    env: Environment = "local",
) -> None:
    """Remove files, artefacts and numbers that are older than 'retention' in globals.yml keeps.

    Models that serve or challenge, what serves, and headers and digests of the ledger always stay.
    """
    from sales_forecast.configuration import load_configuration
    from sales_forecast.data_root import reachable_root
    from sales_forecast.pipelines.retention import Kept, RetentionParams, find_removals
    from sales_forecast.registry.cli import open_tracking
    from sales_forecast.storage.chunks import free_space

    with open_configured(env) as engine:
        configuration = load_configuration(env)
        configured = configuration["globals"]
        params = RetentionParams.model_validate(configured["retention"])
        client = open_tracking(configuration)
        places = configured["archive_folder"], reachable_root(configured)
        with engine.connect() as connection:
            kept = Kept(engine, connection, client, *places, params, datetime.now(UTC))
            removals = list(find_removals(kept))
        if not dry_run:
            for removal in removals:
                removal.remove()
            free_space(engine)
    if not removals:
        typer.echo("Nothing is older than it is kept.")
        return
    table = Table("what", "how many", "from", "to", "MB", title="Would be removed" if dry_run else "Removed")
    for kind in dict.fromkeys(removal.kind for removal in removals):
        found = [removal for removal in removals if removal.kind == kind]
        days = [f"{moment(removal.made_at for removal in found):%Y-%m-%d}" for moment in (min, max)]
        table.add_row(kind, f"{len(found):,}", *days, f"{_megabytes(found):,.1f}")
    Console().print(table)
    typer.echo(f"{len(removals):,} item(s), {_megabytes(removals):,.1f} MB.")


def _megabytes(removals: list[Removal]) -> float:
    """What is known of their size; numbers in the database have none."""
    return sum(removal.bytes or 0 for removal in removals) / 1e6
