"""Everything the database holds about one series: a department of a store."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from functools import cache

import pandas as pd
from sqlalchemy import ColumnElement, Connection, RowMapping, Select, Table, bindparam, exists, select

from sales_forecast.forecasting.panel.matrix import ROW_KEYS, WEEKS_PER_YEAR
from sales_forecast.storage import schema
from sales_forecast.storage.queries import Run

YEAR = timedelta(weeks=WEEKS_PER_YEAR)


@dataclass(frozen=True)
class Scored:
    """A week that has come, and what was published for it one week ahead. Currency units.

    Args:
        store: Label of the store.
        department: Label of the department.
        week: First day of the week.
        turnover: What was sold, as first delivered.
        forecast: What was published.
        lo_80: Lower end of the 80 % interval.
        hi_80: Upper end of it.
    """

    store: str
    department: str
    week: date
    turnover: float
    forecast: float
    lo_80: float
    hi_80: float

    @property
    def is_inside(self) -> bool:
        """Whether the week was inside its 80 % interval."""
        return self.lo_80 <= self.turnover <= self.hi_80


def series_rows(
    connection: Connection, table: Table, run: Run, store: str, department: str
) -> Sequence[RowMapping]:
    """Read the rows of a series in a table of publications, oldest week first.

    Args:
        connection: Connection to the database.
        table: ``schema.forecasts`` or ``schema.forecast_changes``.
        run: The publication.
        store: Label of the store.
        department: Label of the department.
    """
    values = {"run": run.id, "store": store, "department": department}
    return connection.execute(_series_rows(table), values).mappings().all()


@cache  # building a statement takes longer than SQLite takes to run it
def _series_rows(table: Table) -> Select[*tuple[object, ...]]:
    own = [table.c[name] == bindparam(name) for name in ("run", "store", "department")]
    return select(table).where(*own).order_by(table.c.week)


def turnover_of(connection: Connection, retailer: str, store: str, department: str) -> dict[date, float]:
    """Read what a series sold in each week, as it is known now, oldest week first."""
    values = {"retailer": retailer, "store": store, "department": department}
    return {week: float(sold) for week, sold in connection.execute(_turnover_of(), values)}


@cache
def _turnover_of() -> Select[date, float]:
    table = schema.weekly_turnover
    own = [table.c[name] == bindparam(name) for name in ("retailer", "store", "department")]
    return select(table.c.week, table.c.turnover).where(*own).order_by(table.c.week)


def scored_weeks(
    connection: Connection, retailer: str, store: str, department: str, since: date
) -> list[Scored]:
    """Read how right the forecasts of a series were one week ahead, newest week first.

    The forecast of a week is the last one that was published before the series delivered it and is not
    withdrawn, as in ``storage.scoring``; turnover is what was delivered first.

    Args:
        connection: Connection to the database.
        retailer: Whose series it is.
        store: Label of the store.
        department: Label of the department.
        since: First week.
    """
    values = {"retailer": retailer, "stores": [store], "department": department, "since": since}
    return _scored(connection, values)


def scored_stores(connection: Connection, retailer: str, stores: Sequence[str], since: date) -> list[Scored]:
    """Read the same of all departments of some stores; see ``scored_weeks``."""
    return _scored(connection, {"retailer": retailer, "stores": list(stores), "since": since})


def _scored(connection: Connection, values: Mapping[str, object]) -> list[Scored]:
    one_department = "department" in values
    came: dict[tuple[str, str, date], tuple[datetime, float]] = {}
    for row in connection.execute(_vintages(one_department), values):
        came.setdefault((row.store, row.department, row.week), (row.recorded_at, row.turnover))
    found: dict[tuple[str, str, date], Scored] = {}
    for made in connection.execute(_week_ahead(one_department), values):
        key = made.store, made.department, made.week
        recorded_at, turnover = came.get(key, (None, 0.0))
        if key not in found and recorded_at is not None and made.made_at < recorded_at:
            found[key] = Scored(*key, turnover, made.forecast, made.lo_80, made.hi_80)
    return list(found.values())


def _of_stores(table: Table, one_department: bool) -> list[ColumnElement[bool]]:
    own = [table.c.store.in_(bindparam("stores", expanding=True)), table.c.week >= bindparam("since")]
    return [*own, table.c.department == bindparam("department")] if one_department else own


@cache
def _vintages(one_department: bool) -> Select[str, str, date, datetime, float]:
    table = schema.turnover_vintages
    own = [table.c.retailer == bindparam("retailer"), *_of_stores(table, one_department)]
    columns = (table.c.store, table.c.department, table.c.week, table.c.recorded_at, table.c.turnover)
    return select(*columns).where(*own).order_by(table.c.recorded_at)


@cache
def _week_ahead(one_department: bool) -> Select[*tuple[object, ...]]:
    runs, made, gone = schema.forecast_runs, schema.forecasts, schema.withdrawals
    withdrawn = exists().where(gone.c.run == runs.c.id, gone.c.restored_at.is_(None))
    names = ("store", "department", "week", "forecast", "lo_80", "hi_80")
    query = select(runs.c.made_at, *(made.c[name] for name in names))
    return (
        query.join(made, made.c.run == runs.c.id)
        .where(runs.c.retailer == bindparam("retailer"), runs.c.domain == "turnover", ~withdrawn)
        .where(made.c.horizon == 1, *_of_stores(made, one_department))
        .order_by(made.c.week.desc(), runs.c.made_at.desc(), runs.c.id.desc())
    )


def forecasts_of_stores(connection: Connection, run: Run, stores: Sequence[str]) -> pd.DataFrame:
    """Read what a publication says of some stores, and what they sold in the same weeks of last year.

    Args:
        connection: Connection to the database.
        run: The publication.
        stores: Labels of the stores.

    Returns:
        ``store, department, week, forecast, lo_80, hi_80, cold_start, last_year``, oldest week first; weeks
        as dates, ``last_year`` NaN where nothing was recorded.
    """
    made, sold = schema.forecasts, schema.weekly_turnover
    names = [*ROW_KEYS, "forecast", "lo_80", "hi_80", "cold_start"]
    query = select(*(made.c[name] for name in names)).order_by(made.c.week)
    rows = connection.execute(query.where(made.c.run == run.id, made.c.store.in_(stores))).all()
    forecasts = pd.DataFrame(rows, columns=names)
    year_before = {week - YEAR: week for week in forecasts["week"].unique()}
    query = select(*(sold.c[name] for name in (*ROW_KEYS, "turnover")))
    own = (sold.c.retailer == run.retailer, sold.c.store.in_(stores), sold.c.week.in_(list(year_before)))
    known = pd.DataFrame(connection.execute(query.where(*own)).all(), columns=[*ROW_KEYS, "last_year"])
    known = known.assign(week=known["week"].map(year_before), last_year=known["last_year"].astype(float))
    return forecasts.merge(known, on=ROW_KEYS, how="left")


def changes_of_stores(connection: Connection, run: Run, stores: Sequence[str]) -> pd.DataFrame:
    """Read what the publication before said of some stores: ``store, department, week, before, after``."""
    table, names = schema.forecast_changes, [*ROW_KEYS, "before", "after"]
    query = select(*(table.c[name] for name in names))
    rows = connection.execute(query.where(table.c.run == run.id, table.c.store.in_(stores))).all()
    return pd.DataFrame(rows, columns=names).astype({"before": float, "after": float})
