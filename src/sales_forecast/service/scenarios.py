"""Answers what-if scenarios with the champion."""

from __future__ import annotations

from collections.abc import Sequence

import pandas as pd

from sales_forecast.errors import InputError
from sales_forecast.planning.scenario import Change, Scenario
from sales_forecast.planning.what_if import Answer, what_if
from sales_forecast.service.arms import TurnoverArm
from sales_forecast.service.problems import ProblemError
from sales_forecast.service.schemas.scenarios import ScenarioRequest
from sales_forecast.storage.scenarios import SavedScenario

GROUP_KEYS = ("level", "store", "department", "region", "week")


def answer_scenario(arm: TurnoverArm, request: ScenarioRequest) -> dict[str, object]:
    """Answer a scenario with one arm.

    Args:
        arm: Arm that predicts.
        request: What is asked.

    Returns:
        The fields of ``ScenarioAnswer``, as JSON.

    Raises:
        ProblemError: The model has no such future covariate, or does not forecast such series and weeks.
    """
    scenario = Scenario(
        changes=tuple(Change(one.covariate, one.how, one.amount) for one in request.changes),
        stores=request.stores and frozenset(request.stores),
        departments=request.departments and frozenset(request.departments),
        weeks=None if request.weeks is None else frozenset(map(pd.Timestamp, request.weeks)),
    )
    data, forecast_index = arm.package.data, arm.package.forecast_index
    try:
        errors = arm.effect_errors
        answer = what_if(scenario, data, forecast_index, arm.forecaster.predict, errors)
    except InputError as error:
        raise ProblemError(409, f"{error}", "body") from error
    return {
        "model": arm.model_name,
        "model_version": arm.version,
        "cutoff": f"{arm.package.context.cutoff:%Y-%m-%d}",
        "groups": _groups(answer),
        "interval_is_rough": errors.is_rough,
        "beyond": answer.beyond,
        "notes": answer.notes,
    }


def _groups(answer: Answer) -> list[dict[str, object]]:
    groups = answer.levels.to_dict("records")
    return [{f"{name}": _json(value) for name, value in group.items()} for group in groups]


def _json(value: object) -> object:
    """A label, a week or an amount as JSON; what is missing as null."""
    if isinstance(value, pd.Timestamp):
        return f"{value:%Y-%m-%d}"
    return None if pd.isna(value) else value  # type: ignore[call-overload]  # it is one value


def compare(scenarios: Sequence[SavedScenario]) -> list[dict[str, object]]:
    """Set the groups of several scenarios side by side, those of single series left out.

    Args:
        scenarios: Scenarios with their answers.

    Returns:
        The fields of ``ComparedGroup``, as JSON, in the order of the first scenario that has the group.
    """
    found: list[dict[tuple[object, ...], dict[str, object]]] = []
    for scenario in scenarios:
        groups = scenario.answer["groups"]
        assert isinstance(groups, list)
        shared = (group for group in groups if group["level"] != "series")
        found.append({tuple(group[key] for key in GROUP_KEYS): group for group in shared})
    keys = dict.fromkeys(key for groups in found for key in groups)
    return [
        dict(zip(GROUP_KEYS, key, strict=True)) | {"scenarios": [groups.get(key) for groups in found]}
        for key in keys
    ]
