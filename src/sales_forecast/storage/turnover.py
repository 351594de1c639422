"""What was sold, as it is known now and as it was known before: values are added or restated, never deleted.

A run delivers the whole history. A digest of each week tells which weeks it says something new about; only
these are read from the database and compared, so that a history of years costs as much as its newest weeks.
"""

from __future__ import annotations

import logging
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime
from typing import Any

import pandas as pd
from sqlalchemy import Connection, RowMapping, func, select

from sales_forecast.forecasting.panel.matrix import KEYS, ROW_KEYS
from sales_forecast.retailers import DEFAULT_RETAILER
from sales_forecast.storage import schema
from sales_forecast.storage.database import upsert
from sales_forecast.storage.ledger import records

logger = logging.getLogger(__name__)

COLUMNS = [*ROW_KEYS, "turnover"]

ROUNDING = 1e-9
"""Relative difference up to which an amount is the same: text files round the last digits."""

WEEKS_AT_A_TIME = 50
"""Weeks that are read and compared together."""


@dataclass(frozen=True)
class RecordedWeeks:
    """Weeks that a delivery has said something new about.

    Args:
        new: Weeks of which nothing was known before.
        restated: Weeks with values that are no longer what they were.
    """

    new: tuple[date, ...]
    restated: tuple[date, ...]


def record_turnover(
    connection: Connection, turnover: pd.DataFrame, retailer: str, now: datetime
) -> RecordedWeeks:
    """Record what a delivery says that was not known yet.

    What it does not mention stays as it is: a file that lacks old weeks or stores deletes nothing.

    Args:
        connection: Connection in a transaction that writes.
        turnover: ``store, department, week, turnover``; labels as text, weeks as dates, no unknown turnover.
        retailer: Whose turnover it is.
        now: When it came to be known.

    Returns:
        The weeks that it has said something new about.
    """
    delivered = week_digests(turnover)
    table = schema.turnover_digests
    known = select(table.c.week, table.c.digest).where(table.c.retailer == retailer)
    before = {row.week: row.digest for row in connection.execute(known)}
    weeks = sorted(week for week, digest in delivered.items() if before.get(week) != digest)
    added = restated = 0
    restated_weeks: set[date] = set()
    for first in range(0, len(weeks), WEEKS_AT_A_TIME):
        some = weeks[first : first + WEEKS_AT_A_TIME]
        news = _news(connection, turnover[turnover["week"].isin(some)], retailer)
        restated += int(news["was_known"].sum())
        restated_weeks.update(news.loc[news["was_known"], "week"])
        added += int((~news["was_known"]).sum())
        values = news[COLUMNS].assign(retailer=retailer)
        upsert(connection, schema.weekly_turnover, records(values))
        upsert(connection, schema.turnover_vintages, records(values.assign(recorded_at=now)))
    upsert(connection, table, [{"retailer": retailer, "week": w, "digest": delivered[w]} for w in weeks])
    if restated:
        logger.info("Turnover of %s earlier values was restated; %s are new.", f"{restated:,}", f"{added:,}")
    new = tuple(week for week in weeks if week not in before)
    return RecordedWeeks(new, tuple(sorted(restated_weeks)))


def is_restated(delivered: pd.Series[float], known: pd.Series[float]) -> pd.Series[bool]:
    """Whether amounts differ by more than ``ROUNDING``, or were not known."""
    return ~((delivered - known).abs() <= ROUNDING * known.abs())


def week_digests(turnover: pd.DataFrame) -> dict[Any, str]:
    """Compute the digest of each week's rows, whatever their order.

    Args:
        turnover: ``store, department, week, turnover``; labels as text, no unknown turnover.

    Returns:
        Week, as the table has it, -> digest.
    """
    hashes = pd.util.hash_pandas_object(turnover[[*KEYS, "turnover"]], index=False)
    sums = hashes.groupby(turnover["week"].to_numpy()).agg(["sum", "size"])
    return {week: f"{total:016x}-{count}" for week, total, count in sums.itertuples(name=None)}


def _news(connection: Connection, delivered: pd.DataFrame, retailer: str) -> pd.DataFrame:
    """Rows of some weeks whose turnover is not the recorded one; ``was_known`` says whether there was one."""
    table = schema.weekly_turnover
    weeks = delivered["week"].unique().tolist()
    stored = select(*(table.c[name] for name in COLUMNS)).where(
        table.c.retailer == retailer, table.c.week.in_(weeks)
    )
    known = pd.DataFrame(connection.execute(stored).all(), columns=COLUMNS)
    both = delivered.merge(known, on=ROW_KEYS, how="left", suffixes=("", "_known"))
    news = both[is_restated(both["turnover"], both["turnover_known"])]
    return news.assign(was_known=news["turnover_known"].notna())


def turnover_since(
    connection: Connection, week: date, retailer: str = DEFAULT_RETAILER
) -> Sequence[RowMapping]:
    """Read ``store, department, week, turnover`` of a retailer from a week on."""
    table = schema.weekly_turnover
    columns = [table.c[name] for name in COLUMNS]
    query = select(*columns).where(table.c.retailer == retailer, table.c.week >= week)
    return connection.execute(query).mappings().all()


def turnover_as_of(
    connection: Connection, moment: datetime, retailer: str = DEFAULT_RETAILER
) -> Sequence[RowMapping]:
    """Read ``store, department, week, turnover`` of a retailer as it was known at a moment."""
    table = schema.turnover_vintages
    newest_first = func.row_number().over(
        partition_by=[table.c[name] for name in ROW_KEYS], order_by=table.c.recorded_at.desc()
    )
    known = (
        select(*(table.c[name] for name in COLUMNS), newest_first.label("place"))
        .where(table.c.retailer == retailer, table.c.recorded_at <= moment)
        .subquery()
    )
    query = select(*(known.c[name] for name in COLUMNS)).where(known.c.place == 1)
    return connection.execute(query.order_by(*(known.c[name] for name in ROW_KEYS))).mappings().all()
