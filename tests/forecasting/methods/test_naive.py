"""Naive methods, on cases small enough for mental arithmetic."""

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from contexts import NO_CALENDAR, NO_COVARIATES
from sales_forecast.forecasting.features.context import ForecastContext
from sales_forecast.forecasting.methods.base import forecast_all
from sales_forecast.forecasting.methods.naive import GrowthNaive, SeasonalNaive, department_growth
from sales_forecast.forecasting.panel.level_shifts import LevelShiftParams
from sales_forecast.forecasting.panel.model_input import ModelInput

SHIFTS = LevelShiftParams(
    min_log_ratio=0.35, noise_multiple=2.5, hold_weeks=4, base_weeks=13, min_stores=2, min_season_share=0.2
)
FIRST = pd.Timestamp("2014-01-04")


def _context(*stores: list | np.ndarray, level_shifts: LevelShiftParams = SHIFTS) -> ForecastContext:
    """Stores of one department, each with its turnover from the first week on; NaN: no row."""
    longest = max(len(turnover) for turnover in stores)
    rows = [
        (number, "bikes", FIRST + pd.Timedelta(weeks=week), value)
        for number, turnover in enumerate(stores)
        for week, value in enumerate(turnover)
        if not np.isnan(value)
    ]
    panel = pd.DataFrame(rows, columns=["store", "department", "week", "turnover"])
    attributes = pd.DataFrame({"store": range(len(stores))})
    cutoff = FIRST + pd.Timedelta(weeks=longest - 1)
    return ForecastContext.latest(
        ModelInput(panel, attributes, NO_CALENDAR, NO_COVARIATES), level_shifts
    ).as_of(cutoff)


def _index(
    context: ForecastContext, *horizons: int, store: int = 0, department: str = "bikes"
) -> pd.DataFrame:
    weeks = [context.cutoff + pd.Timedelta(weeks=n) for n in horizons]
    return pd.DataFrame({"store": store, "department": department, "week": weeks})


def test_the_same_week_of_last_year_is_repeated():
    context = _context(np.arange(1.0, 121))
    assert SeasonalNaive().forecast(context, _index(context, 1, 2, 52), {}).tolist() == [69, 70, 120]


def test_beyond_a_year_the_latest_known_year_is_repeated():
    context = _context(np.arange(1.0, 121))
    assert SeasonalNaive().forecast(context, _index(context, 53, 104, 105), {}).tolist() == [69, 120, 69]


def test_a_young_store_repeats_its_latest_week():
    context = _context([5.0, 6.0, 7.0])
    assert SeasonalNaive().forecast(context, _index(context, 1, 8), {}).tolist() == [7, 7]


def test_a_gap_last_year_is_bridged_by_the_latest_known_week():
    year = np.arange(1.0, 61)
    year[9] = year[59] = np.nan  # the week a year before the second one ahead, and the latest
    context = _context(year, np.ones(60))
    assert SeasonalNaive().forecast(context, _index(context, 1, 2), {}).tolist() == [9, 59]


def test_a_store_without_history_has_no_forecast():
    context = _context(np.ones(60))
    assert np.isnan(SeasonalNaive().forecast(context, _index(context, 1, store=7), {})).all()


def test_level_adjusted_last_year_is_repeated_once_a_shift_is_seen():
    rng = np.random.default_rng(0)
    stores = 1000 * np.exp(rng.normal(0, 0.02, (3, 130)))
    stores[:, 110:] *= 2
    context = _context(*stores)
    assert len(context.shifts) == 1
    index = _index(context, 1, 2, 3)
    assert SeasonalNaive().forecast(context, index, {}) == pytest.approx(1000, rel=0.1)
    assert GrowthNaive(growth_weeks=8).forecast(context, index, {}) == pytest.approx(2000, rel=0.1)
    unaware = replace(context, level_shifts=SHIFTS.model_copy(update={"enabled": False}))
    assert GrowthNaive(growth_weeks=52).forecast(unaware, index, {}) == pytest.approx(1380, rel=0.1)


def test_growth_is_this_years_turnover_over_last_years_in_the_same_weeks():
    context = _context([100.0] * 96 + [110.0] * 4, [300.0] * 100)
    assert department_growth(context.raw, 4).to_dict() == {"bikes": pytest.approx(1640 / 1600)}
    assert department_growth(context.raw, 8).to_dict() == {"bikes": pytest.approx(3240 / 3200)}


def test_growth_compares_each_week_with_the_one_52_weeks_before():
    context = _context(np.arange(1.0, 101))
    expected = (97 + 98 + 99 + 100) / (45 + 46 + 47 + 48)
    assert department_growth(context.raw, 4)["bikes"] == pytest.approx(expected)


def test_damping_adds_average_weeks_without_growth_to_both_sides():
    context = _context([100.0] * 96 + [200.0] * 4)
    mean = (48 * 100 + 4 * 200) / 52  # a week of the last year
    for damping in (0, 1, 13):
        expected = (4 * 200 + damping * mean) / (4 * 100 + damping * mean)
        assert department_growth(context.raw, 4, damping)["bikes"] == pytest.approx(expected)
    (undamped,), (damped,) = (
        GrowthNaive(growth_weeks=4, damping_weeks=n).forecast(context, _index(context, 1), {}) for n in (0, 1)
    )
    assert undamped == pytest.approx(200)
    assert damped == pytest.approx(100 * (800 + mean) / (400 + mean))


def test_a_few_sales_off_season_are_no_trend_once_damped():
    year = np.r_[np.full(44, 100.0), np.full(8, 1.0)]
    context = _context(np.r_[year, year[:44], np.full(8, 10.0)])
    assert department_growth(context.raw, 8)["bikes"] == pytest.approx(10)
    assert department_growth(context.raw, 8, damping_weeks=1)["bikes"] < 2


def test_a_new_store_adds_no_damping():
    new = [np.nan] * 60 + [500.0] * 40
    with_it, without = (
        _context(*stores) for stores in ([[100.0] * 96 + [200.0] * 4, new], [[100.0] * 96 + [200.0] * 4])
    )
    ours, theirs = (department_growth(context.raw, 4, 1)["bikes"] for context in (with_it, without))
    assert ours == theirs


def test_a_new_store_is_no_growth_of_the_others():
    new = [np.nan] * 60 + [500.0] * 40
    context = _context([100.0] * 100, new)
    assert department_growth(context.raw, 8).to_dict() == {"bikes": 1}


@pytest.mark.parametrize("turnover", [[100.0] * 59, [0.0] * 100, [0.0] * 60 + [100.0] * 40, [-5.0] * 100])
def test_without_a_comparable_year_nothing_grows_and_nothing_shrinks(turnover):
    context = _context(turnover)
    assert department_growth(context.raw, 8).to_dict() == {"bikes": 1}


def test_the_number_of_growth_weeks_moves_the_forecast():
    context = _context(np.r_[np.full(90, 100.0), np.linspace(100, 140, 10)])
    index = _index(context, 1)
    (short,), (long,) = (GrowthNaive(growth_weeks=n).forecast(context, index, {}) for n in (4, 13))
    assert short > long > 100


@settings(max_examples=15, deadline=None)
@given(
    st.lists(st.floats(1, 1e6), min_size=61, max_size=130),
    st.sampled_from([SeasonalNaive(), GrowthNaive(growth_weeks=8)]),
)
def test_ten_times_the_turnover_is_ten_times_the_forecast(turnover, method):
    quiet = SHIFTS.model_copy(update={"enabled": False})
    once = _context(turnover, level_shifts=quiet)
    tenfold = _context([10 * value for value in turnover], level_shifts=quiet)
    index = _index(once, 1, 8, 30)
    ours, theirs = (forecast_all(method, m, index, {})["forecast"] for m in (once, tenfold))
    np.testing.assert_allclose(theirs, 10 * ours, rtol=1e-9)
