"""Intervals: half-widths follow from the errors of past forecasts, and hold as many weeks as they say."""

from statistics import NormalDist

import numpy as np
import pandas as pd
import pytest
from pandas.testing import assert_frame_equal
from pydantic import ValidationError

from contexts import small_context
from sales_forecast.forecasting.evaluation.past_forecasts import learn_half_widths
from sales_forecast.forecasting.features.context import ForecastContext, actuals_after, mean_weeks
from sales_forecast.forecasting.intervals.conformal import (
    COVERAGES,
    INTERVAL_COLUMNS,
    MIN_SERIES_ERRORS,
    QUANTILES,
    HalfWidths,
    add_intervals,
    continuous_ranked_probability_score,
    learn_from_errors,
    quantiles,
)
from sales_forecast.forecasting.intervals.error_scale import ErrorScale
from sales_forecast.forecasting.intervals.windows import IntervalParams
from sales_forecast.forecasting.methods.base import Method, forecast_all
from sales_forecast.forecasting.methods.naive import SeasonalNaive

INTERVALS = IntervalParams(scale_share=0.1)
ENDS = ["lo_95", "lo_80", "forecast", "hi_80", "hi_95"]
SHARE = 0.1


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
    learned = learn_half_widths(method, context, intervals, horizon_weeks=8)
    half_widths = HalfWidths.model_validate_json(learned.model_dump_json())
    forecasts = forecast_all(method, context, forecast_index, method.fit(context))
    return add_intervals(forecasts, mean_weeks(forecasts, context), half_widths)


def _past(turnover: np.ndarray, department: str = "bikes", **columns) -> pd.DataFrame:
    """Past forecasts of 100 for stores whose mean week is 100."""
    return pd.DataFrame(
        {
            "cutoff": pd.Timestamp("2017-06-03"),
            "store": np.arange(len(turnover)),
            "department": department,
            "forecast": 100.0,
            "mean_week": 100.0,
            "weight": 1.0,
            "turnover": turnover,
        }
    ).assign(**columns)


def _in_scale(turnover: float) -> float:
    """Error of a forecast of 100; forecasts that are all alike say nothing against errors in proportion."""
    return float(np.sqrt(turnover + SHARE * 100) / np.sqrt(100 + SHARE * 100) - 1)


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
    half_widths = learn_from_errors(_past(100 + errors), SHARE)
    error_of = {rank: _in_scale(100 + rank) for rank in (eighty, ninety_five)}
    assert half_widths.multiples["80"] == {"": pytest.approx(error_of[eighty])}
    assert half_widths.multiples["95"] == {"": pytest.approx(error_of[ninety_five])}


def test_errors_of_little_weight_count_little():
    errors = np.r_[np.full(30, 1.0), np.full(30, 50.0)]
    alike = learn_from_errors(_past(100 + errors), SHARE)
    old = learn_from_errors(_past(100 + errors, weight=np.where(errors > 1, 0.05, 1.0)), SHARE)
    assert alike.multiples["80"][""] == pytest.approx(_in_scale(150))
    assert old.multiples["80"][""] == pytest.approx(_in_scale(101))


def test_an_interval_is_a_half_width_on_either_side_between_roots():
    scale = ErrorScale(share=SHARE, forecast_exponent=0.0)
    known = {"": 2.0, "bikes": 1.0}
    half_widths = HalfWidths(scale=scale, multiples={str(coverage): known for coverage in COVERAGES})
    forecasts = _past(np.zeros(2)).assign(department=["bikes", "boats"])
    ends = add_intervals(forecasts, forecasts["mean_week"], half_widths)
    for column, sign in (("lo_80", -1), ("hi_95", 1)):
        expected = [(np.sqrt(110) + sign * distance) ** 2 - 10 for distance in (1.0, 2.0)]
        assert ends[column].to_list() == pytest.approx(expected)


def test_earlier_models_have_intervals_that_are_alike_on_both_sides():
    scale = ErrorScale(share=SHARE, power=1.0)
    half_widths = HalfWidths(scale=scale, multiples={str(c): {"": 0.5} for c in COVERAGES})
    forecasts = _past(np.zeros(1))
    ends = add_intervals(forecasts, forecasts["mean_week"], half_widths)
    assert ends[["lo_80", "hi_80"]].to_numpy().tolist() == [pytest.approx([100 - 0.5 * 110, 100 + 0.5 * 110])]


def test_a_small_department_takes_the_errors_of_all():
    bikes = _past(np.full(MIN_SERIES_ERRORS, 150.0))
    boats = _past(np.full(9, 100.0), "boats")
    assert set(learn_from_errors(pd.concat([bikes, boats]), SHARE).multiples["80"]) == {"", "bikes"}
    assert set(learn_from_errors(pd.concat([bikes[1:], boats]), SHARE).multiples["80"]) == {""}


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


def test_four_weeks_in_five_and_nineteen_in_twenty_fall_into_their_intervals():
    """Stores of all sizes around a season that returns, with noise that is always the same."""
    rng = np.random.default_rng(0)
    season = 1 + 0.5 * np.sin(2 * np.pi * np.arange(176) / 52)
    sold = rng.lognormal(6, 1, (400, 1)) * season * rng.lognormal(0, 0.2, (400, 176))
    context = small_context(sold[:, :-8])
    with_intervals = _with_intervals(SeasonalNaive(), context, _wanted(context))
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


@pytest.mark.parametrize(
    "other",
    [
        {"scale_share": 1.0},
        {"stride_weeks": 2},
        {"recent_weeks": 8},
        {"recent_half_life_weeks": 50.0},
        {"season_width_weeks": 1},
        {"season_years": 0},
        {"season_weight": 5.0},
    ],
)
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
        ({"recent_weeks": 0}, "recent_weeks"),
        ({"season_weight": -1}, "season_weight"),
        ({"scale_share": 0}, "scale_share"),
        ({"weeks_back": (8,)}, "weeks_back"),
    ],
)
def test_parameters_that_make_no_sense_are_refused(options, complaint):
    with pytest.raises(ValidationError, match=complaint):
        IntervalParams(**{"scale_share": 0.1} | options)


def test_intervals_of_the_sample_have_about_their_nominal_coverage(methods, context, panel, cutoff):
    actual = actuals_after(panel, cutoff, 8)
    with_intervals = _with_intervals(
        methods.root["growth_naive"], context, actual[["store", "department", "week"]]
    )
    held = with_intervals["lo_95"].le(actual["turnover"]) & with_intervals["hi_95"].ge(actual["turnover"])
    assert held.mean() > 0.85


# --- the whole distribution -----------------------------------------------------------------------


def test_quantiles_rise_and_their_median_is_the_forecast(methods, context, forecast_index, name):
    forecasts = forecast_all(*(methods.root[name], context, forecast_index), methods.root[name].fit(context))
    learned = learn_half_widths(methods.root["growth_naive"], context, INTERVALS, 8)
    mean_week = mean_weeks(forecasts, context)
    table = quantiles(forecasts, mean_week, learned)
    assert list(table) == list(QUANTILES)
    assert (np.diff(table.to_numpy(), axis=1) >= 0).all()
    assert (table >= 0).all(axis=None)
    np.testing.assert_array_equal(table["q50"], forecasts["forecast"])
    ends = add_intervals(forecasts, mean_week, learned)
    np.testing.assert_array_equal(table[["q10", "q90"]], ends[["lo_80", "hi_80"]])


def test_so_many_weeks_are_below_each_quantile_as_it_says():
    """Errors that are symmetric between roots, as large as the square root of the store."""
    rng = np.random.default_rng(3)
    forecast = rng.lognormal(6, 1, 20_000)
    rows = _past(np.zeros(len(forecast))).assign(forecast=forecast, mean_week=forecast)
    rows["turnover"] = np.maximum(np.sqrt(forecast) + rng.normal(0, 0.8, len(rows)), 0) ** 2
    half = np.arange(len(rows)) % 2 == 0
    learned = learn_from_errors(rows[half], SHARE)
    table = quantiles(rows[~half], rows["mean_week"][~half], learned)
    below = table.ge(rows["turnover"][~half], axis=0).mean()
    assert (below - pd.Series(QUANTILES)).abs().max() < 0.02


def test_the_score_of_a_point_is_its_absolute_error_and_of_the_truth_the_smallest():
    rng = np.random.default_rng(4)
    turnover = rng.normal(100, 10, 50_000)
    levels = np.array(list(QUANTILES.values()))

    def score(spread: float) -> float:
        of_normal = 100 + spread * np.array([NormalDist().inv_cdf(level) for level in levels])
        table = pd.DataFrame(np.tile(of_normal, (len(turnover), 1)), columns=list(QUANTILES))
        return float(continuous_ranked_probability_score(turnover, table).mean())

    assert score(0) == pytest.approx(np.abs(turnover - 100).mean())
    assert score(10) < min(score(7), score(14))
    exact = 10 * (1 / np.sqrt(np.pi))  # of a normal distribution, Gneiting and Raftery (2007), section 4.2
    assert score(10) == pytest.approx(exact, rel=0.05)
