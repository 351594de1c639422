"""Past weeks with a like plan: countable by hand, blind to the future, cautious where nothing was alike."""

import numpy as np
import pytest

from sales_forecast.forecasting.features.plan import PRIOR_WEEKS, covariates_of_weeks, mean_of_like_weeks

ORIGIN = 59
WEEKS = np.array([60, 61])


@pytest.fixture
def promoted() -> np.ndarray:
    """Every fourth week of one series is promoted, and so is the first week to be forecast."""
    return (np.arange(70) % 4 == 0).astype(float)[None, :]


@pytest.fixture
def turnover(promoted) -> np.ndarray:
    """Promoted weeks sell 300, others 100."""
    return np.where(promoted == 1, 300.0, 100.0)


def _with_prior(sold: float, weeks: int, mean: float) -> float:
    return (sold * weeks + PRIOR_WEEKS * mean) / (weeks + PRIOR_WEEKS)


def test_a_promoted_week_is_like_the_promoted_ones(turnover, promoted):
    like = mean_of_like_weeks(turnover, [promoted], WEEKS, ORIGIN)
    mean = turnover[0, : ORIGIN + 1].mean()
    assert like[0].tolist() == pytest.approx(
        [_with_prior(300, 15, mean), _with_prior(100, 45, mean)], rel=1e-3
    )


def test_weeks_after_the_origin_are_not_looked_at(turnover, promoted):
    known = mean_of_like_weeks(turnover, [promoted], WEEKS, ORIGIN)
    turnover[:, ORIGIN + 1 :] = np.nan
    np.testing.assert_array_equal(mean_of_like_weeks(turnover, [promoted], WEEKS, ORIGIN), known)


def test_a_plan_that_no_week_had_gives_the_mean_week(turnover, promoted):
    promoted[:, 60:] = 50.0
    like = mean_of_like_weeks(turnover, [promoted], WEEKS, ORIGIN)
    np.testing.assert_allclose(like, turnover[0, : ORIGIN + 1].mean(), rtol=1e-6)


def test_a_covariate_that_never_moved_or_is_never_known_changes_nothing(turnover, promoted):
    more = [promoted, np.full_like(promoted, 7.0), np.full_like(promoted, np.nan)]
    np.testing.assert_array_equal(
        mean_of_like_weeks(turnover, more, WEEKS, ORIGIN),
        mean_of_like_weeks(turnover, [promoted], WEEKS, ORIGIN),
    )


def test_the_unit_of_a_covariate_and_of_money_does_not_matter(turnover, promoted):
    np.testing.assert_allclose(
        mean_of_like_weeks(turnover * 100, [promoted * 1000], WEEKS, ORIGIN),
        100 * mean_of_like_weeks(turnover, [promoted], WEEKS, ORIGIN),
        rtol=1e-5,
    )


def test_a_covariate_is_compared_with_the_same_week_of_last_year(promoted):
    features = covariates_of_weeks({"promotion": promoted}, np.array([51, 60]))
    assert features["future_covariates.promotion"].tolist() == [[0, 1]]
    moved = features["future_covariates.promotion_moved"][0]
    assert np.isnan(moved[0])
    assert moved[1] == 1 - promoted[0, 8]
