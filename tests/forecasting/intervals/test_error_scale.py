"""The nonconformity scale: exponents that were put in are found again, and a volatile series is known as one."""

import numpy as np
import pandas as pd
import pytest

from sales_forecast.forecasting.intervals.error_scale import ErrorScale, learn_error_scale

SHARE = 0.1


def _past(windows: int = 6, stores: int = 300, exponent: float = 0.5, seed: int = 0) -> pd.DataFrame:
    """Errors between roots whose size is a power of the forecast; those of even stores are four times as large."""
    rng = np.random.default_rng(seed)
    keys = pd.MultiIndex.from_product(
        [pd.date_range("2016-01-02", periods=windows, freq="28D"), range(stores), ["bikes", "boats"]],
        names=["cutoff", "store", "department"],
    )
    rows = keys.to_frame(index=False)
    size = rng.lognormal(6, 1, stores)[rows["store"]]
    forecast = size * rng.lognormal(0, 0.3, len(rows))
    factor = np.where(rows["department"] == "bikes", 1.0, 3.0) * np.where(rows["store"] % 2 == 0, 4.0, 1.0)
    error = rng.normal(0, 0.5, len(rows)) * factor * (forecast + SHARE * size) ** exponent
    turnover = np.maximum(np.sqrt(forecast + SHARE * size) + error, 0) ** 2 - SHARE * size
    return rows.assign(forecast=forecast, mean_week=size, weight=1.0, turnover=np.maximum(turnover, 0))


@pytest.mark.parametrize("exponent", [0.0, 0.3])
def test_the_power_that_errors_grow_with_is_found_whatever_the_department(exponent):
    scale = learn_error_scale(_past(exponent=exponent), SHARE, with_volatility=False)
    assert scale.forecast_exponent + scale.mean_week_exponent == pytest.approx(exponent, abs=0.08)


def test_a_store_that_always_errs_more_has_a_larger_scale():
    past = _past(windows=40, stores=60, exponent=0.0)
    scale = learn_error_scale(past, SHARE, with_volatility=True)
    assert scale.volatility_exponent > 0
    alike = past.head(4).assign(
        store=[0, 1, 0, 1], department=["bikes", "bikes", "boats", "boats"], forecast=100.0
    )
    of = scale.of(alike, pd.Series(100.0, alike.index))
    assert of[0] > 1.2 * of[1]
    assert of[2] > 1.2 * of[3]


def test_a_series_that_was_never_seen_is_as_volatile_as_its_department():
    past = _past()
    scale = learn_error_scale(past, SHARE, with_volatility=True)
    new = past.head(3).assign(store=[9999, 1, 1], department=["bikes", "bikes", "boots"], forecast=100.0)
    of = scale.of(new, pd.Series(100.0, new.index))
    assert np.isfinite(of).all()
    assert of[0] == pytest.approx(of[1], rel=0.5)


@pytest.mark.parametrize("windows", [1, 2])
def test_a_window_or_two_are_enough(windows):
    scale = learn_error_scale(_past(windows), SHARE, with_volatility=True)
    assert np.isfinite([scale.forecast_exponent, scale.mean_week_exponent, scale.volatility_exponent]).all()


@pytest.mark.parametrize("amount", [0.0, 1.0, 1e6])
def test_ends_at_no_distance_are_the_forecast_and_ends_never_cross_it(amount):
    scale = ErrorScale(share=SHARE)
    forecast, mean = np.array([amount]), np.array([100.0])
    for distance in (0.0, 1e-9, 1.0, 1e3):
        low, high = scale.ends(forecast, mean, np.array([distance]))
        assert 0 <= low[0] <= amount <= high[0]
    low, high = scale.ends(forecast, mean, np.array([0.0]))
    assert [*low, *high] == pytest.approx([amount, amount])


def test_it_survives_json():
    scale = learn_error_scale(_past(2, 20), SHARE, with_volatility=True)
    assert ErrorScale.model_validate_json(scale.model_dump_json()) == scale


@pytest.mark.parametrize("exponent", [-0.4, -1.0])
def test_a_series_that_sold_almost_nothing_last_year_has_no_unbounded_scale(exponent):
    scale = ErrorScale(share=SHARE, forecast_exponent=0.5, mean_week_exponent=exponent)
    rows = pd.DataFrame({"store": 1, "department": "bikes", "forecast": [100.0, 100.0]})
    of = scale.of(rows, pd.Series([0.0, 1.0]))
    assert of[0] == pytest.approx(of[1], rel=0.01)
