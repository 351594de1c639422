"""``sales-forecast monitor``: what is unusual in the newest week, and whether all methods should compete."""

from __future__ import annotations

from enum import StrEnum
from typing import TYPE_CHECKING, Annotated

import typer
from rich.console import Console
from rich.markup import escape
from rich.table import Table

from sales_forecast.errors import InputError
from sales_forecast.storage.cli import Environment, open_configured

if TYPE_CHECKING:
    import pandas as pd
    from sqlalchemy import Connection

ALARM_FOUND = 3
"""Exit code that --fail-on asks for; 1 and 2 are those of errors."""


class FailOn(StrEnum):
    """What a scheduler stops at."""

    ALARM = "alarm"


def monitor(
    weeks: Annotated[int, typer.Option("--weeks", min=1, max=520, help="Number of weeks to show.")] = 1,
    retailer: Annotated[
        str | None, typer.Option("--retailer", help="Whose forecasts; without it, those published last.")
    ] = None,
    everything: Annotated[bool, typer.Option("--all", help="Also show what is calm.")] = False,
    fail_on: Annotated[
        FailOn | None,
        typer.Option("--fail-on", help=f"Exit with {ALARM_FOUND} if the newest week has one."),
    ] = None,
    env: Environment = "local",
) -> None:
    """Show what is unusual in the newest week, and the last decision about all methods competing again."""
    from sales_forecast.storage.monitoring import read_decisions, read_signals

    with open_configured(env) as engine, engine.connect() as connection:
        whose = _find_retailer(connection, retailer)
        now = read_signals(connection, whose)
        shown = _of_weeks(connection, whose, now, weeks) if weeks > 1 else now
        decisions = read_decisions(connection, whose)
    console = Console()
    if now.empty:
        console.print("There are too few weeks with forecasts to say what is unusual.")
    else:
        _show(console, shown if everything else shown[shown["state"] != "calm"], now["week"].max(), weeks)
    if len(decisions):
        console.print(_tell_decision(decisions.iloc[-1]), markup=False, soft_wrap=True)
    if fail_on is not None and (now["state"] == fail_on).any():
        raise typer.Exit(ALARM_FOUND)


def _find_retailer(connection: Connection, wanted: str | None) -> str:
    from sales_forecast.storage.queries import published_retailers

    published = published_retailers(connection)
    if not published:
        raise InputError("nothing is published yet: kedro run")
    if wanted is not None and wanted not in published:
        raise InputError(
            f"--retailer: no forecasts of '{wanted}' are published; there are those of {', '.join(published)}"
        )
    return wanted or published[0]


def _of_weeks(connection: Connection, retailer: str, now: pd.DataFrame, weeks: int) -> pd.DataFrame:
    from datetime import timedelta

    from sales_forecast.storage.monitoring import read_signals

    if now.empty:
        return now
    return read_signals(connection, retailer, now["week"].max() - timedelta(weeks=weeks - 1))


def _show(console: Console, rows: pd.DataFrame, newest: object, weeks: int) -> None:
    """Show signals, newest week and alarms first."""
    span = f"the week of {newest}" if weeks == 1 else f"{weeks} weeks to that of {newest}"
    if rows.empty:
        console.print(f"Nothing is unusual in {span}.")
        return
    ordered = rows.sort_values(["state", "detector", "key"], key=_alarms_first).sort_values(
        "week", ascending=False, kind="stable"
    )
    table = Table("week", "what", "key", "state", "since", "evidence", title=f"Signals in {span}")
    for row in ordered.to_dict("records"):
        what = row["detector"].replace("_", " ")
        style = {"alarm": "bold red", "warning": "yellow"}.get(row["state"])
        cells = (str(row["week"]), what, escape(row["key"]), row["state"], str(row["since"] or "-"))
        table.add_row(*cells, escape(row["evidence"]), style=style)
    console.print(table)


def _alarms_first(column: pd.Series[str]) -> pd.Series[str]:
    return column.replace({"calm": "z"}) if column.name == "state" else column


def _tell_decision(decision: pd.Series[str]) -> str:
    wanted = "let all methods compete again" if decision["wanted"] else "nothing to do"
    result = f" Result: {decision['result']}." if decision["result"] else ""
    return f"Decided after the week of {decision['week']}: {wanted}; {decision['evidence']}.{result}"
