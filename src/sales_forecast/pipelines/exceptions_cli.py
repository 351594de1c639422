"""``sales-forecast exceptions``: the few series of the newest publication that deserve a planner's eye."""

from __future__ import annotations

from collections.abc import Hashable, Mapping
from typing import Annotated

import typer
from rich.console import Console
from rich.table import Table

from sales_forecast.errors import InputError
from sales_forecast.storage.cli import Environment, open_configured, printable


def exceptions(
    retailer: Annotated[
        str | None, typer.Option("--retailer", help="Whose forecasts; without it, any retailer's.")
    ] = None,
    env: Environment = "local",
) -> None:
    """List the series that deserve a planner's eye, most urgent first: unusual ones, and the largest."""
    from sales_forecast.storage.exception_answers import answered_exceptions
    from sales_forecast.storage.queries import newest_run
    from sales_forecast.storage.withdrawals import why_nothing_serves

    with open_configured(env) as engine, engine.connect() as connection:
        run = newest_run(connection, "turnover", retailer=retailer)
        if run is None:
            raise InputError(why_nothing_serves(connection, "turnover", retailer))
        rows = answered_exceptions(connection, run)
    title = f"Publication {run.id} of {run.made_at:%Y-%m-%d %H:%M} UTC, data up to {run.cutoff}"
    table = Table("", "store", "department", "money at risk", "kind", "why", "answer", title=title)
    for row in rows.to_dict("records"):
        labels = (str(row["place"]), row["store"], row["department"])
        words = (row["kind"].replace("_", " "), row["reason"], printable(_answer(row)))
        table.add_row(*labels, f"{row['money_at_risk']:,.0f}", *words)
    Console().print(table)


def _answer(row: Mapping[Hashable, object]) -> str:
    """What a planner did about an exception, in words; empty if nobody has answered."""
    if row["answer"] is None:
        return ""
    details = {
        "accept": "",
        "correct": f" with override {row['override']}",
        "assign": f" to {row['assigned_to']}",
    }
    note = f": {row['note']}" if row["note"] else ""
    return f"{row['answer']}{details[str(row['answer'])]}, {row['answered_by']}{note}"
