"""Hours, the rules behind them and what they would have cost, in words."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from math import isfinite

import pandas as pd

from sales_forecast.planning.staffing import StaffingRule
from sales_forecast.planning.timesheets import CONFIGURED
from sales_forecast.planning.value_added import FEWEST_WEEKS
from sales_forecast.storage.hours import PastCosts
from sales_forecast.storage.staffing import PublishedRule

MOSTLY = 0.9
"""Share of departments and weeks from which on the minimum cover is said to decide."""

EVEN = 0.5
"""Probability at which a missing hour costs as much as an idle one."""

NOT_ESTIMATED = "set by whoever runs the service, not learned from timesheets"

POLICIES = {
    "quantile": "the forecast and its distribution, as above",
    "median": "the forecast alone",
    "mean": "the mean of the distribution",
    "last_year": "the turnover of the same week of last year",
}
"""Way to plan hours -> what managers call it."""


def rules_told(published: Iterable[PublishedRule]) -> list[tuple[str, str, str]]:
    """Tell rules: the departments that each is for, what it says, and where it is from."""
    departments: dict[tuple[str, str], list[str]] = {}
    for each in published:
        departments.setdefault((told(each.rule), each.source), []).append(each.department)
    return [
        (", ".join(labels), says, NOT_ESTIMATED if source == CONFIGURED else source)
        for (says, source), labels in departments.items()
    ]


def told(rule: StaffingRule) -> str:
    """Tell a rule in words.

    >>> told(StaffingRule())
    'at least 24 hours; 6 fixed hours and one hour for each 150 of turnover where that is more; in whole \
shifts of 4 hours. A missing hour costs 2 times as much as an idle one, so that the hours are to be enough \
in 67 of 100 cases'
    """
    return (
        f"at least {rule.minimum_cover_hours:g} hours; {rule.fixed_hours:g} fixed hours and one hour for "
        f"each {rule.productivity:,.10g} of turnover where that is more; in whole shifts of "
        f"{rule.shift_hours:g} hours. A missing hour costs {rule.cost_missing / rule.cost_idle:.3g} times as "
        f"much as an idle one, so that the hours are to be enough in {100 * rule.critical_ratio:.0f} of 100 "
        "cases"
    )


def cover_told(rows: pd.DataFrame) -> str:
    """Say that the minimum cover decides nearly all hours; empty where it does not.

    Args:
        rows: As ``storage.hours.read_hours`` returns them.

    >>> hours = {"fixed_hours": 6.0, "variable_hours": [3.0, 9.0], "minimum_cover_hours": 24.0}
    >>> cover_told(pd.DataFrame(hours)).partition(":")[0]
    'the minimum cover decides the hours in 2 of 2 departments and weeks'
    """
    is_cover = rows["fixed_hours"] + rows["variable_hours"] <= rows["minimum_cover_hours"]
    if is_cover.mean() < MOSTLY:
        return ""
    return (
        f"the minimum cover decides the hours in {is_cover.sum():,} of {len(rows):,} departments and weeks: "
        "a little more or less turnover does not change them"
    )


def planned_for_told(ratios: pd.Series[float]) -> str:
    """Say why hours are planned for another turnover than the planned one.

    Args:
        ratios: Critical ratio of each row.

    >>> planned_for_told(pd.Series([2 / 3, 2 / 3])).partition(":")[0]
    "'For a turnover of' is higher than 'Planned turnover' on purpose"
    """
    if ratios.nunique() > 1:
        return (
            "'For a turnover of' is what the hours are to be enough for: more than 'Planned turnover' where "
            "a missing hour costs more than an idle one; how much more, the rules below say"
        )
    ratio = float(ratios.iloc[0])
    if ratio == EVEN:
        return (
            "'For a turnover of' is the middle of what may come: a missing hour costs as much as an idle one"
        )
    return (
        f"'For a turnover of' is {'higher' if ratio > EVEN else 'lower'} than 'Planned turnover' on purpose: "
        f"a missing hour costs {ratio / (1 - ratio):.3g} times as much as an idle one, so that the hours are "
        f"to be enough in {100 * ratio:.0f} of 100 such weeks"
    )


def made_of(values: Mapping[str, object]) -> str:
    """Tell what the hours of a row of ``read_hours`` are made of, before they are rounded to shifts.

    >>> made_of({"minimum_cover_hours": 24.0, "fixed_hours": 6.0, "variable_hours": 10.0})
    'minimum cover of 24 (turnover asks for 16.0)'
    """
    names = ("minimum_cover_hours", "fixed_hours", "variable_hours")
    cover, fixed, variable = (float(f"{values[name]}") for name in names)
    if fixed + variable <= cover:
        return f"minimum cover of {cover:g} (turnover asks for {fixed + variable:.1f})"
    return f"{fixed:g} fixed and {variable:.1f} for turnover"


def costs_told(past: PastCosts) -> dict[str, object] | None:
    """Tell what the hours of past weeks would have cost; None where nothing can be compared."""
    if not past.costs:
        return None
    difference = past.costs["last_year"].difference
    is_told = len(past.weeks) >= FEWEST_WEEKS and isfinite(difference.standard_error)
    return {
        "weeks": past.weeks,
        "rows": [(POLICIES[name], cost) for name, cost in past.costs.items()],
        "difference": difference.wape,
        "interval": (difference.low, difference.high) if is_told else None,
    }
