"""Planners' numbers: a new one with what it would change, those that count, and what past ones were worth."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from typing import Any

import pandas as pd
from fastapi import Response
from sqlalchemy import Connection
from starlette.concurrency import run_in_threadpool

from sales_forecast.planning.overrides import REASONS, Correction, Override
from sales_forecast.service.planner.addresses import (
    address,
    overrides_address,
    series_address,
    staffing_address,
)
from sales_forecast.service.planner.drafts import (
    Draft,
    draft_of,
    show_draft,
    store_draft,
    try_draft,
    withdraw,
)
from sales_forecast.service.planner.entered import entered
from sales_forecast.service.planner.frame import Page, Visit
from sales_forecast.service.planner.override_effects import (
    HoursEffect,
    hours_of_draft,
    hours_of_override,
    others_for_the_same,
)
from sales_forecast.service.planner.queries import page_number
from sales_forecast.service.planner.words import day
from sales_forecast.service.problems import ProblemError
from sales_forecast.storage import overrides as stored
from sales_forecast.storage.plan import regions_of

OVERRIDES_A_PAGE = 50

MOST_OPTIONS = 500
"""Stores that the form suggests while somebody types."""

REASONS_TOLD = {**REASONS, "other": "another reason"}

DIRECTIONS = {"up": "raised the forecast", "down": "lowered it"}


@dataclass(frozen=True)
class Shown:
    """An override as the page tells it.

    Args:
        number: Its number.
        scope: What it is for.
        weeks: For which weeks.
        value: By how much, or how much.
        reason: Why, in words.
        note: In the planner's words.
        made_by: Who has made it; "you" for the planner's own.
        made_at: When.
        expires: Forecasts that begin on this day or later are not changed.
        ended: Why it counts no longer, though nobody has withdrawn it; empty as long as it counts.
        withdrawn: Why and by whom it was withdrawn; None if it was not.
        change: By how much the plan is above the forecasts because of it, in currency units; None where newer
            ones are about all of it.
        may_withdraw: Whether the planner may withdraw it.
        again: Page that makes the same override again.
        staffing: Page of the hours that follow it.
        plan: The plan that follows it, as a workbook.
        back: Page of the first week that it is for.
    """

    number: int
    scope: str
    weeks: str
    value: str
    reason: str
    note: str
    made_by: str
    made_at: datetime
    expires: date
    ended: str
    withdrawn: str | None
    change: float | None
    may_withdraw: bool
    again: str
    staffing: str
    plan: str
    back: str


def overrides(visit: Visit) -> Page:
    """Collect what the page shows."""
    return _page(visit, draft_of({**_again(visit), **visit.query}))


async def preview(visit: Visit) -> Page:
    """Collect what the page shows with what an override would change; nothing is stored."""
    return await run_in_threadpool(_page, visit, await try_draft(visit))


async def change(visit: Visit) -> Page | str | Response:
    """Lead to what an override would change, store it, or withdraw one, as a form of the page asks for.

    Raises:
        ProblemError: It cannot be withdrawn, or the form asks for none of these.
    """
    match visit.query.get("do"):
        case "try":
            return show_draft(visit.request, visit.query)
        case "store":
            found = await store_draft(visit)
        case "withdraw":
            return await withdraw(visit)
        case _:
            raise ProblemError(422, "this form asks for nothing that this page can do")
    return await run_in_threadpool(_page, visit, found) if isinstance(found, Draft) else found


def _page(visit: Visit, draft: Draft) -> Page:
    facts, published = visit.service.facts, visit.service.published.of(visit.run)
    directory = facts.directory(visit.run)
    with visit.service.engine.connect() as connection:
        active = stored.active_overrides(connection, visit.run.retailer, published.first_week)
        regions = regions_of(connection, visit.run.retailer)
        named = _named(visit, connection, "override")
    own = visit.session.key.key_id
    active = sorted(active, key=lambda one: (one.key_id != own, -one.id))
    pages = max(1, -(-len(active) // OVERRIDES_A_PAGE))
    number = min(page_number(visit.query), pages)
    first = (number - 1) * OVERRIDES_A_PAGE
    changes = _changes(visit)

    def show(one: Override) -> Shown:
        return _shown(one, visit, regions, published.first_week, changes)

    content = {
        "draft": draft,
        "may_plan": visit.may_plan,
        "directory": directory,
        "suggested": directory.stores if len(directory.stores) <= MOST_OPTIONS else (),
        "weeks": sorted(published.forecasts["week"].unique()),
        "reasons": REASONS,
        "named": show(named) if named is not None else None,
        "hours": _hours(visit, draft, named if named in active else None),
        **_same_weeks(visit, named, active),
        "unanswered": "unanswered" in visit.query,
        "listed": [show(one) for one in active[first : first + OVERRIDES_A_PAGE]],
        "total": len(active),
        "before": overrides_address(page=number - 1) if number > 1 else None,
        "after": overrides_address(page=number + 1) if number < pages else None,
        "value": _worth(facts.value(visit.run)),
        "is_limited": visit.session.key.territory.is_limited,
    }
    return Page("overrides.html.jinja", "Overrides", "/planner/overrides", content, status=draft.status)


def _hours(visit: Visit, draft: Draft, named: Override | None) -> HoursEffect | None:
    """Hours before and after the draft that the page previews, or the override that it confirms."""
    if draft.correction is not None:
        return hours_of_draft(visit, draft.correction)
    return hours_of_override(visit, named) if named is not None else None


def _same_weeks(
    visit: Visit, named: Override | None, active: Sequence[Override]
) -> dict[str, Sequence[tuple[int, str]]]:
    """Number and value of those overrides that the named one outvotes, and of newer ones that outvote it."""
    if named not in active or named is None:
        return {"outvoted": (), "newer": ()}
    others = others_for_the_same(visit, named, active)

    def told(found: Iterable[Override]) -> Sequence[tuple[int, str]]:
        return [(one.id, value_told(one.correction)) for one in sorted(found, key=lambda one: one.id)]

    return {
        "outvoted": told(one for one in others if one.id < named.id),
        "newer": told(one for one in others if one.id > named.id),
    }


def _named(visit: Visit, connection: Connection, field: str) -> Override | None:
    """The override that a field of the address names, as after it was stored or withdrawn."""
    text = visit.query.get(field, "")
    if not (text.isascii() and text.isdigit() and len(text) < 10):
        return None
    try:
        return stored.find(connection, visit.run.retailer, int(text))
    except stored.UnknownOverrideError as error:
        raise ProblemError(404, f"{error}") from None


def _changes(visit: Visit) -> Mapping[int, float]:
    """Number of an override -> by how much the plan is above the forecasts because of it."""
    plan = visit.service.published.plan(visit.run)
    rows = plan[plan["override"].notna()]
    sums = (rows["planned"] - rows["forecast"]).groupby(rows["override"]).sum()
    return dict(zip(sums.index, sums, strict=True))


def _shown(
    one: Override,
    visit: Visit,
    regions: Mapping[str, str | None],
    first_week: date,
    changes: Mapping[int, float],
) -> Shown:
    asked, key = one.correction, visit.session.key
    is_own = all(key.territory.has(store, regions.get(store)) for store in one.stores)
    return Shown(
        number=one.id,
        scope=f"{asked.scope}",
        weeks=weeks_told(asked),
        value=value_told(asked),
        reason=REASONS_TOLD.get(asked.reason, asked.reason),
        note=asked.note,
        made_by="you" if one.key_id == key.key_id else one.name,
        made_at=one.made_at,
        expires=asked.expires_on,
        ended=_ended(asked, first_week),
        withdrawn=f"{one.withdrawn_by}: {one.withdrawn_why}" if one.withdrawn_at else None,
        change=changes.get(one.id),
        may_withdraw=visit.may_plan and is_own and one.withdrawn_at is None,
        again=overrides_address(again=one.id) + "#new",
        staffing=staffing_address(**_place(asked)),
        plan=address("/planner/plan.xlsx", _place(asked)),
        back=_back(asked),
    )


def _place(asked: Correction) -> dict[str, str]:
    """Store and department that a correction is for, as far as it names them."""
    scope = asked.scope
    return {"store": scope.store or "", "department": scope.department or ""}


def _back(asked: Correction) -> str:
    """The page of what was corrected: of the department of a store, or of the sums of its first week."""
    if asked.scope.store is None or asked.scope.department is None:
        return address("/planner", {"week": asked.week_from.isoformat()}) + "#sums"
    return series_address(asked.scope.store, asked.scope.department, asked.week_from) + "#week"


def _ended(asked: Correction, first_week: date) -> str:
    if first_week > asked.week_to:
        return "its weeks have come"
    return f"it expired on {day(asked.expires_on)}" if first_week >= asked.expires_on else ""


def _again(visit: Visit) -> Mapping[str, str]:
    """Fields of the form for the same override as one that was made before, if the address names one."""
    if "again" not in visit.query:
        return {}
    with visit.service.engine.connect() as connection:
        one = _named(visit, connection, "again")
    if one is None:
        return {}
    asked = one.correction
    names = ("week_from", "week_to", "kind", "reason", "note")
    given = vars(asked.scope) | {name: getattr(asked, name) for name in names}
    return {name: f"{value or ''}" for name, value in given.items()} | {"value": entered(asked.value)}


def weeks_told(asked: Correction) -> str:
    """Tell the weeks of a correction."""
    if asked.week_from == asked.week_to:
        return f"the week from {day(asked.week_from)}"
    return f"the weeks from {day(asked.week_from)} to {day(asked.week_to)}"


def value_told(asked: Correction) -> str:
    """Tell the value of a correction."""
    return f"{asked.value:+g} %" if asked.kind == "percent" else f"{asked.value:,.0f} a week"


def _worth(value: pd.DataFrame) -> Sequence[dict[str, object]]:
    """What overrides were worth: one row for all, each reason and each direction; None where unknown."""
    return [
        {f"{name}": None if pd.isna(found) else found for name, found in row.items()} | {"name": _group(row)}
        for row in value.to_dict("records")
    ]


def _group(row: Mapping[Any, Any]) -> str:
    names = {"reason": REASONS_TOLD, "direction": DIRECTIONS}.get(f"{row['by']}", {})
    return names.get(f"{row['group']}", "all together")
