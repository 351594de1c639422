"""What a scenario asks for, in words."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import date

from sales_forecast.service.planner.words import day
from sales_forecast.service.schemas.scenarios import CovariateChange, ScenarioRequest

MOST_NAMED = 5
"""So many stores, departments or weeks are named; the others are counted."""


def request_told(content: Mapping[str, object]) -> str:
    """Tell what a scenario changes, where and when.

    >>> change = {"covariate": "promotion", "how": "set", "amount": 1.0}
    >>> request_told({"changes": [change], "stores": ["3", "4"]})
    'promotion set to 1, in stores 3, 4, all departments, all weeks ahead'
    """
    request = ScenarioRequest.model_validate(content)
    changes = " and ".join(map(_change_told, request.changes))
    parts = [_named("store", request.stores), _named("department", request.departments)]
    return f"{changes}, in {', '.join(parts)}, {_weeks_told(request.weeks)}"


def _change_told(change: CovariateChange) -> str:
    amount = {
        "set": f"set to {change.amount:g}",
        "add": f"{change.amount:+g}",
        "percent": f"{change.amount:+g} %",
    }
    return f"{change.covariate} {amount[change.how]}"


def _named(what: str, labels: list[str] | None) -> str:
    if labels is None:
        return f"all {what}s"
    more = len(labels) - MOST_NAMED
    named = ", ".join(labels[:MOST_NAMED]) + (f" and {more} more" if more > 0 else "")
    return f"{what}{'s' if len(labels) > 1 else ''} {named}"


def _weeks_told(weeks: list[date] | None) -> str:
    if weeks is None:
        return "all weeks ahead"
    if len(weeks) == 1:
        return f"in the week from {day(weeks[0])}"
    return f"in {len(weeks)} weeks from {day(min(weeks))} to {day(max(weeks))}"
