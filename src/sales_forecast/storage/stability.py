"""How far forecasts of the same weeks moved from one publication to the next."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime

from sqlalchemy import Connection, func, select

from sales_forecast.storage import schema
from sales_forecast.storage.queries import Run


@dataclass(frozen=True)
class Moved:
    """How far the forecasts of a publication are from those of the one before.

    Args:
        run: Number of the publication.
        made_at: When it was made.
        cutoff: Last week that it knew.
        series: Cycle-over-cycle change of single series, see ``forecasting.changes.cycle_change``.
        total: The same of the chain's sums; moves that cancel do not count.
    """

    run: int
    made_at: datetime
    cutoff: date | None
    series: float
    total: float


def read_stability(connection: Connection, run: Run, publications: int) -> Sequence[Moved]:
    """Read how far forecasts moved, newest publication first; those without changes are left out.

    Args:
        connection: Connection to the database.
        run: The newest publication.
        publications: Number of publications that are looked at.
    """
    runs, table = schema.forecast_runs, schema.forecast_changes
    own = (runs.c.retailer == run.retailer, runs.c.domain == run.domain)
    newest = select(runs.c.id, runs.c.made_at, runs.c.cutoff).where(*own, runs.c.made_at <= run.made_at)
    made = connection.execute(
        newest.order_by(runs.c.made_at.desc(), runs.c.id.desc()).limit(publications)
    ).all()
    moved = func.sum(func.abs(table.c.after - table.c.before)).label("moved")
    weeks = (
        select(
            table.c.run,
            moved,
            func.sum(table.c.before).label("before"),
            func.sum(table.c.after).label("after"),
        )
        .where(table.c.run.in_([row.id for row in made]))
        .group_by(table.c.run, table.c.week)
        .subquery()
    )
    query = select(
        weeks.c.run,
        func.sum(weeks.c.moved),
        func.sum(func.abs(weeks.c.after - weeks.c.before)),
        func.sum(weeks.c.before),
    ).group_by(weeks.c.run)
    sums = {run: (series, total, before) for run, series, total, before in connection.execute(query)}
    return [
        Moved(
            row.id,
            row.made_at,
            row.cutoff,
            sums[row.id][0] / sums[row.id][2],
            sums[row.id][1] / sums[row.id][2],
        )
        for row in made
        if row.id in sums and sums[row.id][2] > 0
    ]
