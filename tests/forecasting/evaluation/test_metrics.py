"""Metrics of forecasts: small cases by hand, all others compared with utilsforecast."""

import numpy as np
import pandas as pd
import pytest
import utilsforecast.losses as oracle
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from sales_forecast.forecasting.evaluation.metrics import (
    bias,
    mae,
    rmse,
    rmsse,
    score,
    seasonal_scale,
    wape,
    wql,
)
from sales_forecast.forecasting.intervals.conformal import QUANTILES, continuous_ranked_probability_score

MONEY = st.floats(-1e6, 1e6).map(lambda euros: round(euros, 2))
PAIRS = st.integers(1, 40).flatmap(
    lambda rows: st.tuples(arrays(float, rows, elements=MONEY), arrays(float, rows, elements=MONEY))
)
CUTOFF = pd.Timestamp("2016-12-31")


def _of_one_series(actual: np.ndarray, forecast: np.ndarray) -> pd.DataFrame:
    return pd.DataFrame({"unique_id": "all", "y": actual, "ours": forecast})


@settings(max_examples=50, deadline=None)
@given(PAIRS)
def test_pooled_metrics_agree_with_nixtla(pair):
    actual, forecast = pair
    table = _of_one_series(actual, forecast)

    def theirs(loss) -> float:
        return loss(table, models=["ours"])["ours"].item()

    assert mae(actual, forecast) == pytest.approx(theirs(oracle.mae))
    assert rmse(actual, forecast) == pytest.approx(theirs(oracle.rmse))
    assert wape(actual, forecast) == pytest.approx(theirs(oracle.nd), nan_ok=True)
    assume(np.abs(actual).sum() > 0)  # ours is a share of what was sold, theirs is in currency units
    share = np.abs(actual).mean()
    assert bias(actual, forecast) * share == pytest.approx(theirs(oracle.bias), abs=1e-6)


@settings(max_examples=25, deadline=None)
@given(PAIRS)
def test_bounds_that_hold_for_any_forecast(pair):
    actual, forecast = pair
    assert rmse(actual, forecast) >= mae(actual, forecast) - 1e-6
    assert mae(actual, actual) == rmse(actual, actual) == 0
    assume(np.abs(actual).sum() > 0)
    assert abs(bias(actual, forecast)) <= wape(actual, forecast) + 1e-9
    assert wape(actual, np.zeros_like(actual)) == pytest.approx(1)


def test_a_forecast_too_high_by_a_tenth_has_a_positive_bias_of_a_tenth():
    actual = np.array([100.0, 300.0])
    assert bias(actual, actual * 1.1) == pytest.approx(0.1)
    assert bias(actual, actual * 0.9) == pytest.approx(-0.1)


@settings(max_examples=25, deadline=None)
@given(PAIRS, st.integers(0, 2**32 - 1))
def test_the_weighted_quantile_loss_agrees_with_nixtla(pair, seed):
    actual, forecast = pair
    assume(np.abs(actual).sum() > 1)
    spread = np.sort(np.random.default_rng(seed).normal(size=(len(actual), len(QUANTILES))), axis=1)
    quantiles = pd.DataFrame(forecast[:, None] + 1000 * spread, columns=list(QUANTILES))
    theirs = oracle.scaled_crps(
        _of_one_series(actual, forecast).join(quantiles),
        models={"ours": list(QUANTILES)},
        quantiles=np.array(list(QUANTILES.values())),
    )
    crps = continuous_ranked_probability_score(actual, quantiles)
    assert wql(actual, crps) == pytest.approx(theirs["ours"].item())


def test_a_distribution_that_is_one_point_has_its_wape_and_an_honest_one_less():
    actual, forecast = np.array([80.0, 120.0]), np.array([100.0, 100.0])

    def loss(width: float) -> float:
        ends = {name: forecast + width * (2 * share - 1) for name, share in QUANTILES.items()}
        return wql(actual, continuous_ranked_probability_score(actual, pd.DataFrame(ends)))

    assert loss(0) == pytest.approx(wape(actual, forecast)) == pytest.approx(0.2)
    assert loss(25) < loss(0) < loss(1000)
    assert loss(25) < loss(5)


def test_where_nothing_was_sold_there_is_no_weighted_quantile_loss():
    assert np.isnan(wql(np.zeros(2), np.ones(2)))


def test_errors_are_pooled_over_rows_so_that_large_stores_count_more():
    assert wape(np.array([1.0, 999.0]), np.array([2.0, 999.0])) == 0.001


def test_a_week_of_returns_adds_its_size_to_what_was_sold():
    assert wape(np.array([-50.0, 50.0]), np.array([0.0, 50.0])) == 0.5


def test_where_nothing_was_sold_there_is_no_share_of_it():
    nothing = np.zeros(3)
    assert np.isnan(wape(nothing, nothing + 5))
    assert np.isnan(bias(nothing, nothing + 5))
    assert mae(nothing, nothing + 5) == rmse(nothing, nothing + 5) == 5


def test_the_score_of_a_table_is_each_metric_by_its_name():
    rows = pd.DataFrame({"turnover": [100, 300], "forecast": [110, 270]})
    assert score(rows) == pytest.approx({"wape": 0.1, "rmse": 500**0.5, "mae": 20, "bias": -0.05})


# --- RMSSE ---------------------------------------------------------------------------------


def _history(**stores: np.ndarray) -> pd.DataFrame:
    """Weekly turnover up to the cutoff, by store."""
    return pd.concat(
        pd.DataFrame(
            {
                "store": store,
                "department": "bikes",
                "week": pd.date_range(end=CUTOFF, periods=len(turnover), freq="7D"),
                "turnover": turnover,
            }
        )
        for store, turnover in stores.items()
    )


def _forecast(store: str, actual: list[float], forecast: list[float]) -> pd.DataFrame:
    return pd.DataFrame({"store": store, "department": "bikes", "turnover": actual, "forecast": forecast})


def test_errors_as_large_as_those_of_repeating_last_year_score_one():
    scale = seasonal_scale(_history(paris=np.arange(104.0)), CUTOFF)  # last year was always 52 lower
    assert scale.to_dict() == {("paris", "bikes"): 52**2}
    assert rmsse(_forecast("paris", [100, 100], [48, 152]), scale) == 1
    assert rmsse(_forecast("paris", [100, 100], [74, 126]), scale) == 0.5


def test_rmsse_agrees_with_nixtla_for_many_series():
    rng = np.random.default_rng(0)
    history = _history(**{f"store {n}": rng.lognormal(5, 1, 104 + 20 * n) for n in range(5)})
    future = pd.concat(
        _forecast(f"store {n}", rng.lognormal(5, 1, 8), rng.lognormal(5, 1, 8)) for n in range(5)
    )
    names = {"store": "unique_id", "turnover": "y", "week": "ds"}
    theirs = oracle.rmsse(
        future.rename(columns=names)[["unique_id", "y", "forecast"]],
        models=["forecast"],
        seasonality=52,
        train_df=history.rename(columns=names)[["unique_id", "ds", "y"]],
    )
    sold = future.groupby("store")["turnover"].sum().reindex(theirs["unique_id"]).to_numpy()
    expected = np.average(theirs["forecast"], weights=sold)
    assert rmsse(future, seasonal_scale(history, CUTOFF)) == pytest.approx(expected)


def test_the_scale_knows_no_week_after_the_cutoff_and_no_order_of_rows():
    history = _history(paris=np.random.default_rng(0).lognormal(5, 1, 150))
    cutoff = CUTOFF - pd.Timedelta(weeks=8)
    rewritten = history.assign(turnover=history["turnover"].where(history["week"] <= cutoff, -1e6))
    scale = seasonal_scale(history, cutoff)
    pd.testing.assert_series_equal(seasonal_scale(rewritten, cutoff), scale)
    pd.testing.assert_series_equal(seasonal_scale(history.sample(frac=1, random_state=1), cutoff), scale)


def test_series_without_a_yardstick_are_left_out():
    history = _history(paris=np.arange(104.0), young=np.arange(52.0), flat=np.full(104, 7.0))
    rows = pd.concat(_forecast(store, [100, 100], [48, 152]) for store in ("paris", "young", "flat", "new"))
    scale = seasonal_scale(history, CUTOFF)
    assert rmsse(rows, scale) == 1
    assert np.isnan(rmsse(rows[rows["store"] != "paris"], scale))


def test_unknown_weeks_leave_the_yardstick_unbent():
    turnover = np.arange(108.0)
    turnover[[10, 80]] = np.nan
    assert seasonal_scale(_history(paris=turnover), CUTOFF).item() == 52**2


def test_a_yardstick_needs_a_whole_year_of_comparisons():
    assert np.isnan(seasonal_scale(_history(paris=np.arange(103.0)), CUTOFF).item())
    assert seasonal_scale(_history(paris=np.arange(104.0)), CUTOFF).item() == 52**2
