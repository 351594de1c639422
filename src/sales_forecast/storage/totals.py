"""Published sums over departments, regions and the chain, beside last year and the publication before."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import date, timedelta

from sqlalchemy import Connection, Row, case, func, select

from sales_forecast.forecasting.panel.matrix import WEEKS_PER_YEAR
from sales_forecast.storage import schema
from sales_forecast.storage.queries import Run

TOTAL, DEPARTMENT, REGION = "total", "department", "region"
LEVELS = (TOTAL, DEPARTMENT, REGION)
"""Levels that are compared; further ones of ``level_forecasts`` are not."""

YEAR = timedelta(weeks=WEEKS_PER_YEAR)


@dataclass(frozen=True)
class Other:
    """What a sum is compared with.

    Args:
        amount: Turnover of last year, or what the publication before said, of the series that have it.
        now: What is forecast for the same series.
    """

    amount: float
    now: float

    @property
    def change(self) -> float | None:
        """Change from the other amount to what is forecast for the same series; None from nothing."""
        return self.now / self.amount - 1 if self.amount > 0 else None


@dataclass(frozen=True)
class Total:
    """A sum of one week, in currency units.

    Args:
        forecast: Sum of the forecasts.
        lo_80: Lower end of its 80 % interval.
        hi_80: Upper end of it.
        last_year: Turnover of the same week of last year; None where there is none.
        before: What the publication before said; None where it said nothing.
    """

    forecast: float
    lo_80: float
    hi_80: float
    last_year: Other | None
    before: Other | None


Totals = Mapping[tuple[str, str], Mapping[date, Total]]
"""Level, and label of the department or region, empty for the whole chain -> week -> sum."""

Sums = Mapping[tuple[str, str, date], Other]


def read_totals(connection: Connection, run: Run) -> Totals:
    """Read the sums of a publication and what they are compared with.

    Args:
        connection: Connection to the database.
        run: The publication.
    """
    table = schema.level_forecasts
    names = ("level", "key", "department", "week", "forecast", "lo_80", "hi_80")
    columns = [table.c[name] for name in names]
    query = select(*columns).where(table.c.run == run.id, table.c.level.in_(LEVELS))
    rows = connection.execute(query.order_by(table.c.level, table.c.key, table.c.week)).all()
    last_year = _sum_up(_last_year(connection, run, sorted({row.week for row in rows})))
    before = _sum_up(_publication_before(connection, run))
    totals: dict[tuple[str, str], dict[date, Total]] = defaultdict(dict)
    for row in rows:
        name = {TOTAL: "", DEPARTMENT: row.department, REGION: row.key}[row.level]
        place = (row.level, name, row.week)
        totals[row.level, name][row.week] = Total(
            row.forecast, row.lo_80, row.hi_80, last_year.get(place), before.get(place)
        )
    return totals


Compared = Row[str | None, str, date, float, float]
"""Region, department, week, the other amount, and what is forecast for the same series."""


def _last_year(connection: Connection, run: Run, weeks: list[date]) -> Iterable[Compared]:
    if not weeks:
        return ()
    made, sold, stores = schema.forecasts, schema.weekly_turnover, schema.stores
    year_before = case({week: week - YEAR for week in weeks}, value=made.c.week)
    same = (sold.c.store == made.c.store) & (sold.c.department == made.c.department)
    of_last_year = (sold.c.retailer == run.retailer) & same & (sold.c.week == year_before)
    by = (stores.c.region, made.c.department, made.c.week)
    query = (
        select(*by, func.sum(sold.c.turnover), func.sum(made.c.forecast))
        .select_from(made)
        .join(sold, of_last_year)
        .outerjoin(stores, (stores.c.retailer == run.retailer) & (stores.c.store == made.c.store))
        .where(made.c.run == run.id)
        .group_by(*by)
    )
    return connection.execute(query).all()


def _publication_before(connection: Connection, run: Run) -> Iterable[Compared]:
    table, stores = schema.forecast_changes, schema.stores
    by = (stores.c.region, table.c.department, table.c.week)
    query = (
        select(*by, func.sum(table.c.before), func.sum(table.c.after))
        .select_from(table)
        .outerjoin(stores, (stores.c.retailer == run.retailer) & (stores.c.store == table.c.store))
        .where(table.c.run == run.id)
        .group_by(*by)
    )
    return connection.execute(query).all()


def _sum_up(rows: Iterable[Compared]) -> Sums:
    """Add up regions and departments to each of ``LEVELS``."""
    sums: dict[tuple[str, str, date], tuple[float, float]] = defaultdict(lambda: (0.0, 0.0))
    for region, department, week, amount, now in rows:
        for place in ((TOTAL, "", week), (DEPARTMENT, department, week), (REGION, region or "", week)):
            known = sums[place]
            sums[place] = known[0] + amount, known[1] + now
    return {place: Other(*pair) for place, pair in sums.items()}
