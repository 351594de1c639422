"""Looking back from a week: turnover rises by one a week, so the value of a week is its number."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sales_forecast.forecasting.features.lags import (
    lagged,
    log_growth,
    mean_known,
    same_week_grown,
    window_mean,
)

RISING = np.arange(1.0, 201)[None, :]
LATEST = 179  # the position of week 180


def test_a_window_ends_with_the_latest_week_and_is_shorter_where_history_is():
    assert window_mean(RISING, LATEST, 4) == (177 + 178 + 179 + 180) / 4
    assert window_mean(RISING, 1, 4) == 1.5


def test_a_year_that_is_missing_is_replaced_by_the_next_nearer_one():
    wanted = np.array([80, 120])  # weeks 81 and 121
    assert lagged(RISING, wanted, 52, 79).tolist() == [[29, 69]]
    assert lagged(RISING, wanted, 104, 79).tolist() == [[29, 17]]
    assert lagged(RISING, wanted, 156, 79).tolist() == [[29, 17]]
    assert np.isnan(lagged(RISING, np.array([50]), 52, 49)).all()


def test_where_the_week_lies_after_the_origin_the_year_before_it_counts():
    wanted = np.array([130, 131])
    assert lagged(RISING, wanted, 50, 80).tolist() == [[81, 30]]
    with pytest.raises(ValueError, match="lag 52 looks beyond the origin"):
        lagged(RISING, np.array([80 + 105]), 52, 80)


def test_growth_is_unknown_until_the_same_weeks_of_last_year_are_known():
    assert log_growth(RISING, 54, 4) == 0
    assert log_growth(RISING, 55, 4) == 2  # a factor of 8 is where it ends
    floor = 0.01 * np.arange(129, 181).mean()
    assert log_growth(RISING, LATEST, 4) == pytest.approx(np.log((178.5 + floor) / (126.5 + floor)))


def test_the_same_week_is_grown_as_the_weeks_before_it():
    grown = same_week_grown(RISING, LATEST + np.array([1, 2]), 52, LATEST, growth_weeks=4)
    damping = 0.05 * np.arange(129, 181).mean()  # a twentieth of the year's mean week
    growth = (178.5 + damping) / (126.5 + damping)
    assert grown == pytest.approx(np.array([[129 * growth, 130 * growth]]))


def test_the_same_week_is_unknown_where_the_weeks_before_it_are():
    wanted = np.array([56])
    assert np.isfinite(same_week_grown(RISING, wanted, 52, 55, growth_weeks=4)).all()
    assert np.isnan(same_week_grown(RISING, wanted, 52, 54, growth_weeks=4)).all()


@settings(max_examples=25, deadline=None)
@given(factor=st.floats(0.1, 10), start=st.integers(90, 120))
def test_a_level_that_shifted_since_cancels_out(factor, start):
    season = 100 + 50 * np.sin(2 * np.pi * np.arange(200) / 52)[None, :]
    shifted = season * np.where(np.arange(200) < start, factor, 1.0)
    wanted = LATEST + np.arange(1, 9)
    before, after = (same_week_grown(values, wanted, 104, LATEST, 8) for values in (season, shifted))
    unshifted = shifted[:, wanted - 104] / season[:, wanted - 104]
    # all but for the twentieth of a mean week, which is of today's level
    np.testing.assert_allclose(after, before, rtol=0.06 * max(factor, 1 / factor))
    assert np.abs(np.log(after / before)).max() <= np.abs(np.log(unshifted)).max() + 1e-9


def test_a_few_sales_off_season_are_no_growth_without_bounds():
    quiet = np.full((1, 200), 100.0)
    quiet[0, 120:128] = 0  # 52 weeks before the latest eight, which were like all others
    grown = same_week_grown(quiet, np.array([LATEST + 1]), 52, LATEST, growth_weeks=8)
    assert np.isfinite(grown).all()


def test_a_mean_is_over_what_is_known_in_each_cell():
    one, other = np.array([[1.0, np.nan, np.nan]]), np.array([[3.0, 4.0, np.nan]])
    np.testing.assert_array_equal(mean_known([one, other]), [[2, 4, np.nan]])
    np.testing.assert_array_equal(mean_known([one]), one)
