"""Overrides as browsers send them: tried, stored or withdrawn by the same functions as those of the API."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import date
from uuid import uuid4

from fastapi import Request, Response
from pydantic import BaseModel, Field, ValidationError
from sqlalchemy.exc import DBAPIError
from sqlalchemy.exc import TimeoutError as PoolTimeout
from starlette.concurrency import run_in_threadpool

from sales_forecast.errors import describe_fields
from sales_forecast.planning.overrides import Correction
from sales_forecast.planning.proposals import RefusedOverrideError, check_value
from sales_forecast.service.planner.addresses import overrides_address
from sales_forecast.service.planner.entered import read_number
from sales_forecast.service.planner.frame import LONGEST_FIELD, Visit, led_to
from sales_forecast.service.planner.notes import keep_note, kept_note
from sales_forecast.service.planner.words import day
from sales_forecast.service.problems import ProblemError
from sales_forecast.service.routes.exceptions import answer_exception
from sales_forecast.service.routes.overrides import make_override, withdraw_own_override
from sales_forecast.service.schemas.exceptions import ExceptionAnswerRequest
from sales_forecast.service.schemas.overrides import OverrideAnswer, OverrideRequest, Words
from sales_forecast.storage.overrides import LARGEST_ID, find_request

FIELDS = {
    "store": "Store",
    "department": "Department",
    "region": "Region",
    "week_from": "First week",
    "week_to": "Last week",
    "kind": "Unit",
    "value": "How much",
    "reason": "Reason",
    "note": "In your words",
    "expires": "Expires",
}
"""Field of the form -> what the form calls it."""

ONCE = re.compile("[0-9a-f]{32}")

ISO_DAY = re.compile(r"\b\d{4}-\d\d-\d\d\b")

LATER = (413, 429, 503)
"""Statuses that say nothing about what was entered."""


@dataclass(frozen=True)
class Draft:
    """An override that is not stored yet.

    Args:
        given: What is entered into each of ``FIELDS``; empty for nothing.
        exception: Whether it answers an exception of this week; ``yes`` or empty.
        problem: What is wrong with it.
        status: HTTP status of the page that shows it.
        preview: What it would change.
        correction: What it asks for; None without a preview.
        once: Name of the request that stores it, so that a second click stores nothing more.
        stored: Number of the override that was stored from it; None if none was.
    """

    given: Mapping[str, str]
    exception: str = ""
    problem: str = ""
    status: int = 200
    preview: OverrideAnswer | None = None
    correction: Correction | None = None
    once: str = field(default_factory=lambda: uuid4().hex)
    stored: int | None = None

    @property
    def changes(self) -> tuple[float, float]:
        """Forecast and planned turnover of all weeks that it would change, in currency units."""
        weeks = self.preview.weeks if self.preview else ()
        return sum(week.forecast for week in weeks), sum(week.planned for week in weeks)


def draft_of(query: Mapping[str, str]) -> Draft:
    """Read a draft from the fields of a form, or of an address, where ``week`` stands for both weeks."""
    week = query.get("week", "")
    default = {"kind": "percent", "week_from": week, "week_to": week}
    given = {name: query.get(name, default.get(name, "")) for name in FIELDS}
    return Draft(given, exception=query.get("exception", ""))


def show_draft(request: Request, fields: Mapping[str, str]) -> Response:
    """Lead to the page that says what an override would change, which the way back finds again.

    Args:
        request: Request with the form.
        fields: Its fields; the note does not become a part of the address.
    """
    if fields.get("do") == "withdraw":
        return led_to(overrides_address(override=fields.get("number", "")))
    once = fields.get("once", "")
    once = once if ONCE.fullmatch(once) else uuid4().hex
    names = (*FIELDS, "exception", "publication")
    shown = {name: fields.get(name, "")[:LONGEST_FIELD] for name in names if name != "note"}
    response = led_to(overrides_address(**shown, once=once, preview="yes"))
    keep_note(request, response, once, fields.get("note", ""))
    return response


async def try_draft(visit: Visit) -> Draft:
    """Find what the override of an address would change, and store nothing."""
    once = visit.query.get("once", "")
    draft = draft_of({**visit.query, "note": kept_note(visit.request.cookies, once)})
    if ONCE.fullmatch(once):
        if (made := await run_in_threadpool(_stored_from, visit, once)) is not None:
            return replace(draft, stored=made)
        draft = replace(draft, once=once)
    try:
        asked = _request(draft.given)
        preview = await make_override(
            visit.request, visit.session.key, visit.service, visit.run, asked, dry_run=True
        )
    except ProblemError as error:
        return _with_problem(draft, error)
    is_newest = visit.query.get("publication", f"{visit.run.id}") == f"{visit.run.id}"
    problem = "" if is_newest else "other forecasts are published now; look at what it changes, and store it"
    return replace(draft, preview=preview, correction=asked.correction, problem=problem)


def _stored_from(visit: Visit, once: str) -> int | None:
    with visit.service.engine.connect() as connection:
        found = find_request(connection, visit.session.key.key_id, once)
    return found[0].id if found else None


async def store_draft(visit: Visit) -> Draft | str | Response:
    """Store an override; returns the page that says so, or the draft with what is wrong.

    Args:
        visit: Visit with the form; ``publication`` is the one whose changes the planner has seen.
    """
    draft = draft_of(visit.query)
    if visit.query.get("publication") != f"{visit.run.id}":
        return show_draft(visit.request, visit.query)
    try:
        answer = await make_override(
            *(visit.request, visit.session.key, visit.service, visit.run, _request(draft.given)),
            _once(visit, draft),
        )
    except ProblemError as error:
        return _with_problem(draft, error)
    assert answer.override is not None
    number = answer.override.id
    if draft.exception and not await _answer_exception(visit, number):
        return overrides_address(override=number, unanswered="yes", exception="yes")
    return overrides_address(override=number, exception=draft.exception)


def _once(visit: Visit, draft: Draft) -> str:
    """The name of the request, as the page has made it.

    Raises:
        ProblemError: It is none of ours.
    """
    once = visit.query.get("once", draft.once)
    if not ONCE.fullmatch(once):
        raise ProblemError(422, "this form was not made by this page; look at what it changes once more")
    return once


def _with_problem(draft: Draft, error: ProblemError) -> Draft:
    """Add what is wrong, with the words of the form."""
    if error.status in LATER:
        raise error
    label = FIELDS.get((error.field or "").removeprefix("body."))
    detail = ISO_DAY.sub(lambda found: _day_told(found[0]), error.detail)
    return replace(draft, problem=f"{label}: {detail}" if label else detail, status=error.status)


def _day_told(text: str) -> str:
    try:
        return day(date.fromisoformat(text))
    except ValueError:  # of what was entered, such as a store
        return text


def _request(given: Mapping[str, str]) -> OverrideRequest:
    """Convert what was entered.

    Raises:
        ProblemError: It is no override.
    """
    content: dict[str, object] = {name: value for name, value in given.items() if value}
    try:
        content["value"] = value = read_number(given["value"])
    except ValueError as error:
        raise ProblemError(422, f"{error}", "body.value") from None
    if "reason" not in content:
        raise ProblemError(422, "choose a reason: what planners' numbers are worth is told by reason")
    if given["reason"] == "other" and not given["note"]:
        detail = f"anything else needs a note: say why under '{FIELDS['note']}'"
        raise ProblemError(422, detail, "body.reason")
    try:
        check_value("number" if given["kind"] == "number" else "percent", value)
        return OverrideRequest.model_validate(content)
    except RefusedOverrideError as error:
        raise ProblemError(422, f"{error}", "body.value") from None
    except ValidationError as error:
        raise ProblemError(422, _fields_told(error)) from None


def _fields_told(error: ValidationError) -> str:
    """Say which fields are wrong, by the words of the form."""
    told = []
    for one in error.errors():
        field = f"{one['loc'][0]}"
        told.append(f"{FIELDS.get(field, field)}: {one['msg'].removeprefix('Value error, ')}")
    return "; ".join(told)


async def _answer_exception(visit: Visit, number: int) -> bool:
    """Say of an exception of this week that it is corrected; return whether none of that series is open."""
    fields: dict[str, object] = {name: visit.query.get(name) for name in ("store", "department")}
    state = visit.request.state
    own = state.request_id
    state.request_id = f"{uuid4()}"  # the audit log has one record of an id
    try:
        body = ExceptionAnswerRequest.model_validate(fields | {"action": "correct", "override": number})
        await answer_exception(visit.request, visit.session.key, visit.service, body)
    except ProblemError as error:
        return error.status == 404  # there may be none of that series any more
    except (DBAPIError, PoolTimeout, ValidationError):
        return False  # the override is stored all the same
    finally:
        state.request_id = own
    return True


class Withdrawal(BaseModel):
    """The form that withdraws an override."""

    number: int = Field(ge=1, le=LARGEST_ID)
    why: Words


async def withdraw(visit: Visit) -> str:
    """Withdraw an override; returns the page that says so.

    Raises:
        ProblemError: It does not say why, or the override cannot be withdrawn.
    """
    fields = {name: visit.query.get(name, "") for name in Withdrawal.model_fields}
    try:
        asked = Withdrawal.model_validate(fields)
    except ValidationError as error:
        raise ProblemError(422, describe_fields(error)) from None
    await withdraw_own_override(
        visit.request, visit.session.key, visit.service, number=asked.number, why=asked.why
    )
    return overrides_address(override=asked.number)
