"""Intervals: half-widths follow from the errors of past forecasts, and hold as many weeks as they say."""

import json

import numpy as np
import pandas as pd
import pytest
from pandas.testing import assert_frame_equal
from pydantic import ValidationError

from contexts import Hundred, missed_by, small_context
from sales_forecast.forecasting.evaluation.past_forecasts import learn_half_widths
from sales_forecast.forecasting.features.context import ForecastContext, actuals_after
from sales_forecast.forecasting.intervals.conformal import (
    INTERVAL_COLUMNS,
    MIN_SERIES_ERRORS,
    IntervalParams,
    add_intervals,
    mean_weeks,
)
from sales_forecast.forecasting.methods.base import Method, forecast_all
from sales_forecast.forecasting.methods.naive import SeasonalNaive

INTERVALS = IntervalParams(weeks_back=(8,), scale_share=0.1)
ENDS = ["lo_95", "lo_80", "forecast", "hi_80", "hi_95"]


def _wanted(context: ForecastContext, weeks: int = 8) -> pd.DataFrame:
    series = context.data.panel[["store", "department"]].drop_duplicates()
    ahead = pd.DataFrame({"week": context.cutoff + pd.to_timedelta(7 * np.arange(1, weeks + 1), unit="D")})
    return series.merge(ahead, how="cross")


def _with_intervals(
    method: Method,
    context: ForecastContext,
    forecast_index: pd.DataFrame,
    intervals: IntervalParams = INTERVALS,
) -> pd.DataFrame:
    half_widths = json.loads(json.dumps(learn_half_widths(method, context, intervals, horizon_weeks=8)))
    forecasts = forecast_all(method, context, forecast_index, method.fit(context))
    return add_intervals(forecasts, mean_weeks(forecasts, context), half_widths, intervals)


# --- half-widths on hand-sized errors ------------------------------------------------------------


@pytest.mark.parametrize(
    ("stores", "eighty", "ninety_five"),
    [
        (9, 8, 9),  # of 10 with the one to come; 95 % of them are more than there are: the largest
        (10, 9, 10),
        (19, 16, 19),
        (39, 32, 38),
        (40, 33, 39),
    ],
)
def test_a_half_width_is_the_error_of_the_rank_that_holds_for_one_more_week(stores, eighty, ninety_five):
    errors = np.random.default_rng(0).permutation(np.arange(1.0, stores + 1))
    context = small_context(missed_by(*errors))
    one_week_back = IntervalParams(weeks_back=(1,), scale_share=0.1)
    half_widths = learn_half_widths(Hundred(), context, one_week_back, horizon_weeks=1)
    assert (
        half_widths
        == {  # the nonconformity scale is the forecast of 100 and a tenth of a mean week of 100
            "80": {"": pytest.approx(eighty / 110)},
            "95": {"": pytest.approx(ninety_five / 110)},
        }
    )


def test_an_interval_is_a_half_width_on_either_side_in_units_of_forecast_and_mean_week():
    context = small_context(np.array([[100.0] * 60, [1000.0] * 60]))
    forecasts = forecast_all(Hundred(), context, _wanted(context, 1), {})
    with_intervals = add_intervals(
        *(forecasts, mean_weeks(forecasts, context)),
        *({"80": {"": 0.5}, "95": {"": 0.9, "bikes": 0.2}}, INTERVALS),
    )
    assert with_intervals["hi_80"].to_list() == pytest.approx([100 + 0.5 * 110, 100 + 0.5 * 200])
    assert with_intervals["lo_80"].to_list() == pytest.approx([100 - 0.5 * 110, 0])
    assert with_intervals["lo_95"].to_list() == pytest.approx([100 - 0.2 * 110, 100 - 0.2 * 200])
    assert_frame_equal(with_intervals.drop(columns=INTERVAL_COLUMNS), forecasts)


def test_errors_too_high_and_too_low_count_alike():
    one_week_back = IntervalParams(weeks_back=(1,), scale_share=0.1)
    over, under = (small_context(missed_by(*sign * np.arange(1.0, 20))) for sign in (1, -1))
    ours, theirs = (learn_half_widths(Hundred(), context, one_week_back, 1) for context in (over, under))
    assert ours == theirs


def test_a_small_department_takes_the_errors_of_all():
    stores = MIN_SERIES_ERRORS // 8 + 1  # eight weeks each
    turnover = np.r_[np.full((stores, 60), 150.0), np.full((2, 60), 100.0)]
    context = small_context(turnover, ["bikes"] * stores + ["boats"] * 2)
    half_widths = learn_half_widths(Hundred(), context, INTERVALS, horizon_weeks=8)
    assert set(half_widths["80"]) == {"", "bikes"}
    with_intervals = _with_intervals(Hundred(), context, _wanted(context, 1))
    assert (with_intervals["hi_80"] > 120).all()
    fewer = small_context(turnover[1:], ["bikes"] * (stores - 1) + ["boats"] * 2)
    assert set(learn_half_widths(Hundred(), fewer, INTERVALS, horizon_weeks=8)["80"]) == {""}


def test_a_store_that_opened_lately_has_the_interval_of_its_departments_mean_size():
    turnover = np.array([[200.0] * 60, [400.0] * 60, [np.nan] * 58 + [300.0] * 2, [50.0] * 60])
    context = small_context(turnover, ["bikes", "bikes", "bikes", "boats"])
    half_width = _with_intervals(Hundred(), context, _wanted(context, 1)).eval("hi_80 - forecast").to_numpy()
    unit = half_width[0] / (100 + 20)
    assert half_width == pytest.approx(unit * np.array([120, 140, 130, 105]))


# --- what always holds ----------------------------------------------------------------------


def test_the_wider_interval_contains_the_narrower_one_and_that_the_forecast(
    methods, context, forecast_index, name
):
    with_intervals = _with_intervals(methods.root[name], context, forecast_index)
    ends = with_intervals[ENDS].to_numpy()
    assert np.isfinite(ends).all()
    assert (np.diff(ends, axis=1) >= 0).all()
    assert (ends >= 0).all()
    assert (with_intervals["hi_95"] > with_intervals["lo_95"]).mean() > 0.9


def test_a_chain_that_sold_nothing_has_intervals_of_zero(context_of, panel, forecast_index):
    closed = context_of(panel.assign(turnover=0.0))
    with_intervals = _with_intervals(SeasonalNaive(), closed, forecast_index)
    assert with_intervals[ENDS].eq(0).all(axis=None)


@pytest.mark.parametrize("weeks", [10, 12, 13, 30])
def test_a_chain_that_is_weeks_old_has_intervals_too(weeks):
    turnover = np.random.default_rng(0).lognormal(5, 0.3, (20, weeks))
    context = small_context(turnover)
    with_intervals = _with_intervals(SeasonalNaive(), context, _wanted(context))
    assert np.isfinite(with_intervals[ENDS]).all(axis=None)
    assert with_intervals["hi_95"].max() < 5 * turnover.max()


def test_another_currency_has_the_same_intervals_in_its_units(
    methods, context, context_of, panel, forecast_index
):
    method = methods.root["growth_naive"]
    original = _with_intervals(method, context, forecast_index)
    cents = _with_intervals(
        method, context_of(panel.assign(turnover=100 * panel["turnover"])), forecast_index
    )
    np.testing.assert_allclose(cents[ENDS], 100 * original[ENDS], rtol=1e-6)


# --- coverage -------------------------------------------------------------------------------


@pytest.mark.parametrize("weeks_back", [(8,), (8, 52)])
def test_four_weeks_in_five_and_nineteen_in_twenty_fall_into_their_intervals(weeks_back):
    """Stores of all sizes around a season that returns, with noise that is always the same."""
    rng = np.random.default_rng(0)
    season = 1 + 0.5 * np.sin(2 * np.pi * np.arange(176) / 52)
    sold = rng.lognormal(6, 1, (400, 1)) * season * rng.lognormal(0, 0.2, (400, 176))
    context = small_context(sold[:, :-8])
    intervals = IntervalParams(weeks_back=weeks_back, scale_share=0.1)
    with_intervals = _with_intervals(SeasonalNaive(), context, _wanted(context), intervals)
    actual = sold[:, -8:].ravel()
    held = {
        c: 100 * ((with_intervals[f"lo_{c}"] <= actual) & (actual <= with_intervals[f"hi_{c}"])).mean()
        for c in (80, 95)
    }
    assert 77 < held[80] < 83
    assert 93 < held[95] < 97


# --- what they are learned from -------------------------------------------------------------


def test_nothing_after_the_cutoff_changes_an_interval(
    methods, context, context_of, panel, forecast_index, cutoff
):
    method = methods.root["growth_naive"]
    rewritten = context_of(panel.assign(turnover=panel["turnover"].where(panel["week"] <= cutoff, -1e6)))
    assert_frame_equal(
        _with_intervals(method, rewritten, forecast_index), _with_intervals(method, context, forecast_index)
    )


@pytest.mark.parametrize("other", [{"weeks_back": (52,)}, {"scale_share": 1.0}])
def test_each_parameter_moves_the_intervals(methods, context, forecast_index, other):
    method = methods.root["growth_naive"]
    original = _with_intervals(method, context, forecast_index)
    changed = _with_intervals(method, context, forecast_index, INTERVALS.model_copy(update=other))
    assert_frame_equal(changed.drop(columns=INTERVAL_COLUMNS), original.drop(columns=INTERVAL_COLUMNS))
    for column in ("hi_80", "hi_95"):
        assert not np.allclose(changed[column], original[column], rtol=1e-3)


@pytest.mark.parametrize(
    ("options", "complaint"),
    [
        ({"weeks_back": ()}, "weeks_back"),
        ({"weeks_back": (8, 0)}, r"weeks_back\.1"),
        ({"weeks_back": (-8,)}, r"weeks_back\.0"),
        ({"scale_share": 0}, "scale_share"),
        ({"weeks_bak": (8,)}, "weeks_bak"),
    ],
)
def test_parameters_that_make_no_sense_are_refused(options, complaint):
    with pytest.raises(ValidationError, match=complaint):
        IntervalParams(**{"weeks_back": (8,), "scale_share": 0.1} | options)


def test_intervals_of_the_sample_have_about_their_nominal_coverage(methods, context, panel, cutoff):
    actual = actuals_after(panel, cutoff, 8)
    with_intervals = _with_intervals(
        methods.root["growth_naive"], context, actual[["store", "department", "week"]]
    )
    held = with_intervals["lo_95"].le(actual["turnover"]) & with_intervals["hi_95"].ge(actual["turnover"])
    assert held.mean() > 0.85
