"""Rules are estimated where timesheets say enough, and stay as configured where they do not."""

import logging

import numpy as np
import pandas as pd
import pytest

from sales_forecast.planning.staffing import RULE_COLUMNS, StaffingParams, StaffingRule
from sales_forecast.planning.timesheets import CONFIGURED, FEWEST_WEEKS, estimate, estimate_rules

WEEKS = pd.date_range("2016-01-02", periods=104, freq="7D")


def worked(
    rng: np.random.Generator,
    *,
    weeks: int = 104,
    stores: int = 12,
    fixed: float = 15.0,
    productivity: float = 120.0,
    minimum: float = 0.0,
    noise: float = 3.0,
    common: float = 0.0,
) -> pd.DataFrame:
    """Hours that follow the rule, but for noise of each row and noise that stores and weeks have in common."""
    index = pd.MultiIndex.from_product([range(stores), WEEKS[:weeks]], names=["store", "week"])
    rows = index.to_frame(index=False).assign(department=88)
    turnover = rng.lognormal(8.0, 0.7, len(rows))
    of_stores, of_weeks = rng.normal(0, common, stores), rng.normal(0, common, weeks)
    shared = np.repeat(of_stores, weeks) + np.tile(of_weeks, stores)
    hours = np.maximum(minimum, fixed + turnover / productivity + shared) + rng.normal(0, noise, len(rows))
    return rows.assign(turnover=turnover, hours=hours)


def test_fixed_hours_and_productivity_are_found_although_some_hours_are_wrong() -> None:
    rows = worked(np.random.default_rng(1))
    wrong = np.random.default_rng(2).random(len(rows)) < 0.05
    rows["hours"] = rows["hours"].where(~wrong, 10 * rows["hours"])
    found, _ = estimate(rows, 0.0)
    assert found is not None
    assert found.fixed_hours == pytest.approx(15, abs=1)
    assert found.productivity == pytest.approx(120, rel=0.02)
    assert (found.weeks, found.stores) == (104, 12)
    clean, _ = estimate(worked(np.random.default_rng(1)), 0.0)
    assert clean is not None
    assert clean.r_squared > 0.9


def test_weeks_of_the_minimum_cover_do_not_make_people_look_more_productive() -> None:
    rows = worked(np.random.default_rng(3), minimum=40.0)
    assert (rows["turnover"] / 120 + 15 < 40).mean() > 0.3
    found, _ = estimate(rows, 40.0)
    assert found is not None
    assert found.productivity == pytest.approx(120, rel=0.05)
    assert found.fixed_hours == pytest.approx(15, abs=2.5)
    blind, _ = estimate(rows, 0.0)
    assert blind is not None
    assert abs(blind.fixed_hours - 15) > 4


def test_the_interval_of_the_productivity_covers_the_truth() -> None:
    """Errors that whole weeks and stores have in common are no reason to be surer."""
    rng, times = np.random.default_rng(4), 200
    inside = 0
    for _ in range(times):
        found, _ = estimate(worked(rng, weeks=40, stores=25, common=6.0), 0.0)
        assert found is not None
        inside += found.low < 120 < found.high
    assert 0.91 <= inside / times <= 0.995


def test_exact_hours_have_an_exact_rule() -> None:
    found, _ = estimate(worked(np.random.default_rng(5), noise=0.0), 0.0)
    assert found is not None
    assert (found.fixed_hours, found.productivity) == (
        pytest.approx(15, rel=1e-3),
        pytest.approx(120, rel=1e-3),
    )


def test_fixed_hours_are_not_below_zero() -> None:
    rows = worked(np.random.default_rng(6), fixed=-10.0)
    found, _ = estimate(rows[rows["hours"] > 0], 0.0)
    assert found is not None
    assert found.fixed_hours == 0
    assert found.low < found.productivity < found.high


@pytest.mark.parametrize(
    ("changed", "says"),
    [
        ({"weeks": FEWEST_WEEKS - 1}, f"{FEWEST_WEEKS - 1} weeks of timesheets .* are too few"),
        ({"productivity": 1e9}, "do not rise with turnover beyond chance"),
        ({"productivity": -500.0, "fixed": 200.0}, "do not rise with turnover beyond chance"),
    ],
)
def test_timesheets_that_say_too_little_leave_the_configured_rule(
    changed: dict[str, float], says: str, caplog: pytest.LogCaptureFixture
) -> None:
    rows = worked(np.random.default_rng(7), **changed)  # type: ignore[arg-type]
    params = StaffingParams(default=StaffingRule(minimum_cover_hours=0, productivity=99))
    with caplog.at_level(logging.INFO):
        table = estimate_rules(rows.drop(columns="turnover"), rows, params)
    (rule,) = table.to_dict("records")
    assert (rule["productivity"], rule["fixed_hours"]) == (99, params.default.fixed_hours)
    assert pd.Series([rule["source"]]).str.fullmatch(f"{CONFIGURED}: .*{says}.*").all()
    assert rule["source"] in caplog.text


def test_turnover_that_never_moves_says_nothing() -> None:
    rows = worked(np.random.default_rng(8)).assign(turnover=100.0)
    assert estimate(rows, 0.0)[0] is None


def test_closed_weeks_do_not_count() -> None:
    rows = worked(np.random.default_rng(9))
    closed = rows.assign(hours=0.0, turnover=0.0, week=rows["week"] + pd.Timedelta(weeks=104))
    assert estimate(pd.concat([rows, closed]), 0.0) == estimate(rows, 0.0)


def test_every_department_has_a_rule_and_says_where_it_is_from() -> None:
    rows = worked(np.random.default_rng(10))
    panel = pd.concat([rows, rows.assign(department=127)])
    params = StaffingParams.model_validate(
        {"default": {"minimum_cover_hours": 0}, "departments": {"127": {"shift_hours": 8}}}
    )
    table = estimate_rules(rows.drop(columns="turnover"), panel, params).set_index("department")
    assert [*table.reset_index()] == RULE_COLUMNS
    assert table.loc[88, "source"].startswith("timesheets: 104 weeks of 12 store(s), productivity 11")
    assert table.loc[88, "shift_hours"] == StaffingRule().shift_hours
    assert table.loc[127, "source"].startswith("configured: 0 weeks of timesheets")
    assert table.loc[127, "shift_hours"] == 8
    none = rows.head(0).drop(columns="turnover")
    assert set(estimate_rules(none, panel, params)["source"]) == {CONFIGURED}
