"""How right forecasts were: each week is scored once, when it arrives, as it was first delivered.

Each horizon is scored by the last forecast that was made before the week was known. Levels are ``series``,
added up by department, and the sums ``department`` and ``total``: the database does not know the places of
stores, so that sums over regions and zones are not scored.

Series that are delivered later than the first ones of their week are not scored. A week that arrives while
all forecasts of it are withdrawn is never scored.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta

import numpy as np
import pandas as pd
from sqlalchemy import Connection, Row, Select, bindparam, exists, func, insert, select, update

from sales_forecast.forecasting.intervals.conformal import INTERVAL_COLUMNS
from sales_forecast.forecasting.panel.matrix import SERIES_KEYS, WEEKS_PER_YEAR
from sales_forecast.storage import schema
from sales_forecast.storage.ledger import records
from sales_forecast.storage.scores import FORECAST_COLUMNS, LEVELS, RESTATED, SERIES, score_week

TABLE = schema.realised_accuracy

KEYS = ["week", "horizon", "level", "department"]

LONGEST_HORIZON = 52
"""Weeks; forecasts reach no further, see ``turnover.horizon_weeks``."""

Runs = dict[int, Row[tuple[int, date, datetime]]]
"""Horizon -> ``id, cutoff, made_at`` of the run whose forecasts are scored at it."""


@dataclass(frozen=True)
class Scores:
    """What ``record_scores`` writes.

    Args:
        new: Rows of ``realised_accuracy``, a table for each week.
        restated: Keys and new values of rows that are there already, likewise.
    """

    new: Sequence[pd.DataFrame]
    restated: Sequence[pd.DataFrame]


def find_scores(
    connection: Connection, retailer: str, new: Iterable[date], restated: Iterable[date], now: datetime
) -> Scores:
    """Score the forecasts of weeks that have just been delivered, and of weeks with values that have changed.

    Args:
        connection: Connection to the database, which has the turnover of these weeks and not yet the
            forecasts that were made from it.
        retailer: Whose weeks they are.
        new: Weeks that were not known; those that no forecast was made for, or that are scored already, are
            left out.
        restated: Weeks with values that are others now; those that are not scored are left out, and of the
            others only the columns ``restated_*`` change. Runs without forecasts are left as they are.
        now: When all that came to be known.
    """
    scored = list(_score_new(connection, retailer, new, now))
    return Scores(scored, list(_score_restated(connection, retailer, restated)))


def record_scores(connection: Connection, retailer: str, scores: Scores) -> None:
    """Write scores in a transaction that writes."""
    for rows in scores.new:
        connection.execute(insert(TABLE), records(_nan_as_null(rows)))
    changed = (
        update(TABLE)
        .where(TABLE.c.retailer == retailer, *(TABLE.c[key] == bindparam(f"own_{key}") for key in KEYS))
        .values({name: bindparam(f"new_{name}") for name in RESTATED})
    )
    for rows in scores.restated:
        connection.execute(changed, records(rows))


def _score_new(
    connection: Connection, retailer: str, weeks: Iterable[date], now: datetime
) -> Iterator[pd.DataFrame]:
    runs = connection.execute(serving_runs(retailer)).all()
    if not runs:
        return
    first = min(run.cutoff for run in runs)
    # a week is not scored twice, even if the digests of turnover are lost and all weeks look new
    scored = set(connection.execute(select(TABLE.c.week).where(TABLE.c.retailer == retailer)).scalars())
    for week in sorted(week for week in weeks if week > first and week not in scored):
        vintages = vintages_of(connection, retailer, week)
        chosen = last_before(connection, runs, week, vintages["recorded_at"].min())
        if not chosen:
            continue
        last_year = vintages_of(connection, retailer, week - timedelta(weeks=WEEKS_PER_YEAR))
        scores = _score(connection, retailer, week, chosen, _first_and_last(vintages, now), last_year)
        rows = scores.assign(retailer=retailer, week=week, scored_at=now)
        if len(rows):
            yield rows


def _score_restated(connection: Connection, retailer: str, weeks: Iterable[date]) -> Iterator[pd.DataFrame]:
    runs = schema.forecast_runs
    columns = [TABLE.c.week, TABLE.c.horizon, TABLE.c.scored_at, runs.c.id, runs.c.cutoff, runs.c.made_at]
    own = (TABLE.c.retailer == retailer) & (TABLE.c.level == SERIES) & TABLE.c.week.in_(list(weeks))
    query = select(*columns).distinct().join(runs, runs.c.id == TABLE.c.run).where(own)
    scored: dict[tuple[date, datetime], Runs] = {}
    for row in connection.execute(query):
        scored.setdefault((row.week, row.scored_at), {})[row.horizon] = row
    for (week, scored_at), chosen in scored.items():
        values = _first_and_last(vintages_of(connection, retailer, week), scored_at)
        scores = _score(connection, retailer, week, chosen, values, _no_vintages()).assign(week=week)
        names = {key: f"own_{key}" for key in KEYS} | {name: f"new_{name}" for name in RESTATED}
        if len(scores):
            yield scores[list(names)].rename(columns=names)


def serving_runs(retailer: str) -> Select[tuple[int, date, datetime]]:
    """All publications of turnover that are not withdrawn and tell their last week, newest first."""
    runs, gone = schema.forecast_runs, schema.withdrawals
    withdrawn = exists().where(gone.c.run == runs.c.id, gone.c.restored_at.is_(None))
    query = select(runs.c.id, runs.c.cutoff, runs.c.made_at).where(
        runs.c.domain == "turnover", runs.c.retailer == retailer, runs.c.cutoff.is_not(None), ~withdrawn
    )
    return query.order_by(runs.c.made_at.desc(), runs.c.id.desc())


def last_before(
    connection: Connection, runs: Sequence[Row[tuple[int, date, datetime]]], week: date, came: datetime
) -> Runs:
    """For each horizon the newest run with forecasts of a week that was made before the week came."""
    horizons = {run.id: (week - run.cutoff).days / 7 for run in runs if run.made_at < came}
    possible = [run for run, horizon in horizons.items() if horizon in range(1, LONGEST_HORIZON + 1)]
    made, forecasts = schema.forecast_runs, schema.forecasts
    of_week = exists().where(forecasts.c.run == made.c.id, forecasts.c.week == week)
    query = select(made.c.id).where(made.c.id.in_(possible), of_week)
    there = set(connection.execute(query).scalars())
    chosen: Runs = {}
    for run in runs:  # newest first
        if run.id in there:
            chosen.setdefault(int(horizons[run.id]), run)
    return chosen


VINTAGE_COLUMNS = [*SERIES_KEYS, "recorded_at", "turnover"]


def _no_vintages() -> pd.DataFrame:
    return pd.DataFrame(columns=VINTAGE_COLUMNS)


def vintages_of(connection: Connection, retailer: str, week: date) -> pd.DataFrame:
    """All values that a week has had, oldest first."""
    table = schema.turnover_vintages
    query = select(*(table.c[name] for name in VINTAGE_COLUMNS)).where(
        table.c.retailer == retailer, table.c.week == week
    )
    found = connection.execute(query.order_by(table.c.recorded_at)).all()
    return pd.DataFrame(found, columns=VINTAGE_COLUMNS)


def _first_and_last(vintages: pd.DataFrame, scored_at: datetime) -> pd.DataFrame:
    """``turnover`` of each series as first delivered, of those there were at a moment, and ``now``."""
    first = vintages[vintages["recorded_at"] <= scored_at].drop_duplicates(SERIES_KEYS)
    last = vintages.drop_duplicates(SERIES_KEYS, keep="last")[[*SERIES_KEYS, "turnover"]]
    return first.drop(columns="recorded_at").merge(last.rename(columns={"turnover": "now"}), on=SERIES_KEYS)


def _score(
    connection: Connection,
    retailer: str,
    week: date,
    chosen: Runs,
    values: pd.DataFrame,
    last_year: pd.DataFrame,
) -> pd.DataFrame:
    """Score what some runs have forecast for a week; ``last_year`` are the vintages of a year before."""
    runs = {run.id: (horizon, run.made_at) for horizon, run in chosen.items()}
    forecasts = _of_week(connection, FORECAST_COLUMNS, "forecasts", runs, week)
    columns = ["run", "level", "department", *INTERVAL_COLUMNS]
    sums = _of_week(connection, columns, "level_forecasts", runs, week)
    forecasts["horizon"] = forecasts["run"].map({run: horizon for run, (horizon, _) in runs.items()})
    naive = pd.concat(
        # what seasonal naive would have said then: values that came with the run's own data count
        last_year[last_year["recorded_at"] <= made_at]
        .drop_duplicates(SERIES_KEYS, keep="last")
        .assign(run=run)
        for run, (_, made_at) in runs.items()
    ).astype({"run": int, "turnover": float})
    forecasts["usual"] = forecasts["department"].map(_mean_weeks(connection, retailer, week)).fillna(0.0)
    naive = naive.drop(columns="recorded_at").rename(columns={"turnover": "naive"})
    both = forecasts.merge(values, on=SERIES_KEYS, how="left").merge(
        naive, on=["run", *SERIES_KEYS], how="left"
    )
    return score_week(both, sums[sums["level"].isin(LEVELS)])


def _mean_weeks(connection: Connection, retailer: str, week: date) -> dict[str, float]:
    """What a series of each department sold in a mean week of the year before a week."""
    table = schema.weekly_turnover
    of_year = table.c.week.between(week - timedelta(weeks=WEEKS_PER_YEAR), week - timedelta(weeks=1))
    query = select(table.c.department, func.avg(table.c.turnover)).where(
        table.c.retailer == retailer, of_year
    )
    found = connection.execute(query.group_by(table.c.department)).all()
    return {department: float(mean) for department, mean in found}


def _of_week(
    connection: Connection, columns: list[str], name: str, runs: Iterable[int], week: date
) -> pd.DataFrame:
    table = schema.metadata.tables[name]
    query = select(*(table.c[column] for column in columns)).where(
        table.c.run.in_(list(runs)), table.c.week == week
    )
    return pd.DataFrame(connection.execute(query).all(), columns=columns)


def _nan_as_null(rows: pd.DataFrame) -> pd.DataFrame:
    return rows.astype(object).replace({np.nan: None})
