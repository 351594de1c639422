"""How right forecasts were: each week is scored once, when it arrives, as it was first delivered.

Each horizon is scored by the last forecast that was made before the week was known. Levels are ``series``,
added up by department, and the sums ``department`` and ``total``: the database does not know the places of
stores, so that sums over regions and zones are not scored.

Series that are delivered later than the first ones of their week are not scored. A week that arrives while
all forecasts of it are withdrawn is never scored.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import date, datetime, timedelta

import numpy as np
import pandas as pd
from sqlalchemy import Connection, Row, Select, bindparam, exists, func, insert, select, update

from sales_forecast.forecasting.intervals.conformal import INTERVAL_COLUMNS
from sales_forecast.forecasting.panel.matrix import SERIES_KEYS, WEEKS_PER_YEAR
from sales_forecast.storage import schema
from sales_forecast.storage.ledger import records
from sales_forecast.storage.scores import FORECAST_COLUMNS, LEVELS, RESTATED, SERIES, SUMS, score_week

TABLE = schema.realised_accuracy

LONGEST_HORIZON = 52
"""Weeks; forecasts reach no further, see ``turnover.horizon_weeks``."""

Runs = dict[int, Row[tuple[int, date, datetime]]]
"""Horizon -> ``id, cutoff, made_at`` of the run whose forecasts are scored at it."""


def score_new_weeks(connection: Connection, retailer: str, weeks: Iterable[date], now: datetime) -> None:
    """Score the forecasts of weeks that have just been delivered for the first time.

    Args:
        connection: Connection in a transaction that writes, which has recorded the turnover of these weeks
            and not yet the forecasts that were made from it.
        retailer: Whose weeks they are.
        weeks: The new weeks; those that no forecast was made for, or that are scored already, are left out.
        now: When they came to be known.
    """
    runs = connection.execute(_serving_runs(retailer)).all()
    if not runs:
        return
    first = min(run.cutoff for run in runs)
    # a week is not scored twice, even if the digests of turnover are lost and all weeks look new
    scored = set(connection.execute(select(TABLE.c.week).where(TABLE.c.retailer == retailer)).scalars())
    for week in sorted(week for week in weeks if week > first and week not in scored):
        vintages = _vintages(connection, retailer, week)
        chosen = _last_before(connection, runs, week, vintages["recorded_at"].min())
        if not chosen:
            continue
        last_year = _vintages(connection, retailer, week - timedelta(weeks=WEEKS_PER_YEAR))
        scores = _score(connection, retailer, week, chosen, _first_and_last(vintages, now), last_year)
        rows = scores.assign(retailer=retailer, week=week, scored_at=now)
        if len(rows):
            connection.execute(insert(TABLE), records(_nan_as_null(rows)))


def score_restated(connection: Connection, retailer: str, weeks: Iterable[date]) -> None:
    """Compare the forecasts of scored weeks with the values as they are known now.

    Only the columns ``restated_*`` change. Runs whose forecasts are not kept any more are left as they are.

    Args:
        connection: Connection in a transaction that writes.
        retailer: Whose weeks they are.
        weeks: Weeks with values that have changed; those that are not scored are left out.
    """
    runs = schema.forecast_runs
    columns = [TABLE.c.week, TABLE.c.horizon, TABLE.c.scored_at, runs.c.id, runs.c.cutoff, runs.c.made_at]
    own = (TABLE.c.retailer == retailer) & (TABLE.c.level == SERIES) & TABLE.c.week.in_(list(weeks))
    query = select(*columns).distinct().join(runs, runs.c.id == TABLE.c.run).where(own)
    scored: dict[tuple[date, datetime], Runs] = {}
    for row in connection.execute(query):
        scored.setdefault((row.week, row.scored_at), {})[row.horizon] = row
    keys = ["week", "horizon", "level", "department"]
    changed = (
        update(TABLE)
        .where(TABLE.c.retailer == retailer, *(TABLE.c[key] == bindparam(f"own_{key}") for key in keys))
        .values({name: bindparam(f"new_{name}") for name in RESTATED})
    )
    for (week, scored_at), chosen in scored.items():
        values = _first_and_last(_vintages(connection, retailer, week), scored_at)
        scores = _score(connection, retailer, week, chosen, values, _no_vintages()).assign(week=week)
        names = {key: f"own_{key}" for key in keys} | {name: f"new_{name}" for name in RESTATED}
        if len(scores):
            connection.execute(changed, records(scores[list(names)].rename(columns=names)))


def accuracy(
    connection: Connection,
    retailer: str,
    level: str,
    department: str | None = None,
    since: date | None = None,
    horizon: int | None = None,
) -> pd.DataFrame:
    """Read how right forecasts were, oldest week first.

    Args:
        connection: Connection to the database.
        retailer: Whose forecasts they were.
        level: One of ``scores.LEVELS``.
        department: Department whose forecasts are meant; None adds all of them up.
        since: First week; None for all.
        horizon: Weeks ahead; None for all.

    Returns:
        ``week, horizon`` and ``scores.SUMS``, a row per week and horizon, weeks as dates; ``scores.rates``
        divides them.
    """
    wanted = {"department": department, "horizon": horizon}
    query = select(TABLE.c.week, TABLE.c.horizon, *(func.sum(TABLE.c[name]).label(name) for name in SUMS))
    query = query.where(TABLE.c.retailer == retailer, TABLE.c.level == level)
    query = query.where(*(TABLE.c[name] == value for name, value in wanted.items() if value is not None))
    if since is not None:
        query = query.where(TABLE.c.week >= since)
    by = (TABLE.c.week, TABLE.c.horizon)
    found = connection.execute(query.group_by(*by).order_by(*by)).all()
    return pd.DataFrame(found, columns=["week", "horizon", *SUMS])


def department_scores(connection: Connection, retailer: str, columns: Sequence[str]) -> pd.DataFrame:
    """Read columns of the scores of each week, horizon and department, oldest week first.

    Args:
        connection: Connection to the database.
        retailer: Whose forecasts they were.
        columns: Of ``realised_accuracy``.
    """
    query = select(*(TABLE.c[name] for name in columns)).where(
        TABLE.c.retailer == retailer, TABLE.c.level == SERIES
    )
    found = connection.execute(query.order_by(TABLE.c.week, TABLE.c.horizon, TABLE.c.department)).all()
    return pd.DataFrame(found, columns=list(columns))


def _serving_runs(retailer: str) -> Select[tuple[int, date, datetime]]:
    """All publications of turnover that are not withdrawn and tell their last week, newest first."""
    runs, gone = schema.forecast_runs, schema.withdrawals
    withdrawn = exists().where(gone.c.run == runs.c.id, gone.c.restored_at.is_(None))
    query = select(runs.c.id, runs.c.cutoff, runs.c.made_at).where(
        runs.c.domain == "turnover", runs.c.retailer == retailer, runs.c.cutoff.is_not(None), ~withdrawn
    )
    return query.order_by(runs.c.made_at.desc(), runs.c.id.desc())


def _last_before(
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


def _vintages(connection: Connection, retailer: str, week: date) -> pd.DataFrame:
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
