"""What overrides were worth, from what the database knows once their weeks have come."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, date, datetime, time, timedelta

import pandas as pd
from sqlalchemy import Connection, Row, func, select

from sales_forecast.forecasting.panel.matrix import SERIES_KEYS, WEEKS_PER_YEAR
from sales_forecast.planning.overrides import Override
from sales_forecast.planning.planned import planned_rows
from sales_forecast.storage import schema
from sales_forecast.storage.overrides import overrides_of
from sales_forecast.storage.scoring import last_before, serving_runs, vintages_of

REPLAYED_AFTER = timedelta(days=60)
"""Turnover that comes so long after its week is that of the past, read in later: the calendar then says
nothing about what a planner could know, and an override counts if it was made before the turnover came."""

COLUMNS = [*SERIES_KEYS, "week", "turnover", "naive", "forecast", "planned", "override", "reason"]


def overridden_weeks(connection: Connection, retailer: str, since: date | None = None) -> pd.DataFrame:
    """Read the series and weeks that were overridden and whose turnover is known.

    Each week is judged by the last publication that was made before its turnover came, and by the overrides
    that were active when the week began; ``turnover`` is what was delivered first, ``naive`` what was sold a
    year before, as it was known to that publication.

    Args:
        connection: Connection to the database.
        retailer: Whose overrides.
        since: First week; None for all.

    Returns:
        ``COLUMNS``; weeks as dates, amounts in currency units per week.
    """
    overrides = overrides_of(connection, retailer, since)
    runs = connection.execute(serving_runs(retailer)).all()
    firsts = _first_weeks(connection, {run.id for run in runs}) if overrides else {}
    found = [pd.DataFrame(columns=COLUMNS)]
    for week in _known_weeks(connection, retailer, overrides):
        if since is None or week >= since:
            found.append(_of_week(connection, retailer, week, overrides, runs, firsts))
    return pd.concat([rows for rows in found if len(rows)] or found, ignore_index=True)


def count_weeks(connection: Connection, retailer: str, since: date | None = None) -> int:
    """Count the known weeks since the first one that was overridden: ``overridden_weeks`` reads no others."""
    table, overrides = schema.turnover_digests, schema.overrides
    first = select(func.min(overrides.c.week_from)).where(overrides.c.retailer == retailer).scalar_subquery()
    query = select(func.count()).where(table.c.retailer == retailer, table.c.week >= first)
    if since is not None:
        query = query.where(table.c.week >= since)
    return connection.execute(query).scalar_one()


def _known_weeks(connection: Connection, retailer: str, overrides: Sequence[Override]) -> Sequence[date]:
    """Weeks that an override is about, and that have come."""
    if not overrides:
        return []
    first = min(one.correction.week_from for one in overrides)
    table = schema.turnover_digests
    query = select(table.c.week).where(table.c.retailer == retailer, table.c.week >= first)
    known = connection.execute(query.order_by(table.c.week)).scalars().all()
    spans = [(one.correction.week_from, one.correction.week_to) for one in overrides]
    return [week for week in known if any(first <= week <= last for first, last in spans)]


def _first_weeks(connection: Connection, runs: set[int]) -> dict[int, date]:
    """First week that each publication forecasts: the one after its cutoff."""
    table = schema.forecast_runs
    query = select(table.c.id, table.c.cutoff).where(table.c.id.in_(runs))
    return {number: cutoff + timedelta(weeks=1) for number, cutoff in connection.execute(query)}


def _of_week(
    connection: Connection,
    retailer: str,
    week: date,
    overrides: Sequence[Override],
    runs: Sequence[Row[tuple[int, date, datetime]]],
    firsts: dict[int, date],
) -> pd.DataFrame:
    values = vintages_of(connection, retailer, week)
    if values.empty:
        return values
    came = values["recorded_at"].min()
    chosen = last_before(connection, runs, week, came)
    if not chosen:
        return values.iloc[:0]
    run = max(chosen.values(), key=lambda run: (run.made_at, run.id))
    deadline = _deadline(week, came)
    active = [one for one in overrides if one.is_active(firsts[run.id], deadline)]
    planned = planned_rows(_forecasts(connection, retailer, run.id, week), active)
    planned = planned[planned["override"].notna()]
    first = values.drop_duplicates(SERIES_KEYS)[[*SERIES_KEYS, "turnover"]]
    last_year = vintages_of(connection, retailer, week - timedelta(weeks=WEEKS_PER_YEAR))
    known_then = last_year[last_year["recorded_at"] <= run.made_at].drop_duplicates(SERIES_KEYS, keep="last")
    naive = known_then[[*SERIES_KEYS, "turnover"]].rename(columns={"turnover": "naive"})
    reasons = {one.id: one.correction.reason for one in active}
    both = planned.merge(first, on=SERIES_KEYS).merge(naive, on=SERIES_KEYS, how="left")
    return both.assign(reason=both["override"].map(reasons), naive=both["naive"].astype(float))[COLUMNS]


def _deadline(week: date, came: datetime) -> datetime:
    """Until when an override must have been made: until the week began, or its turnover came in a replay."""
    began = datetime.combine(week, time(), UTC)
    is_replayed = came - (began + timedelta(weeks=1)) > REPLAYED_AFTER
    return came if is_replayed else min(began, came)


def _forecasts(connection: Connection, retailer: str, run: int, week: date) -> pd.DataFrame:
    """Forecasts of a week, with the region of each store as it is known now."""
    table, stores = schema.forecasts, schema.stores
    same = (stores.c.store == table.c.store) & (stores.c.retailer == retailer)
    columns = (*(table.c[name] for name in (*SERIES_KEYS, "week", "forecast")), stores.c.region)
    query = select(*columns).select_from(table.outerjoin(stores, same))
    found = connection.execute(query.where(table.c.run == run, table.c.week == week)).all()
    return pd.DataFrame(found, columns=[*SERIES_KEYS, "week", "forecast", "region"])
