"""Forecasts that hold on to what was published before."""

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from publications import forecasts
from sales_forecast.forecasting.attribution import PARTS, STEADINESS
from sales_forecast.forecasting.intervals.conformal import INTERVAL_COLUMNS, QUANTILES
from sales_forecast.forecasting.steadiness import (
    BLENDED,
    SteadinessParams,
    attribute_steadiness,
    hold_steady,
)

WEEKS = pd.date_range("2017-10-07", periods=3, freq="7D")


def published(middle: list[float], spread: float = 0.5) -> pd.DataFrame:
    """Three weeks of one series with rising quantiles."""
    forecast = np.array(middle)
    steps = {name: forecast * (1 + spread * (probability - 0.5)) for name, probability in QUANTILES.items()}
    ends = {name: forecast * (1 + spread * (1 if name.startswith("hi") else -1)) for name in INTERVAL_COLUMNS}
    return pd.DataFrame(
        {"store": 1, "department": 88, "week": WEEKS, "forecast": forecast} | ends | steps | {"q50": forecast}
    )


def steady(new: pd.DataFrame, earlier: pd.DataFrame, weight: float) -> pd.DataFrame:
    return hold_steady(new, earlier, SteadinessParams(earlier_weight=weight))


def test_a_share_of_what_was_published_last_is_kept() -> None:
    found = steady(published([100.0, 200.0, 300.0]), published([200.0, 200.0, 100.0]), 0.25)
    assert found["forecast"].tolist() == [125.0, 200.0, 250.0]
    assert found["lo_80"].tolist() == [62.5, 100.0, 125.0]


def test_weeks_that_were_not_published_before_stay_as_the_model_made_them() -> None:
    new = published([100.0, 200.0, 300.0])
    found = steady(new, published([200.0, 100.0, 0.0]).iloc[:2], 0.5)
    assert found["forecast"].tolist() == [150.0, 150.0, 300.0]
    pd.testing.assert_frame_equal(found.iloc[2:], new.iloc[2:])
    assert steady(new, new.iloc[:0], 0.5) is new


def test_numbers_from_before_there_were_quantiles_do_not_count() -> None:
    new, earlier = published([100.0, 200.0, 300.0]), published([200.0, 100.0, 1.0])
    found = steady(new, earlier.assign(**dict.fromkeys(QUANTILES)), 0.5)
    pd.testing.assert_frame_equal(found, new)


def test_labels_of_the_database_are_text() -> None:
    earlier = published([200.0, 200.0, 100.0]).astype({"store": str, "department": str})
    assert steady(published([100.0, 200.0, 300.0]), earlier, 0.5)["forecast"].tolist() == [
        150.0,
        200.0,
        200.0,
    ]


def test_without_a_weight_nothing_is_changed() -> None:
    new = published([100.0, 200.0, 300.0])
    assert steady(new, published([1.0, 1.0, 1.0]), 0.0) is new


@pytest.mark.parametrize("weight", [-0.1, 1.0])
def test_a_weight_that_cannot_be_is_refused(weight: float) -> None:
    with pytest.raises(ValueError, match="earlier_weight"):
        SteadinessParams(earlier_weight=weight)


AMOUNTS = st.lists(st.floats(0, 1e6), min_size=3, max_size=3)


@given(AMOUNTS, AMOUNTS, st.floats(0, 0.99), st.floats(0, 0.9), st.floats(0, 0.9))
def test_quantiles_still_rise_and_none_is_negative(
    new: list[float], old: list[float], weight: float, spread: float, other: float
) -> None:
    found = steady(published(new, spread), published(old, other), weight)
    quantiles = found[list(QUANTILES)].to_numpy()
    assert (np.diff(quantiles, axis=1) >= -1e-9 * (1 + quantiles[:, 1:])).all()
    assert (found[BLENDED] >= 0).all(axis=None)
    assert (found["q50"] == found["forecast"]).all()


def test_in_simulation_noise_of_refits_is_halved_at_no_cost_where_it_is_independent() -> None:
    """A forecast is the truth plus noise of its own each week: the mean of both publications has less of it."""
    rng = np.random.default_rng(7)
    truth = rng.uniform(100, 200, 3000)
    first, second = (truth + rng.normal(0, 10, 3000) for _ in range(2))

    def rows(values: np.ndarray) -> pd.DataFrame:
        keys = {"store": range(3000), "department": 88, "week": WEEKS[0]}
        return pd.DataFrame(keys | dict.fromkeys(BLENDED, values))

    found = steady(rows(second), rows(first), 0.5)["forecast"].to_numpy()
    assert np.abs(found - first).mean() == pytest.approx(0.5 * np.abs(second - first).mean())
    assert np.abs(found - truth).mean() < 0.75 * np.abs(second - truth).mean()


def test_attributions_add_up_to_what_was_published() -> None:
    model = forecasts(series=4)
    parts = model.assign(**dict.fromkeys(PARTS, 0.0) | {"other": model["forecast"]})
    shown = model.assign(forecast=model["forecast"] * 0.9)
    found = attribute_steadiness(parts, shown)
    assert found["forecast"].tolist() == shown["forecast"].tolist()
    assert found[list(PARTS)].sum(axis=1).to_numpy() == pytest.approx(shown["forecast"].to_numpy())
    assert (found[STEADINESS] == shown["forecast"] - model["forecast"]).all()
