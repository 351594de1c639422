"""Ridge around the seasonal reference: least squares without a penalty, the reference under a heavy one."""

import json

import numpy as np
import pandas as pd
import pytest

from sales_forecast.forecasting.methods.base import forecast_all
from sales_forecast.forecasting.methods.ridge import Ridge

ROWS = 300
COLUMNS = ["seasonal_reference", "growth", "holidays"]


@pytest.fixture
def ridge(methods) -> Ridge:
    return methods.root["ridge"]


@pytest.fixture
def rows() -> tuple[pd.DataFrame, np.ndarray, np.ndarray]:
    """Features, target and weight of weeks of stores."""
    rng = np.random.default_rng(0)
    features = pd.DataFrame(rng.normal(1, 0.3, (ROWS, len(COLUMNS))), columns=COLUMNS)
    target = features["seasonal_reference"] + 0.2 * features["growth"] - 0.1 + rng.normal(0, 0.05, ROWS)
    return features, target.to_numpy(), rng.lognormal(5, 1, ROWS)


def _predict(ridge: Ridge, penalty: float, rows, features_of_week: pd.DataFrame) -> np.ndarray:
    method = ridge.model_copy(update={"penalty": penalty})
    return method.predict_rows(method.fit_rows(*rows), features_of_week)


def _least_squares(columns: np.ndarray, target: np.ndarray, weight: np.ndarray) -> np.ndarray:
    """In-sample predictions of numpy's least squares."""
    root = np.sqrt(weight)
    slopes, *_ = np.linalg.lstsq(columns * root[:, None], target * root)
    return columns @ slopes


@pytest.mark.parametrize("alike", [True, False])
def test_without_a_penalty_it_is_weighted_least_squares_of_the_difference_to_the_seasonal_reference(
    ridge, rows, alike
):
    features, target, weight = rows
    weight = np.ones(ROWS) if alike else weight
    reference = features["seasonal_reference"].to_numpy()
    line = np.column_stack([np.ones(ROWS), features])
    expected = reference + _least_squares(line, target - reference, weight)
    np.testing.assert_allclose(_predict(ridge, 1e-12, (features, target, weight), features), expected)


def test_under_a_heavy_penalty_every_week_is_the_seasonal_reference_plus_the_mean_difference(ridge, rows):
    features, target, weight = rows
    mean = np.average(target - features["seasonal_reference"], weights=weight)
    np.testing.assert_allclose(
        _predict(ridge, 1e12, rows, features), features["seasonal_reference"] + mean, atol=1e-6
    )


def test_the_heavier_the_penalty_the_nearer_to_the_seasonal_reference(ridge, rows):
    features, _, _ = rows
    deviations = [
        np.std(_predict(ridge, penalty, rows, features) - features["seasonal_reference"])
        for penalty in (0.01, 0.1, 1, 10)
    ]
    assert deviations == sorted(deviations, reverse=True)
    assert deviations[0] > 2 * deviations[-1]


def test_errors_count_by_the_money_they_stand_for(ridge, rows):
    features, target, _ = rows
    large = np.arange(ROWS) < 10
    target = np.where(large, features["seasonal_reference"] + 0.5, features["seasonal_reference"])
    predicted = _predict(ridge, 1.0, (features, target, np.where(large, 1e6, 1.0)), features)
    np.testing.assert_allclose(predicted - features["seasonal_reference"], 0.5, atol=0.01)


@pytest.mark.parametrize("penalty", [1e-12, 1.0, 100.0])
def test_among_stores_of_one_size_too_much_and_too_little_even_out(ridge, rows, penalty):
    features, target, _ = rows
    predicted = _predict(ridge, penalty, (features, target, np.ones(ROWS)), features)
    assert predicted.mean() == pytest.approx(target.mean())


def test_what_is_unknown_counts_as_average(ridge, rows):
    features, _, _ = rows
    average = features[["growth", "holidays"]].mean()
    features_of_week = features.head(5)
    unknown = _predict(ridge, 0.1, rows, features_of_week.assign(growth=np.nan, holidays=np.nan))
    np.testing.assert_allclose(
        unknown, _predict(ridge, 0.1, rows, features_of_week.assign(**average)), rtol=1e-6
    )


def test_a_feature_that_was_never_known_or_never_moved_changes_nothing(ridge, rows):
    features, target, weight = rows
    more = features.assign(unknown=np.nan, always=7.0)
    predicted = _predict(ridge, 0.1, rows, features)
    np.testing.assert_allclose(_predict(ridge, 0.1, (more, target, weight), more), predicted)
    known_now = more.assign(unknown=np.nan, always=7.0 + 1e-9)
    np.testing.assert_allclose(_predict(ridge, 0.1, (more, target, weight), known_now), predicted)


def test_a_week_of_which_no_year_is_known_is_an_average_week(ridge, rows):
    features_of_week = rows[0].head(5).assign(seasonal_reference=np.nan)
    assert _predict(ridge, 1e12, rows, features_of_week) == pytest.approx(
        [1 + np.average(rows[1] - rows[0]["seasonal_reference"], weights=rows[2])] * 5
    )


def test_columns_are_found_by_name_and_the_unit_of_money_does_not_matter(ridge, rows):
    features, target, weight = rows
    predicted = _predict(ridge, 0.1, rows, features)
    np.testing.assert_allclose(_predict(ridge, 0.1, rows, features[COLUMNS[::-1]]), predicted)
    np.testing.assert_allclose(_predict(ridge, 0.1, (features, target, 100 * weight), features), predicted)


def test_the_fitted_state_is_lists_of_numbers(fitted):
    part = json.loads(json.dumps(fitted["ridge"]))["88"]
    assert len(part["features"]) == len(part["slopes"]) == len(part["mean"]) == len(part["spread"])
    assert "seasonal_reference" in part["features"]
    assert np.isfinite(part["slopes"]).all()


@pytest.mark.parametrize(
    ("option", "value"),
    [
        ("penalty", 100.0),
        ("partition", ()),
        ("max_horizon_weeks", 9),
        ("origin_spacing_weeks", 4),
        ("season_width_weeks", 4),
    ],
)
def test_each_option_moves_the_forecasts(ridge, forecasts, context, forecast_index, option, value):
    changed = ridge.model_copy(update={option: value})
    assert getattr(ridge, option) != value
    forecast = forecast_all(changed, context, forecast_index, changed.fit(context))["forecast"]
    assert not np.allclose(forecast, forecasts["ridge"]["forecast"], rtol=1e-4)


def test_the_regression_does_not_extrapolate_to_where_no_week_was_seen(ridge, rows):
    features = rows[0]
    largest, far = (features.assign(growth=growth) for growth in (features["growth"].max(), 1000.0))
    smallest, near = (features.assign(growth=growth) for growth in (features["growth"].min(), -1000.0))
    np.testing.assert_array_equal(_predict(ridge, 1e-6, rows, far), _predict(ridge, 1e-6, rows, largest))
    np.testing.assert_array_equal(_predict(ridge, 1e-6, rows, near), _predict(ridge, 1e-6, rows, smallest))
