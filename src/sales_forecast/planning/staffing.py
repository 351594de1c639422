"""Staffing: hours of a store, department and week, from the distribution of its turnover.

A missing hour costs ``cost_missing``, an idle one ``cost_idle``. The hours with the smallest expected cost
are the quantile of the needed hours at the critical ratio ``cost_missing / (cost_missing + cost_idle)``.
Hours never fall as turnover rises, also in whole shifts, so that these are the hours of that quantile of
turnover.

Source:
    Arrow, Harris and Marschak (1951), Optimal Inventory Policy, Econometrica 19(3), 250-272.
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import pandas as pd
from pydantic import BaseModel, Field, model_validator

from sales_forecast.forecasting.intervals.conformal import QUANTILES
from sales_forecast.planning.scaling import Amount

PROBABILITIES = list(QUANTILES.values())

LOWEST, HIGHEST = PROBABILITIES[0], PROBABILITIES[-1]
"""Probabilities between which quantiles are known."""

TINY = 1e-9
"""Share of a shift by which rounding errors may exceed whole shifts."""


class StaffingRule(BaseModel, frozen=True, extra="forbid"):
    """How many hours a department of a store needs in a week, and what wrong hours cost."""

    minimum_cover_hours: float = Field(default=24.0, ge=0, allow_inf_nan=False)
    """Hours that somebody must be there, whatever is sold."""

    fixed_hours: float = Field(default=6.0, ge=0, allow_inf_nan=False)
    """Hours of work that does not depend on turnover, such as deliveries."""

    productivity: float = Field(default=150.0, gt=0, allow_inf_nan=False)
    """Turnover that takes one more hour, in currency units."""

    cost_missing: float = Field(default=2.0, gt=0, allow_inf_nan=False)
    """Cost of an hour that is needed and not planned, in any unit."""

    cost_idle: float = Field(default=1.0, gt=0, allow_inf_nan=False)
    """Cost of an hour that is planned and not needed, in the same unit."""

    shift_hours: float = Field(default=4.0, gt=0, allow_inf_nan=False)
    """Hours of a shift; hours are rounded up to whole shifts."""

    @model_validator(mode="after")
    def _ratio_within_the_quantiles(self) -> StaffingRule:
        if not LOWEST <= self.critical_ratio <= HIGHEST:
            raise ValueError(
                f"cost_missing {self.cost_missing:g} and cost_idle {self.cost_idle:g} ask for the quantile "
                f"{self.critical_ratio:.3f}; forecasts have those from {LOWEST} to {HIGHEST}: one cost may "
                "be at most 19 times the other"
            )
        return self

    @property
    def critical_ratio(self) -> float:
        """Probability with which the planned hours are to be enough."""
        return self.cost_missing / (self.cost_missing + self.cost_idle)


class StaffingParams(BaseModel, frozen=True, extra="forbid"):
    """The rule of all departments, and of those with one of their own."""

    default: StaffingRule = StaffingRule()
    departments: dict[str, StaffingRule] = {}
    """Department -> its rule; what it does not say is as in ``default``."""

    @model_validator(mode="before")
    @classmethod
    def _complete_departments(cls, given: object) -> object:
        if not isinstance(given, dict) or not isinstance(given.get("departments"), dict):
            return given
        default = given.get("default", {})
        common = dict(default) if isinstance(default, dict | StaffingRule) else {}
        departments = {
            str(label): common | own if isinstance(own, dict) else own
            for label, own in given["departments"].items()
        }
        return {**given, "departments": departments}

    def rule_of(self, department: object) -> StaffingRule:
        """Return the rule of a department."""
        return self.departments.get(str(department), self.default)


RULE_COLUMNS = ["department", *StaffingRule.model_fields, "source"]
"""Columns of a table of rules; ``source`` says in words where a rule comes from."""


def rules_of(table: pd.DataFrame) -> dict[str, StaffingRule]:
    """Read a table of rules: department, as text -> its rule.

    Args:
        table: ``RULE_COLUMNS``.
    """
    fields = list(StaffingRule.model_fields)
    rows = zip(table["department"].astype(str), table[fields].to_dict("records"), strict=True)
    return {department: StaffingRule.model_validate(row) for department, row in rows}


@dataclass(frozen=True)
class Hours:
    """Hours of one row, or of as many as the arrays have.

    Args:
        turnover: Turnover that is planned for, currency units per week.
        variable: Hours that grow with turnover.
        shifts: Number of whole shifts.
        hours: Hours in whole shifts.
    """

    turnover: Amount
    variable: Amount
    shifts: Amount
    hours: Amount


def hours_for(turnover: Amount, rule: StaffingRule) -> Hours:
    """Compute the hours that a week with this turnover needs.

    ``max(minimum_cover_hours, fixed_hours + turnover / productivity)``, rounded up to whole shifts. Turnover
    below zero, of more returns than sales, counts as none.

    Args:
        turnover: Currency units per week.
        rule: The department's rule.
    """
    variable = np.maximum(turnover, 0.0) / rule.productivity
    needed = np.maximum(rule.minimum_cover_hours, rule.fixed_hours + variable)
    shifts = np.ceil(needed / rule.shift_hours - TINY)
    return Hours(turnover, variable, shifts, shifts * rule.shift_hours)


def quantile_at(quantiles: Mapping[str, Amount], probability: float) -> Amount:
    """Interpolate between the stored quantiles.

    Args:
        quantiles: The columns of ``QUANTILES``.
        probability: Between the lowest and the highest of them.

    Raises:
        ValueError: The probability lies outside.
    """
    if not LOWEST - TINY <= probability <= HIGHEST + TINY:
        raise ValueError(f"the quantile {probability} is not between {LOWEST} and {HIGHEST}")
    names = list(QUANTILES)
    above = min(bisect_left(PROBABILITIES, probability - TINY), len(names) - 1)
    if above == 0 or abs(PROBABILITIES[above] - probability) <= TINY:
        return quantiles[names[above]]
    low, high = PROBABILITIES[above - 1 : above + 1]
    weight = (probability - low) / (high - low)
    return (1 - weight) * quantiles[names[above - 1]] + weight * quantiles[names[above]]


def planned_hours(quantiles: Mapping[str, Amount], rule: StaffingRule) -> Hours:
    """Compute the hours with the smallest expected cost.

    Args:
        quantiles: The columns of ``QUANTILES``, currency units per week.
        rule: The department's rule.
    """
    return hours_for(quantile_at(quantiles, rule.critical_ratio), rule)
