"""Saved scenarios: opened by their address, and set side by side."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import date
from uuid import UUID

from fastapi import Request
from pydantic import ValidationError

from sales_forecast.service.planner.frame import Page, Visit
from sales_forecast.service.planner.scenario_words import request_told
from sales_forecast.service.planner.words import day
from sales_forecast.service.problems import ProblemError
from sales_forecast.service.scenarios import compare
from sales_forecast.service.schemas.scenarios import ComparisonQuery, ScenarioAnswer
from sales_forecast.storage import scenarios as stored

PAGE = "/planner/what-if"

MOST_GROUPS = 100
"""Groups of a level that are shown: those that change most."""

LEVELS = {
    "region": "Regions",
    "department": "Departments",
    "week": "Weeks",
    "store": "Stores",
    "series": "Series",
}


def answer_told(answer: ScenarioAnswer) -> dict[str, object]:
    """Arrange an answer: the sum of all, then its levels, those groups first that change most."""
    (total,) = (group for group in answer.groups if group.level == "total")
    levels = []
    for level, title in LEVELS.items():
        groups = [group for group in answer.groups if group.level == level]
        if level != "week":
            groups.sort(key=lambda group: -abs(group.difference))
        if groups:
            levels.append((level, title, groups[:MOST_GROUPS], len(groups)))
    return {"total": total, "levels": levels, "told": answer}


def scenario(visit: Visit, scenario_id: UUID) -> Page:
    """Collect what the page of a saved scenario shows.

    Raises:
        ProblemError: There is none of this id.
    """
    one = _find(visit, scenario_id)
    key = visit.session.key
    content = {
        "one": one,
        "request": request_told(one.request),
        "answer": answer_told(ScenarioAnswer.model_validate(one.answer)),
        "may_delete": one.key_id == key.key_id or "admin" in key.scopes,
        "is_newest": one.publication == visit.run.id,
    }
    return Page("scenario.html.jinja", one.name, PAGE, content)


def _find(visit: Visit, scenario_id: UUID) -> stored.SavedScenario:
    with visit.service.engine.connect() as connection:
        found = stored.find(connection, f"{scenario_id}", visit.run.retailer)
    if found is None:
        raise ProblemError(404, f"there is no scenario '{scenario_id}'; perhaps it was deleted")
    return found


def compared(visit: Visit, ids: Sequence[str]) -> Page:
    """Collect what the comparison of saved scenarios shows.

    Raises:
        ProblemError: There are too few or too many, or one of them is not there.
    """
    try:
        wanted = ComparisonQuery.model_validate({"id": list(dict.fromkeys(ids))})
    except ValidationError:
        raise ProblemError(422, "tick two to ten scenarios in the list, and compare them") from None
    found = [_find(visit, one) for one in wanted.id]
    content = {
        "scenarios": [(one, request_told(one.request)) for one in found],
        "same_basis": stored.have_same_basis(found),
        "groups": [
            (_name(group), group["scenarios"])
            for group in sorted(compare(found), key=lambda group: group["level"] != "total")
        ],
    }
    return Page("compared.html.jinja", "Scenarios side by side", PAGE, content)


def _name(group: Mapping[str, object]) -> str:
    """Name a group of a comparison."""
    if group["level"] == "total":
        return "All together"
    level = f"{group['level']}"
    if level == "week":
        return f"Week from {day(date.fromisoformat(str(group[level])))}"
    return f"{level.capitalize()} {group[level]}"


def ids_of(request: Request) -> list[str]:
    """Return the scenarios that an address names."""
    return request.query_params.getlist("id")
