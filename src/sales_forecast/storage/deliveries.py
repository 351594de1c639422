"""Decisions about deliveries, and what is known before the next one comes."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import datetime
from typing import Any

import pandas as pd
from sqlalchemy import Connection, Row, RowMapping, func, insert, select

from sales_forecast.deliveries.delivery import BY_RULE, Delivery, State
from sales_forecast.deliveries.known import KnownHistory
from sales_forecast.errors import InputError
from sales_forecast.forecasting.panel.matrix import ROW_KEYS
from sales_forecast.storage import schema
from sales_forecast.storage.queries import newest_before, newest_run
from sales_forecast.storage.turnover import COLUMNS

TABLE = schema.deliveries


def record_delivery(connection: Connection, delivery: Delivery, at: datetime) -> None:
    """Record what the checks have decided, unless the last decision about these files says the same.

    Args:
        connection: Connection in a transaction that writes.
        delivery: The delivery with its findings.
        at: When it was checked.
    """
    findings = [finding.model_dump() for finding in delivery.findings]
    last = last_decision(connection, delivery.id)
    if last is not None and (last["state"], last["findings"]) == (delivery.state, findings):
        return
    if delivery.state == "accepted" and accepted_last(connection, delivery.retailer) == delivery.id:
        return
    _decide(connection, delivery, delivery.state, at, BY_RULE, "")


def accept_delivery(connection: Connection, number: str, at: datetime, who: str, why: str) -> Delivery:
    """Let a delivery be used although the checks hold it.

    Args:
        connection: Connection in a transaction that writes.
        number: Id of the delivery.
        at: When.
        who: Account.
        why: In words.

    Raises:
        InputError: There is no such delivery; it was refused, because it cannot be read; or it is the one
            that is used already.
    """
    last = last_decision(connection, number)
    if last is None:
        raise InputError(f"there is no delivery {number}: sales-forecast deliveries list shows all")
    if last["state"] == "refused":
        raise InputError(
            f"delivery {number} was refused: it cannot be read. Mend its files and deliver them again"
        )
    delivery = _delivery(last)
    if accepted_last(connection, delivery.retailer) == number:
        raise InputError(f"delivery {number} is accepted already")
    _decide(connection, delivery, "accepted", at, who, why)
    return delivery


def _decide(
    connection: Connection, delivery: Delivery, state: State, at: datetime, who: str, why: str
) -> None:
    content = delivery.model_dump(mode="json")
    row = {name: content[name] for name in ("id", "retailer", "folder", "files", "findings")}
    row |= {"state": state, "last_week": delivery.last_week, "at": at, "who": who, "why": why}
    connection.execute(insert(TABLE).values(row))


def last_decision(connection: Connection, number: str) -> RowMapping | None:
    """Read the decision about a delivery that holds now; None if it was never seen."""
    query = select(TABLE).where(TABLE.c.id == number).order_by(TABLE.c.at.desc()).limit(1)
    return connection.execute(query).mappings().first()


def find_delivery(connection: Connection, number: str) -> Delivery:
    """Read a delivery with the decision that holds now.

    Raises:
        InputError: There is none of that id.
    """
    last = last_decision(connection, number)
    if last is None:
        raise InputError(f"there is no delivery {number}: sales-forecast deliveries list shows all")
    return _delivery(last)


def _delivery(row: RowMapping) -> Delivery:
    return Delivery(**{name: row[name] for name in Delivery.model_fields})


def decisions(connection: Connection, limit: int) -> Sequence[RowMapping]:
    """Read the newest decisions about deliveries, newest first."""
    return connection.execute(select(TABLE).order_by(TABLE.c.at.desc()).limit(limit)).mappings().all()


def newest_decision(connection: Connection, retailer: str) -> RowMapping | None:
    """Read the newest decision about any delivery of a retailer; None before the first one."""
    query = select(TABLE).where(TABLE.c.retailer == retailer).order_by(TABLE.c.at.desc()).limit(1)
    return connection.execute(query).mappings().first()


def accepted_last(connection: Connection, retailer: str) -> str | None:
    """Return the id of the delivery of a retailer that was accepted last; None before the first one."""
    accepted = (TABLE.c.retailer == retailer) & (TABLE.c.state == "accepted")
    query = select(TABLE.c.id).where(accepted).order_by(TABLE.c.at.desc()).limit(1)
    return connection.execute(query).scalar()


def known_history(
    connection: Connection,
    values: Callable[[list[pd.Timestamp]], pd.DataFrame],
    past_forecasts: Callable[[list[pd.Timestamp]], pd.DataFrame],
    retailer: str,
) -> KnownHistory:
    """Read what is known of a retailer.

    Args:
        connection: Connection to the database.
        values: Reads the values of single weeks, when they are compared; see ``known_values``.
        past_forecasts: Reads what was published for single weeks, when they are restated; see below.
        retailer: Whose history is wanted.
    """
    weeks = schema.turnover_digests
    known = select(weeks.c.week, weeks.c.digest).where(weeks.c.retailer == retailer)
    digests = {pd.Timestamp(row.week): row.digest for row in connection.execute(known)}
    sold = schema.weekly_turnover
    counted = select(func.count()).select_from(sold).where(sold.c.retailer == retailer)
    return KnownHistory(
        digests=digests,
        values=values,
        values_known=connection.execute(counted).scalar_one(),
        forecasts=_serving_forecasts(connection, retailer),
        past_forecasts=past_forecasts,
        levels=_levels(connection, retailer),
        accepted=accepted_last(connection, retailer),
    )


def known_values(connection: Connection, retailer: str, weeks: list[pd.Timestamp]) -> pd.DataFrame:
    """Read ``store, department, week, turnover`` of a retailer in some weeks, as they are known now."""
    table = schema.weekly_turnover
    wanted = [week.date() for week in weeks]
    query = select(*(table.c[name] for name in COLUMNS)).where(
        table.c.retailer == retailer, table.c.week.in_(wanted)
    )
    return _with_timestamps(pd.DataFrame(connection.execute(query).all(), columns=COLUMNS))


def past_forecasts(connection: Connection, retailer: str, weeks: list[pd.Timestamp]) -> pd.DataFrame:
    """Read ``store, department, week, forecast`` of some weeks, as published last before each was known."""
    table, names = schema.forecasts, [*ROW_KEYS, "forecast"]
    found: list[Row[Any]] = []
    for week in weeks:
        if run := newest_before(connection, week.date(), retailer):
            of_week = (table.c.run == run.id, table.c.week == week.date())
            query = select(*(table.c[name] for name in names)).where(*of_week)
            found += connection.execute(query).all()
    return _with_timestamps(pd.DataFrame(found, columns=names))


def _serving_forecasts(connection: Connection, retailer: str) -> pd.DataFrame:
    run = newest_run(connection, "turnover", retailer=retailer)
    names = [*ROW_KEYS, "forecast"]
    if run is None:
        return KnownHistory().forecasts
    table = schema.forecasts
    rows = connection.execute(select(*(table.c[name] for name in names)).where(table.c.run == run.id)).all()
    return _with_timestamps(pd.DataFrame(rows, columns=names))


def _levels(connection: Connection, retailer: str) -> pd.DataFrame:
    table = schema.realised_accuracy
    names = ["department", "week", "median_log_ratio"]
    query = select(*(table.c[name] for name in names)).where(
        *(table.c.retailer == retailer, table.c.level == "series", table.c.horizon == 1),
        table.c.median_log_ratio.is_not(None),
    )
    return _with_timestamps(pd.DataFrame(connection.execute(query).all(), columns=names))


def _with_timestamps(rows: pd.DataFrame) -> pd.DataFrame:
    return rows.assign(week=pd.to_datetime(rows["week"]))
