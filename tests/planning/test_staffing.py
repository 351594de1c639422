"""Hours follow from the distribution of turnover, by a rule that can be done by hand."""

from typing import Any

import numpy as np
import pandas as pd
import pytest
from pydantic import ValidationError

from sales_forecast.errors import InputError
from sales_forecast.forecasting.intervals.conformal import QUANTILES
from sales_forecast.planning.staffing import (
    RULE_COLUMNS,
    StaffingParams,
    StaffingRule,
    hours_for,
    quantile_at,
    rules_of,
)
from sales_forecast.planning.staffing_plan import PLAN_COLUMNS, plan_hours

RULE = StaffingRule(
    minimum_cover_hours=20, fixed_hours=6, productivity=100, cost_missing=3, cost_idle=1, shift_hours=4
)
HUNDREDS = {name: 1000 * probability for name, probability in QUANTILES.items()}
"""The quantiles of a turnover that is uniform between 0 and 1,000."""


def forecasts(departments: list[Any], times: float = 1.0) -> pd.DataFrame:
    """Rows of a plan without overrides."""
    rows = pd.DataFrame({"store": 7, "department": departments, "week": pd.Timestamp("2017-10-07")})
    rows = rows.assign(horizon=1, **{name: times * amount for name, amount in HUNDREDS.items()})
    return rows.assign(planned=rows["q50"], factor=1.0, override=pd.Series([None] * len(rows), dtype=object))


def overridden(rows: pd.DataFrame, factor: float, planned: float, number: int = 7) -> pd.DataFrame:
    """The same with a planner's number in the last row."""
    rows = rows.copy()
    rows.loc[rows.index[-1], ["planned", "factor", "override"]] = [planned, factor, number]
    return rows


@pytest.mark.parametrize(
    ("turnover", "shifts"),
    [(0.0, 5), (1400.0, 5), (1401.0, 6), (1800.0, 6), (1801.0, 7), (-500.0, 5)],
)
def test_hours_are_fixed_ones_and_those_of_turnover_but_not_fewer_than_the_minimum(
    turnover: float, shifts: int
) -> None:
    found = hours_for(turnover, RULE)
    assert (found.shifts, found.hours) == (shifts, 4 * shifts)
    assert found.variable == max(turnover, 0) / 100


def test_whole_shifts_are_not_rounded_up_by_the_last_digit() -> None:
    rule = RULE.model_copy(update={"fixed_hours": 0.1 + 0.2, "minimum_cover_hours": 0.0, "shift_hours": 0.1})
    assert hours_for(0.0, rule).shifts == 3


@pytest.mark.parametrize("name", ["minimum_cover_hours", "fixed_hours", "productivity", "shift_hours"])
def test_each_parameter_of_the_rule_changes_the_hours(name: str) -> None:
    changed = RULE.model_copy(update={name: 7 * getattr(RULE, name)})
    assert hours_for(1500.0, changed).hours != hours_for(1500.0, RULE).hours


@pytest.mark.parametrize("probability", [0.05, 0.1, 0.33, 0.5, 2 / 3, 0.75, 0.9499, 0.95])
def test_quantiles_between_the_stored_ones_are_interpolated(probability: float) -> None:
    assert quantile_at(HUNDREDS, probability) == pytest.approx(1000 * probability)


@pytest.mark.parametrize("probability", [0.04, 0.96])
def test_quantiles_outside_are_not_made_up(probability: float) -> None:
    with pytest.raises(ValueError, match="is not between"):
        quantile_at(HUNDREDS, probability)


def test_a_plan_is_the_hours_of_the_quantile_at_the_critical_ratio() -> None:
    rules = {"88": RULE, "bikes": RULE.model_copy(update={"cost_missing": 1.0})}
    plan = plan_hours(forecasts([88, "bikes", 88], times=4.0), rules)
    assert list(plan) == PLAN_COLUMNS
    assert plan["quantile"].tolist() == [0.75, 0.5, 0.75]
    assert plan["turnover"].tolist() == pytest.approx([3000.0, 2000.0, 3000.0])
    assert plan["variable_hours"].tolist() == pytest.approx([30.0, 20.0, 30.0])
    assert plan["hours"].tolist() == [36, 28, 36]
    assert plan["shifts"].tolist() == [9, 7, 9]


def test_a_planners_number_scales_the_whole_distribution_and_the_models_hours_stay_beside_it() -> None:
    plain = plan_hours(forecasts([88, 88], times=4.0), {"88": RULE})
    plan = plan_hours(overridden(forecasts([88, 88], times=4.0), 1.5, 3000.0), {"88": RULE})
    assert plan["turnover"].tolist() == pytest.approx([3000.0, 4500.0])
    assert plan.loc[0].equals(plain.loc[0])
    assert plan["hours"].tolist() == [36, 52]
    assert plan["planned"].tolist() == [2000.0, 3000.0]
    assert plan["override"].tolist() == [pd.NA, 7]
    assert plan["model_turnover"].equals(plain["turnover"])
    assert plan["model_hours"].equals(plain["hours"])
    assert plain["model_hours"].equals(plain["hours"])


@pytest.mark.parametrize("factor", [0.0, -0.5])
def test_where_nothing_was_forecast_hours_are_those_of_the_planners_number(factor: float) -> None:
    """Nothing, or more returns than sales: their distribution says nothing about what is planned."""
    plan = plan_hours(overridden(forecasts([88]), factor, 2400.0), {"88": RULE})
    assert plan["turnover"].tolist() == [2400.0]
    assert plan["hours"].tolist() == [32]


def test_a_week_that_a_planner_takes_to_nothing_needs_the_minimum() -> None:
    plan = plan_hours(overridden(forecasts([88], times=4.0), 0.0, 0.0), {"88": RULE})
    assert (plan["turnover"].item(), plan["hours"].item(), plan["model_hours"].item()) == (0.0, 20, 36)


def test_what_no_hours_follow_from_is_refused() -> None:
    rows = forecasts([88, 88])
    with pytest.raises(InputError, match="1 of 2 forecasts have no quantiles"):
        plan_hours(rows.assign(q50=[1.0, None]), {"88": RULE})
    with pytest.raises(InputError, match=r"1 department\(s\) have no staffing rule, e.g. 88"):
        plan_hours(rows, {"89": RULE})


def test_the_forecasts_stay_as_they_were() -> None:
    rows = forecasts([88])
    before = rows.copy()
    plan_hours(rows, {"88": RULE})
    pd.testing.assert_frame_equal(rows, before)


# --- parameters --------------------------------------------------------------------------------------


def test_a_department_says_only_what_is_its_own() -> None:
    given = {"default": {"productivity": 200}, "departments": {127: {"fixed_hours": 12}, "88": {}}}
    params = StaffingParams.model_validate(given)
    assert params.rule_of(127) == StaffingRule(productivity=200, fixed_hours=12)
    assert params.rule_of("88") == params.rule_of("any other") == StaffingRule(productivity=200)


@pytest.mark.parametrize(
    ("given", "says"),
    [
        ({"default": {"productivity": 0}}, "greater than 0"),
        ({"default": {"shift_hours": float("nan")}}, "finite"),
        ({"default": {"cost_missing": 20}}, "at most 19 times the other"),
        ({"departments": {"88": {"cost_idle": 100}}}, "at most 19 times the other"),
        ({"departments": {"88": {"hours": 3}}}, "Extra inputs"),
        ({"departments": {"88": 3}}, "valid dictionary"),
    ],
)
def test_impossible_parameters_are_refused(given: dict[str, Any], says: str) -> None:
    with pytest.raises(ValidationError, match=says):
        StaffingParams.model_validate(given)


def test_a_table_of_rules_is_read_as_it_was_written() -> None:
    table = pd.DataFrame([{"department": 88, **RULE.model_dump(), "source": "configured"}])
    assert list(table) == RULE_COLUMNS
    assert rules_of(table) == {"88": RULE}


# --- the optimum, by simulation ----------------------------------------------------------------------


@pytest.mark.parametrize(("missing", "idle"), [(1.0, 1.0), (2.0, 1.0), (3.0, 1.0), (1.0, 4.0)])
@pytest.mark.parametrize("shift_hours", [0.01, 4.0])
def test_no_other_quantile_has_a_smaller_expected_cost(
    missing: float, idle: float, shift_hours: float
) -> None:
    """With turnover drawn from the distribution that the quantiles are of."""
    rng = np.random.default_rng(1)
    rule = StaffingRule(
        minimum_cover_hours=0,
        fixed_hours=6,
        productivity=10,
        cost_missing=missing,
        cost_idle=idle,
        shift_hours=shift_hours,
    )
    sold = 1000 * np.exp(rng.normal(0, 0.5, 400_000))
    needed = hours_for(sold, rule).hours

    def cost(probability: float) -> float:
        hours = hours_for(float(np.quantile(sold, probability)), rule).hours
        return float(np.mean(missing * np.maximum(needed - hours, 0) + idle * np.maximum(hours - needed, 0)))

    others = [rule.critical_ratio + step for step in (-0.15, -0.05, 0.05, 0.15)]
    best = cost(rule.critical_ratio)
    assert all(best <= cost(other) for other in others)
    assert max(map(cost, others)) > 1.02 * best
