"""``sales-forecast exceptions``: the few series of the newest publication that deserve a planner's eye."""

from __future__ import annotations

from typing import Annotated

import typer
from rich.console import Console
from rich.table import Table

from sales_forecast.errors import InputError
from sales_forecast.storage.cli import Environment, open_configured


def exceptions(
    retailer: Annotated[
        str | None, typer.Option("--retailer", help="Whose forecasts; without it, any retailer's.")
    ] = None,
    env: Environment = "local",
) -> None:
    """List the series that deserve a planner's eye, most urgent first: unusual ones, and the largest."""
    from sales_forecast.storage import schema
    from sales_forecast.storage.ledger import read_rows
    from sales_forecast.storage.queries import newest_run
    from sales_forecast.storage.withdrawals import why_nothing_serves

    with open_configured(env) as engine, engine.connect() as connection:
        run = newest_run(connection, "turnover", retailer=retailer)
        if run is None:
            raise InputError(why_nothing_serves(connection, "turnover", retailer))
        rows = read_rows(connection, schema.planner_exceptions, run.id).sort_values("place")
    title = f"Publication {run.id} of {run.made_at:%Y-%m-%d %H:%M} UTC, data up to {run.cutoff}"
    table = Table("", "store", "department", "money at risk", "kind", "why", title=title)
    for row in rows.to_dict("records"):
        labels = (str(row["place"]), row["store"], row["department"])
        table.add_row(*labels, f"{row['money_at_risk']:,.0f}", row["kind"].replace("_", " "), row["reason"])
    Console().print(table)
