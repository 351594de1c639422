"""The exceptions of this week, and what planners do about them."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from typing import Any
from urllib.parse import urlencode

import pandas as pd
from pydantic import ValidationError

from sales_forecast.errors import describe_fields
from sales_forecast.forecasting.exceptions import ExceptionParams, find_exceptions
from sales_forecast.forecasting.panel.matrix import SERIES_KEYS
from sales_forecast.service.planner.addresses import overrides_address, series_address
from sales_forecast.service.planner.frame import Visit
from sales_forecast.service.planner.words import ratio_of
from sales_forecast.service.problems import ProblemError
from sales_forecast.service.routes.exceptions import answer_exception
from sales_forecast.service.schemas.exceptions import ExceptionAnswerRequest
from sales_forecast.storage.directory import Directory
from sales_forecast.storage.exception_answers import answered_exceptions
from sales_forecast.storage.series import Scored, changes_of_stores, forecasts_of_stores, scored_stores

MOST_EXCEPTIONS = 200

OWN = ExceptionParams(most=5)
"""How the departments of a planner's own stores are ranked: as those of all stores are by default."""

FAR_FROM_LAST_YEAR = 0.25
"""Change against last year that is told in words."""

NOT_UNUSUAL = "large"
"""Kind of an exception that is listed for its size alone."""


@dataclass(frozen=True)
class Answered:
    """What a planner did about an exception.

    Args:
        action: ``accept``, ``correct`` or ``assign``.
        override: Number of the override that corrects it.
        assigned_to: Who is to look at it.
        note: In the planner's words.
        by: Who has answered.
        at: When.
    """

    action: str
    override: int | None
    assigned_to: str | None
    note: str
    by: str
    at: datetime


@dataclass(frozen=True)
class Outlook:
    """What is forecast for a series in the weeks that are at stake.

    Args:
        weeks: Number of weeks.
        first: First day of the first week.
        last: Last day of the last week.
        forecast: Sum of the forecasts, in currency units.
        last_year: What was sold in the same weeks of last year; None where one of them is not known.
    """

    weeks: int
    first: date
    last: date
    forecast: float
    last_year: float | None

    @property
    def beside_last_year(self) -> str:
        """How it compares with last year, in a word, if it is far from it."""
        change = ratio_of(self.forecast, self.last_year)
        if change is None or abs(change) < FAR_FROM_LAST_YEAR:
            return ""
        return "far below" if change < 0 else "far above"


@dataclass(frozen=True)
class Exceptional:
    """A series that deserves a planner's eye.

    Args:
        place: Its rank in the publication, 1 for the most urgent; None where it is listed among the planner's
            own ones only, so that there is nothing to answer.
        store: Label of the store.
        department: Label of the department.
        region: Where the store lies; None where it is not known.
        reason: Why it is listed.
        money_at_risk: What is at stake, in currency units.
        outlook: What is forecast for the weeks that are at stake.
        is_own: Whether the store is the planner's.
        is_chosen: Whether the address of the page names it, as after an answer.
        answer: What a planner did about it; None where nobody has, or the override that did is withdrawn.
        address: Page of the series.
        correct: Page that corrects it.
    """

    place: int | None
    store: str
    department: str
    region: str | None
    reason: str
    money_at_risk: float
    outlook: Outlook | None
    is_own: bool
    is_chosen: bool
    answer: Answered | None
    address: str
    correct: str


def listed_exceptions(visit: Visit, directory: Directory, own: Sequence[str]) -> list[Exceptional]:
    """Read the exceptions of the newest publication, then the first ones of the planner's own stores.

    Args:
        visit: Who asks.
        directory: All stores.
        own: Labels of the planner's own stores; empty where every store is the planner's.

    Returns:
        Those of the publication, the most urgent first, then own ones that are not among them, likewise.
    """
    with visit.service.engine.connect() as connection:
        rows = answered_exceptions(connection, visit.run).head(MOST_EXCEPTIONS).to_dict("records")
        stores = sorted({f"{row['store']}" for row in rows} | set(own))
        ahead = forecasts_of_stores(connection, visit.run, stores)
        mine = ahead[ahead["store"].isin(own)]
        if len(mine):
            since = mine["week"].min() - OWN.recent_weeks * timedelta(weeks=1)
            scored = scored_stores(connection, visit.run.retailer, own, since)
            changes = changes_of_stores(connection, visit.run, own)
            found = find_exceptions(mine, _as_table(scored), changes, OWN).to_dict("records")
            listed = {(row["store"], row["department"]) for row in rows}
            fewer = OWN.most - sum(f"{row['store']}" in own for row in rows)
            new = [row for row in found if (row["store"], row["department"]) not in listed]
            rows += [row | {"place": None, "answer": None} for row in new[: max(0, fewer)]]
    by_series = dict(iter(ahead.groupby(SERIES_KEYS)))
    return [_exceptional(row, visit, directory, by_series) for row in rows]


def _as_table(scored: Iterable[Scored]) -> pd.DataFrame:
    names = list(Scored.__dataclass_fields__)
    rows = pd.DataFrame([vars(one) for one in scored], columns=names)
    return rows.astype(dict.fromkeys(("turnover", "forecast", "lo_80", "hi_80"), float))


def _exceptional(
    row: Mapping[Any, Any],
    visit: Visit,
    directory: Directory,
    ahead: Mapping[Any, pd.DataFrame],
) -> Exceptional:
    label, department = f"{row['store']}", f"{row['department']}"
    store = directory.stores.get(label)
    region = store.region if store else None
    asked = (visit.query.get("store"), visit.query.get("department"))
    return Exceptional(
        place=row["place"],
        money_at_risk=row["money_at_risk"],
        store=label,
        department=department,
        region=region,
        reason=reason_told(row, "in your stores" if row["place"] is None else "of all stores"),
        outlook=outlook_of(ahead.get((label, department)), row["money_at_risk"]),
        is_own=visit.session.key.territory.has(label, region),
        is_chosen=asked == (label, department),
        answer=_answered(row) if row["answer"] is not None else None,
        address=series_address(label, department),
        correct=overrides_address(
            store=label, department=department, exception="" if row["place"] is None else "yes"
        ),
    )


def reason_told(row: Mapping[Any, Any], where: str) -> str:
    """Tell why a series is listed.

    Args:
        row: Its kind and reason, see ``find_exceptions``.
        where: Among which stores it is one of the largest, if nothing is unusual.
    """
    if row["kind"] == NOT_UNUSUAL:
        return f"among the largest sums {where}"
    return f"{row['reason']}"


def outlook_of(ahead: pd.DataFrame | None, money_at_risk: float) -> Outlook | None:
    """Find the weeks whose 80 % ranges are together as wide as what is at stake, and sum them up.

    Args:
        ahead: ``week, forecast, lo_80, hi_80, last_year`` of the series, oldest week first; None for nothing.
        money_at_risk: Sum of the widths of the first weeks.
    """
    if ahead is None:
        return None
    widths = (ahead["hi_80"] - ahead["lo_80"]).cumsum()
    count = int((widths < money_at_risk * (1 - ROUNDING)).sum()) + 1
    rows = ahead.head(count)
    last_year = float(rows["last_year"].sum()) if rows["last_year"].notna().all() else None
    first, last = rows["week"].iloc[0], rows["week"].iloc[-1]
    return Outlook(len(rows), first, last + timedelta(days=6), float(rows["forecast"].sum()), last_year)


ROUNDING = 1e-9
"""Sums of the same numbers differ by less, as a share of them."""


def _answered(row: Mapping[Any, Any]) -> Answered:
    names = {"action": "answer", "by": "answered_by", "at": "answered_at"}
    names |= {name: name for name in ("override", "assigned_to", "note")}
    return Answered(**{name: row[column] for name, column in names.items()})


async def answer(visit: Visit) -> str:
    """Store what a planner does about an exception; returns the address of the page that says so.

    Raises:
        ProblemError: The answer does not fit, or the store is not the planner's.
    """
    names = ("store", "department", "action", "assigned_to", "note")
    given = {name: visit.query[name] for name in names if name in visit.query}
    try:
        body = ExceptionAnswerRequest.model_validate(given)
    except ValidationError as error:
        raise ProblemError(422, describe_fields(error)) from None
    await answer_exception(visit.request, visit.session.key, visit.service, body)
    return f"/planner?{urlencode({'store': body.store, 'department': body.department})}"
