"""How right and how steady forecasts were, how honest their ranges are, and which model makes them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import date, timedelta
from math import isnan

import pandas as pd
from sqlalchemy import Connection, RowMapping, func, select

from sales_forecast.forecasting.monitoring.signals import Detector, State
from sales_forecast.reporting.monitoring import DETECTORS, is_honest, is_right, what_to_do
from sales_forecast.service.planner.frame import Page, Visit
from sales_forecast.service.planner.model_words import changes_told, read_tests
from sales_forecast.service.planner.own_stores import OwnStores, own_stores
from sales_forecast.service.planner.past import HowRight, how_right
from sales_forecast.storage import schema
from sales_forecast.storage.accuracy import accuracy, accuracy_by_department
from sales_forecast.storage.monitoring import last_decision, read_signals
from sales_forecast.storage.queries import Run
from sales_forecast.storage.scores import SERIES, SUMS, rates
from sales_forecast.storage.series import Scored, scored_stores

RECENT_WEEKS = 8

Rates = Mapping[str, float | None]
"""Columns of ``storage.scores.rates``; None where nothing can be said."""


def how_right_how_honest(visit: Visit) -> Page:
    """Collect what the page shows of all forecasts of the retailer."""
    run, directory = visit.run, visit.service.facts.directory(visit.run)
    with visit.service.engine.connect() as connection:
        last, weeks, departments = _accuracy(connection, run.retailer, directory.departments)
        signals = _signals(connection, run.retailer)
        own = own_stores(visit, directory)
        changes = changes_told(connection, run)
        content = {
            "own": own,
            "of_own": _of_own(connection, run.retailer, own, weeks),
            "tests": read_tests(connection, run),
            "last": last,
            "accuracy": weeks,
            "departments": departments,
            "model": _model(connection, run),
            "changes": changes,
            "serves": next((one for one in changes if one.version == run.model_version), None),
            "is_admin": visit.session.role == "admin",
            "stability": visit.service.facts.stability(run),
            "signals_are_live": signals["signal_week"] in {week for week, _ in weeks},
            **signals,
        }
    return Page("accuracy.html.jinja", "How right, how honest", "/planner/accuracy", content)


def _accuracy(
    connection: Connection, retailer: str, departments: Sequence[str]
) -> tuple[Rates | None, list[tuple[date, Rates]], dict[str, Rates]]:
    """Rates of all recent weeks together, of each of them, newest first, and of each department."""
    table = schema.realised_accuracy
    scored = (table.c.retailer == retailer, table.c.level == SERIES, table.c.horizon == 1)
    newest = connection.execute(select(func.max(table.c.week)).where(*scored)).scalar()
    if newest is None:
        return None, [], {}
    since = newest - timedelta(weeks=RECENT_WEEKS - 1)
    sums = accuracy(connection, retailer, SERIES, since=since, horizon=1).iloc[::-1]
    judged = accuracy_by_department(connection, retailer, since, 1)
    judged = judged[judged["count"] > 0]
    judged = judged.loc[[one for one in departments if one in judged.index]]
    (together,) = _rates(sums[SUMS].sum().to_frame().T)
    weeks = list(zip(sums["week"], _rates(sums), strict=True))
    return together, weeks, dict(zip(judged.index, _rates(judged), strict=True))


def _rates(sums: pd.DataFrame) -> list[Rates]:
    found = rates(sums).to_dict("records")
    return [{str(name): None if isnan(rate) else rate for name, rate in row.items()} for row in found]


def _of_own(
    connection: Connection, retailer: str, own: OwnStores, weeks: Sequence[tuple[date, Rates]]
) -> dict[str, HowRight]:
    """How right the forecasts of the planner's own stores were in the same recent weeks, by store."""
    if not (own.stores and weeks):
        return {}
    since = min(week for week, _ in weeks)
    by_store: dict[str, list[Scored]] = {store.store: [] for store in own.stores}
    for one in scored_stores(connection, retailer, list(by_store), since):
        by_store[one.store].append(one)
    found = {store: how_right(scored) for store, scored in by_store.items()}
    return {store: right for store, right in found.items() if right is not None}


def _signals(connection: Connection, retailer: str) -> dict[str, object]:
    """What monitoring says about the newest week: its three sentences, and what is unusual, alarms first."""
    signals = read_signals(connection, retailer)
    if signals.empty:
        return {"signal_week": None, "answers": (), "unusual": ()}
    decision = last_decision(connection, retailer)
    answers = [is_right(signals), is_honest(signals)]
    if decision is not None:
        wanted = decision["wanted"] and not decision["result"]
        answers.append(what_to_do(decision["result"] or decision["evidence"], wanted=wanted))
    unusual = signals[signals["state"] != State.CALM].sort_values(["state", "detector", "key"])
    rows = [
        {"what": DETECTORS[Detector(row["detector"])].format(row["key"])}
        | {name: row[name] for name in ("state", "evidence", "since")}
        for row in unusual.to_dict("records")
    ]
    return {"signal_week": signals["week"].iloc[0], "answers": answers, "unusual": rows}


def _model(connection: Connection, run: Run) -> RowMapping | None:
    table = schema.models
    own = (table.c.name == run.model_name) & (table.c.version == run.model_version)
    return connection.execute(select(table).where(own)).mappings().first()
