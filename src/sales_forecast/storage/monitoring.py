"""Signals of the monitoring in the database, and the decisions that follow from them."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import date, datetime

import numpy as np
import pandas as pd
from sqlalchemy import Connection, RowMapping, func, insert, select, update

from sales_forecast.storage import schema
from sales_forecast.storage.ledger import records

SIGNALS, DECISIONS = schema.monitor_signals, schema.retraining_decisions


def record_signals(connection: Connection, signals: pd.DataFrame, retailer: str, now: datetime) -> int:
    """Keep the signals of weeks that have none yet: what was said about a week is not said again.

    Args:
        connection: Connection in a transaction that writes.
        signals: ``week, detector, key, value, threshold, state, since, evidence``, see
            ``forecasting.monitoring.signals``.
        retailer: Whose they are.
        now: When they were found.

    Returns:
        How many are new.
    """
    newest = connection.execute(
        select(func.max(SIGNALS.c.week)).where(SIGNALS.c.retailer == retailer)
    ).scalar()
    weeks = pd.to_datetime(signals["week"])
    new = signals[weeks > pd.Timestamp(newest)] if newest else signals
    if len(new):
        dates = {name: pd.to_datetime(new[name]).dt.date for name in ("week", "since")}
        rows = new.assign(**dates, retailer=retailer, found_at=now).astype(object)
        connection.execute(insert(SIGNALS), records(rows.replace({np.nan: None, pd.NaT: None})))
    return len(new)


def read_signals(
    connection: Connection, retailer: str, since: date | None = None, unusual: bool = False
) -> pd.DataFrame:
    """Read signals, oldest week first; labels are text, weeks dates.

    Args:
        connection: Connection to the database.
        retailer: Whose they are.
        since: First week; None for the newest one only.
        unusual: Whether calm ones are left out.
    """
    newest = select(func.max(SIGNALS.c.week)).where(SIGNALS.c.retailer == retailer).scalar_subquery()
    columns = [column for column in SIGNALS.c if column.name != "retailer"]
    query = select(*columns).where(
        SIGNALS.c.retailer == retailer,
        SIGNALS.c.week == newest if since is None else SIGNALS.c.week >= since,
    )
    if unusual:
        query = query.where(SIGNALS.c.state != "calm")
    found = connection.execute(query.order_by(SIGNALS.c.week, SIGNALS.c.detector, SIGNALS.c.key)).all()
    return pd.DataFrame(found, columns=[column.name for column in columns])


def record_decision(connection: Connection, decision: Mapping[str, object], now: datetime) -> None:
    """Keep a decision, unless the last one about the same week says the same.

    Args:
        connection: Connection in a transaction that writes.
        decision: ``retailer, week, wanted, trigger, evidence``.
        now: When it was taken.
    """
    before = last_decision(connection, str(decision["retailer"]))
    if before is None or any(before[name] != value for name, value in decision.items()):
        connection.execute(insert(DECISIONS).values({**decision, "at": now}))


def finish_decisions(connection: Connection, retailer: str, judged: date, result: str, now: datetime) -> None:
    """Tell what came of the decisions about weeks that all methods have competed on by now.

    Args:
        connection: Connection in a transaction that writes.
        retailer: Whose they are.
        judged: Last week that all methods have competed on.
        result: In words.
        now: When that was.
    """
    open_ones = (DECISIONS.c.retailer == retailer, DECISIONS.c.wanted, DECISIONS.c.done_at.is_(None))
    known = DECISIONS.c.week <= judged
    connection.execute(update(DECISIONS).where(*open_ones, known).values(done_at=now, result=result))


def read_decisions(connection: Connection, retailer: str) -> pd.DataFrame:
    """Read all decisions, oldest first."""
    query = select(DECISIONS).where(DECISIONS.c.retailer == retailer).order_by(DECISIONS.c.id)
    found = connection.execute(query).all()
    return pd.DataFrame(found, columns=[column.name for column in DECISIONS.c]).replace({np.nan: None})


def last_decision(connection: Connection, retailer: str) -> RowMapping | None:
    """Read the last decision; None before the first one."""
    query = select(DECISIONS).where(DECISIONS.c.retailer == retailer).order_by(DECISIONS.c.id.desc()).limit(1)
    return connection.execute(query).mappings().first()
