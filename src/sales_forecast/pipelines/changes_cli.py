"""``sales-forecast changes``: why forecasts are not what the publication before said."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer
from rich.console import Console
from rich.table import Table

from sales_forecast.errors import InputError
from sales_forecast.storage.cli import Environment, open_configured

if TYPE_CHECKING:
    import pandas as pd
    from sqlalchemy import Connection

    from sales_forecast.storage.queries import Run

Store = Annotated[str | None, typer.Option("--store", help="Store, as the retailer calls it.")]
Department = Annotated[str | None, typer.Option("--department", help="Department, as the retailer calls it.")]
Number = Annotated[
    int | None, typer.Option("--publication", help="Its number in the ledger; without it, the newest one.")
]
Limit = Annotated[int, typer.Option("--limit", min=1, help="Number of series.")]
Shapley = Annotated[
    bool,
    typer.Option(
        "--shapley",
        help="Also average the causes of the whole chain over all orders: up to 32 forecasts of everything.",
    ),
]
Whose = Annotated[str | None, typer.Option("--retailer", help="Whose forecasts; without it, any retailer's.")]


def changes(
    store: Store = None,
    department: Department = None,
    publication: Number = None,
    limit: Limit = 10,
    shapley: Shapley = False,
    retailer: Whose = None,
    env: Environment = "local",
) -> None:
    """Say why forecasts changed: one store and department by week, or the largest changes in money."""
    from sales_forecast.storage import schema
    from sales_forecast.storage.ledger import read_rows

    with open_configured(env) as engine, engine.connect() as connection:
        run = _find(connection, publication, retailer)
        found = read_rows(connection, schema.forecast_changes, run.id)
        if found.empty:
            typer.echo(f"Publication {run.id} has no changes: {_why_none(connection, run)}.")
            return
        chosen = found
        for key, wanted in (("store", store), ("department", department)):
            chosen = chosen[chosen[key] == wanted] if wanted is not None else chosen
        if chosen.empty:
            raise InputError(
                f"publication {run.id} has no change of {_named(store, department)}: it is not in both "
                "publications. Without --store and --department, the largest changes are shown"
            )
    title = f"Publication {run.id} of {run.made_at:%Y-%m-%d %H:%M} UTC"
    if store is not None and department is not None:
        _show_weeks(chosen, f"{title}, store {store}, department {department}: why each week changed")
    else:
        _show_largest(chosen, limit, f"{title}: the largest changes, summed over the shared weeks")
    _say_how_far(chosen)
    if shapley:
        _show_orders(run, env)


def _why_none(connection: Connection, run: Run) -> str:
    from sales_forecast.storage.queries import newest_before

    before = run.cutoff and newest_before(connection, run.cutoff, run.retailer, run.made_at)
    if not before:
        return "nothing was published before it from older data"
    return f"what made publication {before.id} is not kept any more (the log of the run says what)"


def _named(store: str | None, department: str | None) -> str:
    given = {"store": store, "department": department}
    return ", ".join(f"{name} {label}" for name, label in given.items() if label is not None)


def _find(connection: Connection, number: int | None, retailer: str | None) -> Run:
    from sales_forecast.storage.ledger import publication
    from sales_forecast.storage.queries import newest_run
    from sales_forecast.storage.withdrawals import why_nothing_serves

    if number is None:
        run = newest_run(connection, "turnover", retailer=retailer)
        if run is None:
            raise InputError(why_nothing_serves(connection, "turnover", retailer))
        return run
    run = publication(connection, number)
    if run.domain != "turnover":
        raise InputError(f"publication {number} is of {run.domain}: only forecasts of turnover are compared")
    return run


def _show_weeks(rows: pd.DataFrame, title: str) -> None:
    """Show the waterfall of a series, a column for each week; causes that moved nothing are left out."""
    from sales_forecast.forecasting.changes import CAUSES

    table = Table("", *(str(week) for week in rows["week"]), "together", title=title)
    names = {"before": "published before"} | CAUSES | {"after": "published now"}
    for name, words in names.items():
        money = [*rows[name], rows[name].sum()]
        if name in CAUSES and not any(map(round, money)):
            continue
        table.add_row(words, *(f"{round(value):{'+,' if name in CAUSES else ','}}" for value in money))
    Console().print(table)


def _show_largest(rows: pd.DataFrame, limit: int, title: str) -> None:
    from sales_forecast.forecasting.changes import CAUSES, in_words, largest_changes

    table = Table("store", "department", "before", "now", "change", "why", title=title)
    for row in largest_changes(rows, limit).to_dict("records"):
        money = f"{row['before']:,.0f}", f"{row['after']:,.0f}", f"{row['change']:+,.0f}"
        table.add_row(row["store"], row["department"], *money, in_words({name: row[name] for name in CAUSES}))
    Console().print(table)


def _say_how_far(rows: pd.DataFrame) -> None:
    """Say the cycle-over-cycle change of what is shown, by level."""
    from sales_forecast.forecasting.changes import LEVELS, cycle_change

    moved = ", ".join(f"{level} {cycle_change(rows, by):.1%}" for level, by in LEVELS.items())
    typer.echo(f"Cycle-over-cycle change (absolute changes over the last forecasts): {moved}.")


def _show_orders(run: Run, env: str) -> None:
    """Make forecasts of the whole chain again, and show how much the order of the causes matters."""
    from sales_forecast.cli import told
    from sales_forecast.configuration import load_configuration
    from sales_forecast.deliveries.recorded import Recorded
    from sales_forecast.forecasting.changes import CAUSES
    from sales_forecast.forecasting.repredictions import shapley_at_total
    from sales_forecast.pipelines.publications import open_publication
    from sales_forecast.registry.cli import open_tracking
    from sales_forecast.registry.trust import read_trust
    from sales_forecast.registry.versions import RegisteredVersions

    with told():
        configuration = load_configuration(env)
        open_tracking(configuration)
        recorded = Recorded(configuration["globals"]["database_url"])
        versions = RegisteredVersions(trust=read_trust(configuration["globals"]["models"]))
        earlier = run.cutoff and recorded.earlier_publication(run.cutoff, run.retailer, run.made_at)
        if not earlier:
            raise InputError(f"nothing that was published before publication {run.id} serves any more")
        before, after = (open_publication(each, recorded, versions) for each in (earlier, run))
        causes = shapley_at_total(before, after)
    title = "All stores and shared weeks: causes in the order above, and averaged over all orders (Shapley)"
    table = Table("cause", "in this order", "average", "in other orders from", "to", title=title)
    for cause, *money in causes.itertuples(index=False, name=None):
        table.add_row(CAUSES[cause], *(f"{round(value):+,}" for value in money))
    Console().print(table)
