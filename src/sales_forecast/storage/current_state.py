"""What monitoring asks of the database: the newest signals, publications, accuracy, decision and delivery."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta

from sqlalchemy import Connection, RowMapping, case, func, select

from sales_forecast.forecasting.monitoring.signals import Detector, State
from sales_forecast.storage import schema
from sales_forecast.storage.accuracy import accuracy
from sales_forecast.storage.monitoring import last_decision
from sales_forecast.storage.queries import Run, newest_run
from sales_forecast.storage.scores import SERIES, SUMS, rates

ACCURACY_WEEKS = 8
"""Weeks over which the realised accuracy is added up."""

MOST_SIGNALS = 500
"""Signals that are read at most; what is unusual comes first, so that a large chain loses calm ones only."""

DOMAINS = ("turnover", "marketing")


@dataclass(frozen=True)
class CurrentState:
    """The state of a retailer's forecasts.

    Args:
        week: Newest week with signals; None before there are any.
        signals: ``detector, key, value, threshold, state`` of that week, except those about single stores.
        stores: Number of stores with an unusual signal in that week, by state.
        publications: The newest forecasts of each domain that has any.
        accuracy: ``scores.rates`` of forecasts of single series one week ahead, over the last
            ``ACCURACY_WEEKS``, and the number of ``weeks`` with scores; empty without any.
        retraining_since: Since when all methods should compete again; None if they need not.
        delivery: ``state`` and ``at`` of the last decision about a delivery; None before there is one.
        accepted_at: When a delivery was accepted last.
    """

    week: date | None
    signals: Sequence[RowMapping]
    stores: Mapping[str, int]
    publications: Mapping[str, Run]
    accuracy: Mapping[str, float]
    retraining_since: datetime | None
    delivery: RowMapping | None
    accepted_at: datetime | None


def read_current_state(connection: Connection, retailer: str) -> CurrentState:
    """Read the state in a few small queries.

    Args:
        connection: Connection to the database.
        retailer: Whose forecasts are watched.
    """
    signals, deliveries = schema.monitor_signals, schema.deliveries
    newest_week = select(func.max(signals.c.week)).where(signals.c.retailer == retailer)
    week = connection.execute(newest_week).scalar()
    published = {domain: newest_run(connection, domain, retailer=retailer) for domain in DOMAINS}
    decided = select(deliveries.c.state, deliveries.c.at).where(deliveries.c.retailer == retailer)
    newest_first = decided.order_by(deliveries.c.at.desc()).limit(1)
    accepted = select(func.max(deliveries.c.at)).where(
        deliveries.c.retailer == retailer, deliveries.c.state == "accepted"
    )
    return CurrentState(
        week=week,
        signals=_signals(connection, retailer, week) if week else (),
        stores=_unusual_stores(connection, retailer, week) if week else {},
        publications={domain: run for domain, run in published.items() if run is not None},
        accuracy=_accuracy(connection, retailer),
        retraining_since=_retraining_since(connection, retailer),
        delivery=connection.execute(newest_first).mappings().first(),
        accepted_at=connection.execute(accepted).scalar(),
    )


def _signals(connection: Connection, retailer: str, week: date) -> Sequence[RowMapping]:
    table = schema.monitor_signals
    columns = [table.c[name] for name in ("detector", "key", "value", "threshold", "state")]
    query = select(*columns).where(
        table.c.retailer == retailer, table.c.week == week, table.c.detector != Detector.STORE
    )
    calm_last = case((table.c.state == State.CALM, 1), else_=0)
    query = query.order_by(calm_last, table.c.detector, table.c.key).limit(MOST_SIGNALS)
    return connection.execute(query).mappings().all()


def _unusual_stores(connection: Connection, retailer: str, week: date) -> Mapping[str, int]:
    table = schema.monitor_signals
    query = select(table.c.state, func.count()).where(
        table.c.retailer == retailer, table.c.week == week, table.c.detector == Detector.STORE
    )
    return dict(connection.execute(query.group_by(table.c.state)).all())


def _accuracy(connection: Connection, retailer: str) -> Mapping[str, float]:
    table = schema.realised_accuracy
    scored = (table.c.retailer == retailer, table.c.level == SERIES, table.c.horizon == 1)
    last = connection.execute(select(func.max(table.c.week)).where(*scored)).scalar()
    if last is None:
        return {}
    since = last - timedelta(weeks=ACCURACY_WEEKS - 1)
    sums = accuracy(connection, retailer, SERIES, since=since, horizon=1)
    found = rates(sums[SUMS].sum().to_frame().T).iloc[0].dropna()
    return {str(name): float(rate) for name, rate in found.items()} | {"weeks": float(len(sums))}


def _retraining_since(connection: Connection, retailer: str) -> datetime | None:
    """When it was first wanted since all methods have competed, if it is still wanted."""
    last = last_decision(connection, retailer)
    if last is None or not last["wanted"] or last["done_at"] is not None:
        return None
    table = schema.retraining_decisions
    undone = (table.c.retailer == retailer, table.c.wanted, table.c.done_at.is_(None))
    return connection.execute(select(func.min(table.c.at)).where(*undone)).scalar()
