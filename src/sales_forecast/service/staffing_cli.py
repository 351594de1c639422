"""``sales-forecast staffing``: hours to plan in the weeks ahead, on the screen or as a file."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from sales_forecast.errors import InputError
from sales_forecast.storage.cli import Environment, open_configured, print_table

if TYPE_CHECKING:
    import pandas as pd

Output = Annotated[
    Path | None, typer.Option("--output", help="File to write, .csv or .xlsx; an existing one is replaced.")
]
SUFFIXES = (".csv", ".xlsx")


def staffing(
    store: Annotated[
        str | None, typer.Option("--store", help="Store, as the retailer calls it. Default: all.")
    ] = None,
    department: Annotated[
        str | None, typer.Option("--department", help="Department, as the retailer calls it. Default: all.")
    ] = None,
    output: Output = None,
    retailer: Annotated[
        str | None, typer.Option("--retailer", help="Whose forecasts; without it, any retailer's.")
    ] = None,
    env: Environment = "local",
) -> None:
    """Say how many hours each store and department needs in the weeks ahead; --output writes all of them."""
    from sales_forecast.planning.staffing_plan import plan_hours
    from sales_forecast.storage.plan import planned_quantiles
    from sales_forecast.storage.queries import newest_run
    from sales_forecast.storage.staffing import NO_RULES, staffing_rules
    from sales_forecast.storage.withdrawals import why_nothing_serves

    if output is not None and output.suffix.lower() not in SUFFIXES:
        raise typer.BadParameter(f"--output: the name must end in {' or '.join(SUFFIXES)}")
    with open_configured(env) as engine, engine.connect() as connection:
        run = newest_run(connection, "turnover", retailer=retailer)
        if run is None:
            raise InputError(why_nothing_serves(connection, "turnover", retailer))
        published = staffing_rules(connection, run.retailer)
        if not published:
            raise InputError(NO_RULES)
        rows = planned_quantiles(connection, run)
        for name, label in (("store", store), ("department", department)):
            rows = rows[rows[name] == label] if label is not None else rows
        if rows.empty:
            raise InputError(f"publication {run.id} has no forecast of {_named(store, department)}")
        rules = {each.department: each.rule for each in published}
        plan = plan_hours(rows, rules)
    typer.echo(f"Publication {run.id} of {run.made_at:%Y-%m-%d %H:%M} UTC, data up to {run.cutoff}")
    if count := int(plan["override"].notna().sum()):
        typer.echo(
            f"{count:,} of {len(plan):,} rows follow planners' numbers: {plan['hours'].sum():,.0f} hours, "
            f"{plan['model_hours'].sum():,.0f} by the model."
        )
    if output is not None:
        _write(plan, output)
        typer.echo(f"{len(plan):,} rows are in {output}.")
        return
    for each in published:
        if department in (None, each.department):
            typer.echo(f"Rule of department {each.department}: {each.source}")
    _print(plan, "store" if store is None and department is not None else "department")


def _named(store: str | None, department: str | None) -> str:
    given = {"store": store, "department": department}
    return ", ".join(f"{name} {label}" for name, label in given.items() if label is not None) or "any store"


def _print(plan: pd.DataFrame, by: str) -> None:
    """Show the hours of each store or department, a column for each week."""
    hours = plan.pivot_table(index=by, columns="week", values="hours", aggfunc="sum")
    hours.loc["all"] = hours.sum()
    rows = [[str(label), *(f"{value:,.0f}" for value in row)] for label, row in hours.T.items()]
    print_table([by, *(str(week) for week in hours.columns)], rows)


def _write(plan: pd.DataFrame, output: Path) -> None:
    """Write all rows; text that looks like a formula stays text."""
    from sales_forecast.atomic import whole_file
    from sales_forecast.service.schemas.staffing import StaffingHours
    from sales_forecast.service.tables import columns_of, table_of, to_csv
    from sales_forecast.storage.ledger import records

    with whole_file(output) as part:
        if output.suffix.lower() == ".csv":
            part.write_bytes(to_csv(table_of(records(plan), columns_of(StaffingHours))))
        else:
            _write_workbook(plan, part)


def _write_workbook(plan: pd.DataFrame, path: Path) -> None:
    from sales_forecast.planning.staffing_plan import PLAN_COLUMNS
    from sales_forecast.reporting.workbook import Kind, Sheet
    from sales_forecast.reporting.workbook_file import write_workbook

    kinds: dict[str, Kind] = {"week": "date", "quantile": "probability", "shifts": "count"}
    kinds |= dict.fromkeys(("turnover", "planned", "model_turnover"), "money")
    kinds |= {name: "hours" for name in PLAN_COLUMNS if name.endswith("hours")}
    totals = ("hours", "shifts", "model_hours")
    write_workbook(path, [Sheet("hours", plan, kinds, frozen=3, totals=totals)])
