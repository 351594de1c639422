"""What was sold, as it is known now and as it was known before: values are added or restated, never deleted.

A run delivers the whole history. A digest of each week tells which weeks it says something new about; only
these are read from the database and compared, so that a history of years costs as much as its newest weeks.
"""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import date, datetime
from typing import Any

import pandas as pd
from sqlalchemy import Connection, Engine, RowMapping, func, select

from sales_forecast.forecasting.panel.matrix import KEYS, ROW_KEYS
from sales_forecast.retailers import DEFAULT_RETAILER
from sales_forecast.storage import schema
from sales_forecast.storage.chunks import ROWS_AT_A_TIME, give_way
from sales_forecast.storage.database import upsert, writing
from sales_forecast.storage.ledger import records

logger = logging.getLogger(__name__)

COLUMNS = [*ROW_KEYS, "turnover"]

ROUNDING = 1e-9
"""Relative difference up to which an amount is the same: text files round the last digits."""

WEEKS_AT_A_TIME = 50
"""Weeks that are read and compared together."""


RESTATED = ""
"""Digest of a week whose restated values may be written, while the scores that follow from them are not."""


@dataclass(frozen=True)
class TurnoverNews:
    """What a delivery says that was not known yet.

    Args:
        rows: ``store, department, week, turnover`` that differ from what is recorded, oldest week first.
        digests: Week -> digest, of the weeks that are not as they were recorded last.
        new: Weeks of which nothing was known before.
        restated: Weeks with values that are no longer what they were.
    """

    rows: pd.DataFrame
    digests: Mapping[date, str]
    new: tuple[date, ...]
    restated: tuple[date, ...]


def write_turnover(engine: Engine, turnover: pd.DataFrame, retailer: str, now: datetime) -> TurnoverNews:
    """Find what a delivery says that was not known yet, and write it if it is more than ``ROWS_AT_A_TIME``.

    What it does not mention stays as it is: a file that lacks old weeks or stores deletes nothing. Most
    deliveries bring one week, which is left for the transaction that publishes what was made from it. Of a
    large one, rows are seen earlier, oldest weeks first. It may be written again, as after a kill.

    Args:
        engine: SQLAlchemy engine of the database; nobody else publishes meanwhile.
        turnover: ``store, department, week, turnover``; labels as text, weeks as dates, no unknown turnover.
        retailer: Whose turnover it is.
        now: When it came to be known.

    Returns:
        What is left to write, for ``record_turnover``.
    """
    with engine.connect() as connection:
        news = _find_news(connection, turnover, retailer)
    rows = news.rows
    if len(rows) <= ROWS_AT_A_TIME:
        return news
    with writing(engine) as connection:
        _write_digests(connection, dict.fromkeys(news.restated, RESTATED), retailer)
    step = max(1, ROWS_AT_A_TIME // 2)  # each goes into two tables
    for first in range(0, len(rows), step):
        values = _values(rows.iloc[first : first + step], retailer, now)
        with writing(engine) as connection:
            _write_values(connection, values)
        give_way(engine)
    return replace(news, rows=rows.iloc[:0])


def record_turnover(connection: Connection, news: TurnoverNews, retailer: str, now: datetime) -> None:
    """Write what ``write_turnover`` has left.

    Args:
        connection: Connection in a transaction that writes.
        news: What is left.
        retailer: Whose turnover it is.
        now: When it came to be known.
    """
    _write_values(connection, _values(news.rows, retailer, now))
    _write_digests(connection, news.digests, retailer)


def _values(rows: pd.DataFrame, retailer: str, now: datetime) -> list[dict[str, object]]:
    return records(rows[COLUMNS].assign(retailer=retailer, recorded_at=now))


def _write_values(connection: Connection, values: list[dict[str, object]]) -> None:
    names = [column.name for column in schema.weekly_turnover.c]
    upsert(connection, schema.weekly_turnover, [{name: row[name] for name in names} for row in values])
    upsert(connection, schema.turnover_vintages, values)


def _write_digests(connection: Connection, digests: Mapping[date, str], retailer: str) -> None:
    rows = [{"retailer": retailer, "week": week, "digest": digest} for week, digest in digests.items()]
    upsert(connection, schema.turnover_digests, rows)


def _find_news(connection: Connection, turnover: pd.DataFrame, retailer: str) -> TurnoverNews:
    delivered = week_digests(turnover)
    table = schema.turnover_digests
    known = select(table.c.week, table.c.digest).where(table.c.retailer == retailer)
    before = {row.week: row.digest for row in connection.execute(known)}
    weeks = sorted(week for week, digest in delivered.items() if before.get(week) != digest)
    found = [turnover.iloc[:0].assign(was_known=False)]
    for first in range(0, len(weeks), WEEKS_AT_A_TIME):
        some = weeks[first : first + WEEKS_AT_A_TIME]
        found.append(_differing(connection, turnover[turnover["week"].isin(some)], retailer))
    rows = pd.concat(found).sort_values("week", kind="stable")
    was_known = rows["was_known"].to_numpy(dtype=bool)
    if restated := int(was_known.sum()):
        added = len(rows) - restated
        logger.info("Turnover of %s earlier values was restated; %s are new.", f"{restated:,}", f"{added:,}")
    return TurnoverNews(
        rows=rows[COLUMNS],
        digests={week: delivered[week] for week in weeks},
        new=tuple(week for week in weeks if week not in before),
        restated=tuple(
            sorted({*rows["week"][was_known], *(week for week in weeks if before.get(week) == RESTATED)})
        ),
    )


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


def _differing(connection: Connection, delivered: pd.DataFrame, retailer: str) -> pd.DataFrame:
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
