"""Publications of the weeks before the newest one, made by hand: pages have a past to show, whose truth is known."""

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, date, datetime, time, timedelta
from typing import Any

import pandas as pd
from sqlalchemy import Connection, Engine, delete, insert, select

from sales_forecast.forecasting.intervals.conformal import QUANTILES
from sales_forecast.retailers import DEFAULT_RETAILER
from sales_forecast.storage import schema
from sales_forecast.storage.database import writing
from sales_forecast.storage.queries import Run, newest_run
from sales_forecast.storage.scoring import find_scores, record_scores
from sales_forecast.storage.turnover import record_turnover, write_turnover

FIRST_ID = 900
"""Numbers of the publications begin here."""

TOO_HIGH = 1.1
"""Each forecast of a week that has come was so many times what was sold."""

RANGE_80 = (0.85, 1.15)
"""Ends of the 80 % intervals over the forecast: all weeks are inside."""

BEFORE, NEW_WEEKS, REFIT = 0.8, 0.3, -0.1
"""What the publication before said, and what changed it, over the newest forecast."""


def quantile(probability: float) -> float:
    """Quantile of the forecast of a week that has come, over what was sold."""
    return TOO_HIGH * (0.7 + 0.6 * probability)


Rows = list[dict[str, Any]]


@contextmanager
def past_weeks(engine: Engine, weeks: int = 6) -> Iterator[Run]:
    """Add publications of earlier weeks, changes and scores to a database, and take them away again.

    Args:
        engine: Engine of a database with a publication.
        weeks: Number of earlier publications, each one week before the next one.
    """
    with engine.connect() as connection:
        run = newest_run(connection, "turnover")
    assert run is not None
    assert run.cutoff is not None
    made = [
        _earlier(run, run.cutoff - timedelta(weeks=back), FIRST_ID + back) for back in range(1, weeks + 1)
    ]
    with writing(engine) as connection:
        connection.execute(insert(schema.forecast_runs), made)
        for one in made:
            _insert(connection, schema.forecasts, _forecasts(connection, run, one))
        for one in [run.id, *(one["id"] for one in made)]:
            _insert(connection, schema.forecast_changes, _changes(connection, one))
        scored = [run.cutoff - timedelta(weeks=back) for back in range(weeks)]
        scores = find_scores(connection, DEFAULT_RETAILER, scored, (), datetime.now(UTC))
        record_scores(connection, DEFAULT_RETAILER, scores)
    yield run
    with writing(engine) as connection:
        for table in (schema.forecasts, schema.forecast_changes):
            connection.execute(delete(table).where(table.c.run > FIRST_ID))
        connection.execute(delete(schema.forecast_changes).where(schema.forecast_changes.c.run == run.id))
        connection.execute(delete(schema.forecast_runs).where(schema.forecast_runs.c.id > FIRST_ID))
        connection.execute(delete(schema.realised_accuracy).where(schema.realised_accuracy.c.run > FIRST_ID))


def _earlier(run: Run, cutoff: date, number: int) -> dict[str, Any]:
    names = ("retailer", "domain", "model_name", "model_version", "run_id", "data_version", "summary")
    made_at = datetime.combine(cutoff + timedelta(days=9), time(6), UTC)  # the Monday after the week
    own = {"id": number, "made_at": made_at, "cutoff": cutoff, "digest": str(number)}
    return {name: getattr(run, name) for name in names} | own


def _forecasts(connection: Connection, run: Run, made: dict[str, Any]) -> Rows:
    sold, ahead = schema.weekly_turnover, schema.forecasts
    weeks = [made["cutoff"] + timedelta(weeks=horizon) for horizon in range(1, 9)]
    columns = (sold.c.store, sold.c.department, sold.c.week, sold.c.turnover)
    known = connection.execute(select(*columns).where(sold.c.week.in_(weeks))).all()
    newest = select(ahead).where(ahead.c.run == run.id, ahead.c.week.in_(weeks))
    to_come = [dict(row._mapping) | {"run": made["id"]} for row in connection.execute(newest)]
    nothing = {c.name: 0.0 for c in ahead.c if isinstance(c.type, schema.forecasts.c.forecast.type.__class__)}
    come = [
        nothing
        | {"run": made["id"], "store": row.store, "department": row.department, "week": row.week}
        | {"horizon": (row.week - made["cutoff"]).days // 7, "cold_start": False, "method": "by hand"}
        | {"forecast": TOO_HIGH * row.turnover, "average_week": TOO_HIGH * row.turnover}
        | {
            end: share * TOO_HIGH * row.turnover
            for end, share in zip(("lo_80", "hi_80"), RANGE_80, strict=True)
        }
        | {"lo_95": 0.0, "hi_95": 9 * row.turnover}
        | {name: quantile(probability) * row.turnover for name, probability in QUANTILES.items()}
        for row in known
    ]
    return come + [row | {"horizon": (row["week"] - made["cutoff"]).days // 7} for row in to_come]


def _changes(connection: Connection, number: int) -> Rows:
    made = schema.forecasts
    query = select(made.c.store, made.c.department, made.c.week, made.c.forecast).where(
        made.c.run == number, made.c.horizon < 8
    )
    nothing = {c.name: 0.0 for c in schema.forecast_changes.c}
    return [
        nothing
        | {"run": number, "store": row.store, "department": row.department, "week": row.week}
        | {"before": BEFORE * row.forecast, "after": row.forecast}
        | {"new_weeks": NEW_WEEKS * row.forecast, "refit": REFIT * row.forecast}
        for row in connection.execute(query)
    ]


def _insert(connection: Connection, table: Any, rows: Rows) -> None:
    if rows:
        connection.execute(insert(table), rows)


@contextmanager
def weeks_that_came(engine: Engine, run: Run, weeks: int, share: float) -> Iterator[None]:
    """Deliver the turnover of weeks that a publication forecasts, and take it away again.

    Args:
        engine: Engine of the database.
        run: The publication.
        weeks: So many of its first weeks come.
        share: What is sold, over the forecast.
    """
    made, now = schema.forecasts, datetime.now(UTC)
    columns = (made.c.store, made.c.department, made.c.week, made.c.forecast)
    with engine.connect() as connection:
        query = select(*columns).where(made.c.run == run.id, made.c.horizon <= weeks)
        rows = pd.DataFrame(connection.execute(query).all())
    news = write_turnover(engine, rows.assign(turnover=share * rows["forecast"]), run.retailer, now)
    with writing(engine) as connection:
        record_turnover(connection, news, run.retailer, now)
    yield
    with writing(engine) as connection:
        for table in (schema.weekly_turnover, schema.turnover_vintages, schema.turnover_digests):
            connection.execute(delete(table).where(table.c.week > run.cutoff))
