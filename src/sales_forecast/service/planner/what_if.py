"""What another plan would bring: scenarios asked, saved, compared and opened by their address."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date
from uuid import UUID

from fastapi import Request, Response
from pydantic import ValidationError
from starlette.concurrency import run_in_threadpool

from sales_forecast.errors import describe_fields
from sales_forecast.service.dependencies import admit
from sales_forecast.service.planner.addresses import address
from sales_forecast.service.planner.entered import read_number
from sales_forecast.service.planner.frame import LONGEST_FIELD, Page, Visit, led_to
from sales_forecast.service.planner.queries import page_number
from sales_forecast.service.planner.saved_scenarios import PAGE, answer_told
from sales_forecast.service.planner.scenario_words import request_told
from sales_forecast.service.problems import ProblemError
from sales_forecast.service.routes.scenarios import ask_what_if, delete_scenario
from sales_forecast.service.schemas.scenarios import ScenarioAnswer, ScenarioRequest, ScenarioResponse
from sales_forecast.storage import scenarios as stored

SCENARIOS_A_PAGE = 30

FIELDS = (
    *("covariate", "how", "amount", "stores", "region", "department"),
    *("week_from", "week_to", "save_as"),
)

LATER = (413, 429, 503)
"""Statuses that say nothing about what was entered."""


@dataclass(frozen=True)
class Asked:
    """What is entered into the form, and what came of it.

    Args:
        given: Name of each of ``FIELDS`` -> text.
        problem: What is wrong with it.
        status: HTTP status of the page that shows it.
        answer: The answer; None before there is one.
    """

    given: Mapping[str, str]
    problem: str = ""
    status: int = 200
    answer: ScenarioAnswer | None = None


def what_if(visit: Visit) -> Page:
    """Collect what the page shows before something is asked."""
    return _page(visit, Asked({name: visit.query.get(name, "") for name in FIELDS}))


def show_asked(_: Request, fields: Mapping[str, str]) -> Response:
    """Lead to the page with what was entered; see ``frame.act``."""
    return led_to(address(PAGE, {name: fields.get(name, "")[:LONGEST_FIELD] for name in FIELDS}))


async def ask(visit: Visit) -> Page | str:
    """Answer a scenario, or delete one that was saved, as a form asks for.

    Raises:
        ProblemError: The key may not do that, or it takes too long.
    """
    if visit.query.get("do") == "delete":
        return await _delete(visit)
    await admit(visit.request, visit.session.key, "predict")
    given = {name: visit.query.get(name, "") for name in FIELDS}
    try:
        body = _request(visit, given)
        answered = await ask_what_if(visit.request, visit.session.key, visit.service, body)
    except ProblemError as error:
        if error.status in LATER:
            raise
        return await run_in_threadpool(_page, visit, Asked(given, error.detail, error.status))
    answer = await run_in_threadpool(ScenarioResponse.model_validate_json, bytes(answered.body))
    if answer.id is not None:
        return f"{PAGE}/{answer.id}"
    return await run_in_threadpool(_page, visit, Asked(given, answer=answer))


async def _delete(visit: Visit) -> str:
    try:
        scenario = UUID(visit.query.get("scenario", ""))
    except ValueError:
        raise ProblemError(422, "this form names no scenario") from None
    await delete_scenario(visit.request, visit.session.key, visit.service, scenario)
    return PAGE


def _request(visit: Visit, given: Mapping[str, str]) -> ScenarioRequest:
    """Convert what was entered.

    Raises:
        ProblemError: It is no scenario.
    """
    try:
        amount = read_number(given["amount"])
    except ValueError as error:
        raise ProblemError(422, f"amount: {error}") from None
    content = {
        "changes": [{"covariate": given["covariate"], "how": given["how"], "amount": amount}],
        "stores": _stores(visit, given),
        "departments": [given["department"]] if given["department"] else None,
        "weeks": _weeks(visit, given),
        "save_as": given["save_as"] or None,
    }
    try:
        return ScenarioRequest.model_validate(content)
    except ValidationError as error:
        raise ProblemError(422, describe_fields(error)) from None


def _stores(visit: Visit, given: Mapping[str, str]) -> list[str] | None:
    """The stores that are named, or those of the region; None for all."""
    known, text = visit.service.facts.directory(visit.run).stores, given["stores"]
    named = [text] if text in known else [one.strip() for one in text.split(",") if one.strip()]
    if named and given["region"]:
        raise ProblemError(422, "name stores, or a region for all stores of it; not both")
    if named:
        return named
    if not given["region"]:
        return None
    of_region = [label for label, store in known.items() if store.region == given["region"]]
    if not of_region:
        raise ProblemError(404, f"no store lies in a region '{given['region']}'")
    return of_region


def _weeks(visit: Visit, given: Mapping[str, str]) -> list[str] | None:
    """Weeks from the first to the last one that is named; None for all."""
    first, last = given["week_from"], given["week_to"]
    if not first and not last:
        return None
    ahead = [week.isoformat() for week in weeks_ahead(visit)]
    chosen = [week for week in ahead if (first or ahead[0]) <= week <= (last or ahead[-1])]
    if not chosen:
        raise ProblemError(422, "the last week is before the first one; choose them again")
    return chosen


def covariates_of(visit: Visit) -> list[str]:
    """Return the future covariates of the model that serves."""
    return visit.service.turnover_champion().package.data.covariate_columns


def weeks_ahead(visit: Visit) -> list[date]:
    """Return the weeks that the model that serves forecasts."""
    weeks = visit.service.turnover_champion().package.forecast_index["week"]
    return sorted(weeks.dt.date.unique())


def _page(visit: Visit, asked: Asked) -> Page:
    directory, key = visit.service.facts.directory(visit.run), visit.session.key
    number = page_number(visit.query)
    with visit.service.engine.connect() as connection:
        offset = (number - 1) * SCENARIOS_A_PAGE
        found = stored.newest(connection, visit.run.retailer, SCENARIOS_A_PAGE + 1, offset)
    content = {
        "asked": asked,
        "covariates": covariates_of(visit),
        "weeks": weeks_ahead(visit),
        "directory": directory,
        "may_ask": "predict" in key.scopes,
        "may_save": visit.may_plan,
        "answer": asked.answer and answer_told(asked.answer),
        "saved": [(one, request_told(one.request)) for one in found[:SCENARIOS_A_PAGE]],
        "before": address(PAGE, {"page": number - 1}) if number > 1 else None,
        "after": address(PAGE, {"page": number + 1}) if len(found) > SCENARIOS_A_PAGE else None,
    }
    return Page("what_if.html.jinja", "What if", PAGE, content, status=asked.status)
