"""Features of a forecast: countable by hand, independent of the future and of the currency."""

import re
from dataclasses import replace

import numpy as np
import pandas as pd
import pytest

from contexts import NO_COVARIATES
from sales_forecast.forecasting.features.builder import (
    FEATURE_LAGS,
    MAX_RATIO,
    SAME_WEEK_GROWTH_WEEKS,
    YEARLY_LAGS,
    FeatureBuilder,
)
from sales_forecast.forecasting.panel.calendar import weekly_calendar
from sales_forecast.forecasting.panel.matrix import PanelMatrix
from sales_forecast.forecasting.panel.model_input import ModelInput

WEEKS = pd.date_range("2013-01-05", periods=220, freq="7D")
AHEAD = np.arange(1, 9)
RATIOS = re.compile(r"(mean|lag|same_week|last_year)_|spread|.*_(lag|season)")
CALENDAR = weekly_calendar(WEEKS[0].date(), WEEKS[-1].date(), "FR", ["CA", "none"])


def _data(future_covariates: pd.DataFrame = NO_COVARIATES) -> ModelInput:
    return ModelInput(pd.DataFrame(), pd.DataFrame(), CALENDAR, future_covariates)


def _builder(turnover: list, regions: list[str] | None = None, weeks: int = 200) -> FeatureBuilder:
    """Stores of one department, numbered from 0, each with its turnover from the first week on."""
    matrix = np.array([np.broadcast_to(row, weeks) for row in turnover], dtype=float)
    numbers = range(len(matrix))
    series = pd.DataFrame(
        {
            "store": numbers,
            "department": "bikes",
            "region": regions or "south",
            "zone": "1",
            "school_zone": ["CA", *["none"] * (len(matrix) - 1)],
            "latitude": [44.8 + n for n in numbers],
            "longitude": -0.6,
        }
    )
    return FeatureBuilder(PanelMatrix(series, WEEKS[:weeks], matrix), _data())


@pytest.fixture
def rising() -> FeatureBuilder:
    """Turnover rises by one a week, from 1: the value of a week is its number."""
    return _builder([np.arange(1, 201)])


def _at(builder: FeatureBuilder, origin: int, *horizons: int) -> dict[str, np.ndarray]:
    """Features as the builder returns them, ratios of turnover squared back."""
    features = builder.at(origin, np.array(horizons))
    return {name: values**2 if RATIOS.match(name) else values for name, values in features.items()}


def test_each_lag_is_the_week_it_says(rising):
    features = _at(rising, 179, 1, 8)  # the 180th week is the last one seen, week 181 and 188 are wanted
    scale = rising.history.scale(179)
    for lag in FEATURE_LAGS:
        assert (features[f"lag_{lag}"] * scale).tolist() == [pytest.approx([181 - lag, 188 - lag])]


def test_where_history_is_short_a_lag_is_a_year_or_two_nearer(rising):
    features = _at(rising, 79, 1)  # week 81 is wanted: a year before is week 29, two years are none
    values = {lag: (features[f"lag_{lag}"] * rising.history.scale(79)).item() for lag in (52, 53, 104, 156)}
    assert values == pytest.approx({52: 29, 53: 28, 104: 29, 156: 29})


def test_a_lag_before_the_first_week_is_missing(rising):
    assert np.isnan(_at(rising, 51, 1)["lag_54"]).all()


def test_recent_weeks_are_averaged_and_compared_with_the_year(rising):
    features = _at(rising, 179, 1)
    year = np.arange(129, 181)
    assert features["mean_1"].item() == pytest.approx(180 / year.mean())
    assert features["mean_4"].item() == pytest.approx(178.5 / year.mean())
    assert features["spread"].item() == pytest.approx(year.std() / year.mean())


def test_growth_compares_the_latest_weeks_with_those_a_year_before(rising):
    features = _at(rising, 179, 1)
    assert features["growth_4_series"].item() == pytest.approx(np.log(178.5 / 126.5), rel=0.02)
    assert features["growth_4_series"] == features["growth_4_department"]
    last_year = features["lag_52"] * np.exp(features["growth_8_series"])
    assert features["last_year_grown"] == pytest.approx(last_year)


def test_the_same_week_of_a_year_before_is_grown_as_the_weeks_before_it_have_grown_since(rising):
    features = _at(rising, 179, 3)  # week 180 is the last one seen, week 183 is wanted
    scale = rising.history.scale(179).item()
    damping = 0.05 * scale  # of the year's mean, on both sides
    values = {lag: (features[f"same_week_{lag}_8"] * scale).item() for lag in YEARLY_LAGS}
    expected = {
        52: 131 * (176.5 + damping) / (124.5 + damping),
        104: 79 * (176.5 + damping) / (72.5 + damping),
        156: 27 * (176.5 + damping) / (20.5 + damping),
    }
    assert values == pytest.approx(expected)
    roots = rising.at(179, np.array([3]))
    mean = (sum(expected.values()) / 3 / scale) ** 0.5
    assert roots["same_week_8"].item() == pytest.approx(mean)
    assert roots["seasonal_reference"].item() == pytest.approx(
        np.mean([roots[f"same_week_{n}"].item() for n in SAME_WEEK_GROWTH_WEEKS])
    )


def test_a_year_that_is_not_known_is_left_out_of_the_seasonal_reference(rising):
    features = rising.at(119, np.array([1]))  # the week of two years before is known, of three it is not
    assert np.isnan(features["same_week_156_8"]).all()
    assert features["same_week_104_8"] < features["same_week_8"] < features["same_week_52_8"]
    assert np.isnan(rising.at(50, np.array([1]))["seasonal_reference"]).all()
    assert np.isfinite(features["seasonal_reference"]).all()


def test_the_seasonal_reference_does_not_move_with_a_level_shift():
    season = 100 + 50 * np.sin(2 * np.pi * np.arange(200) / 52)
    doubled = np.where(np.arange(200) < 110, season, 2 * season)  # more than a year before the origin
    steady, shifted = (_at(_builder([row]), 179, 1, 8) for row in (season, doubled))
    for name in ("same_week_52_8", "same_week_104_8", "same_week_8", "lag_52"):
        np.testing.assert_allclose(shifted[name], steady[name], rtol=0.08, err_msg=name)  # for the damping
    halved = _at(_builder([doubled]), 179, 1)["lag_104"] / _at(_builder([season]), 179, 1)["lag_104"]
    assert halved == pytest.approx(0.5), "the week itself was of the old level"


def test_a_season_says_how_a_week_and_its_neighbours_stood_out_from_the_year_before():
    peak = np.full(200, 100.0)
    peak[128] = 500
    features = _at(_builder([peak, 100], regions=["south", "north"]), 175, 4, 5, 6, 7)  # 128 + 52 = 175 + 5
    lift = np.array([0.25, 0.5, 0.25, 0]) * 400
    other = [1, 1, 1, 1]  # two years ago, when nothing stood out
    south = np.mean([(100 + lift) / 100, other], axis=0)
    assert features["region_season"][0] == pytest.approx(np.array(south), rel=1e-3)
    assert features["region_season"][1] == pytest.approx(np.array(other), rel=1e-3)
    department = np.mean([(200 + lift) / 200, other], axis=0)
    assert features["department_season"][1] == pytest.approx(department, rel=1e-3)


def test_a_ratio_is_given_as_its_root_and_a_week_of_a_hundred_average_ones_counts_as_25():
    peak = np.full(200, 1.0)
    peak[-1] = 100
    builder = _builder([peak])
    features = builder.at(199, np.array([1]))
    assert features["mean_1"].item() == MAX_RATIO**0.5 == 5
    assert features["mean_2"].item() == pytest.approx((50.5 / (151 / 52)) ** 0.5)


def test_rows_are_the_features_side_by_side_in_the_order_of_their_names():
    builder = _builder(list(np.random.default_rng(0).lognormal(5, 0.5, (3, 200))))
    features = builder.at(179, np.arange(1, 9))
    rows = builder.rows(179, AHEAD)
    assert rows.shape == (3, 8, len(builder.names))
    assert builder.names == list(features)
    for position, name in enumerate(builder.names):
        np.testing.assert_array_equal(rows[..., position], features[name].astype(np.float32), err_msg=name)


def test_rows_are_cached(rising):
    assert rising.rows(179, AHEAD) is rising.rows(179, AHEAD)
    assert rising.rows(179, AHEAD[:4]) is not rising.rows(179, AHEAD)
    assert rising.rows(178, AHEAD) is not rising.rows(179, AHEAD)
    np.testing.assert_array_equal(rising.rows(179, AHEAD[:4]), rising.rows(179, AHEAD)[:, :4])


def test_growth_is_bounded_and_zero_where_unknown():
    explosive = _builder([[1.0] * 100 + [1e6] * 100])
    assert _at(explosive, 110, 1)["growth_4_series"].item() == 2
    assert _at(explosive, 54, 1)["growth_4_series"].item() == 0


def test_a_profile_says_how_the_week_stood_out_in_the_department():
    peak = np.full(200, 100.0)
    peak[100] = 400  # in the busy store only
    features = _at(_builder([peak, 100], regions=["south", "north"]), 151, 1)  # a year after the peak
    assert features["department_lag_52"][:, 0] == pytest.approx([500 / 205.77] * 2, rel=1e-3)
    assert features["region_lag_52"][:, 0] == pytest.approx([400 / 105.77, 1], rel=1e-3)


def test_the_calendar_is_that_of_the_week_to_be_forecast():
    builder = _builder([100, 100])
    bastille = WEEKS.get_loc(pd.Timestamp("2016-07-09"))
    features = _at(builder, bastille - 3, 2, 3)
    assert features["public_holiday_days"].tolist() == [[0, 1], [0, 1]]
    assert features["school_holiday_days"].tolist() == [[4, 7], [0, 0]]  # from Tuesday 5 July on
    assert features["day_of_year"].tolist() == [[184, 191], [184, 191]]


def test_a_holiday_that_moved_since_last_year_is_a_feature():
    easter = WEEKS.get_loc(pd.Timestamp("2016-03-26"))  # in 2015 it was on 5 April
    features = _at(_builder([100]), easter - 1, 1)
    assert features["weeks_from_easter"].item() == pytest.approx(-1 / 7)
    assert features["weeks_from_easter_moved"].item() == pytest.approx(-1 / 7 + 8 / 7)


def test_place_and_age_are_those_of_the_store():
    opened = np.r_[np.full(150, np.nan), np.full(50, 100.0)]
    features = _at(_builder([100, opened]), 169, 1)
    assert features["latitude"][:, 0].tolist() == pytest.approx([44.8, 45.8])
    assert features["age_weeks"][:, 0].tolist() == [170, 20]


def test_a_week_of_returns_counts_as_nothing_sold():
    returns = np.full(200, 100.0)
    returns[199] = -500
    builder = _builder([returns])
    assert builder.history.scale(199).item() == pytest.approx(100 * 51 / 52)
    assert _at(builder, 199, 1)["mean_1"].item() == 0


def test_features_at_an_origin_do_not_see_what_comes_after_it():
    rng = np.random.default_rng(0)
    whole = rng.lognormal(5, 0.5, (6, 200))
    regions = ["south", "north"] * 3
    cut = _at(_builder(list(whole[:, :160]), regions, weeks=160), 159, 1, 8)
    for name, values in _at(_builder(list(whole), regions), 159, 1, 8).items():
        np.testing.assert_array_equal(values, cut[name], err_msg=name)


def test_features_are_the_same_whatever_happens_after_the_cutoff(context, context_of, panel, cutoff):
    rewritten = context_of(panel.assign(turnover=panel["turnover"].where(panel["week"] <= cutoff, -1e6)))
    builders = [FeatureBuilder(m.level_adjusted, m.data) for m in (context, rewritten)]
    ours, theirs = (builder.at(len(builder.matrix.weeks) - 1, np.arange(1, 9)) for builder in builders)
    for name, values in ours.items():
        np.testing.assert_array_equal(values, theirs[name], err_msg=name)


def test_the_currency_does_not_matter():
    turnover = np.random.default_rng(0).lognormal(5, 0.5, (6, 200))
    cents = _at(_builder(list(turnover * 100)), 179, 1, 8)
    for name, values in _at(_builder(list(turnover)), 179, 1, 8).items():
        np.testing.assert_allclose(values, cents[name], rtol=1e-6, atol=1e-9, err_msg=name)


def test_a_year_ahead_no_feature_knows_a_week_after_the_origin(rising):
    """Features of the last of 52 weeks do not change with what happens after the origin."""
    later = _builder([[*np.arange(1.0, 152), *np.full(49, 1e6)]])
    for name, values in _at(rising, 150, 52).items():
        np.testing.assert_array_equal(values, _at(later, 150, 52)[name], err_msg=name)


# --- what a retailer adds ----------------------------------------------------------------------------


def test_a_future_covariate_is_that_of_the_week_and_how_it_moved():
    plain = _builder([np.ones(200)] * 2)
    week = [WEEKS[0] + pd.Timedelta(weeks=n) for n in (180 - 52, 180)]
    covariates = pd.DataFrame({"store": 0, "department": "bikes", "week": week, "promotion": [0.2, 0.5]})
    features = FeatureBuilder(plain.matrix, _data(covariates)).at(179, np.array([1, 2]))
    np.testing.assert_allclose(features["future_covariates.promotion"], [[0.5, np.nan], [np.nan, np.nan]])
    np.testing.assert_allclose(
        features["future_covariates.promotion_moved"], [[0.3, np.nan], [np.nan, np.nan]]
    )


def test_covariates_of_weeks_and_series_outside_the_matrix_do_not_matter():
    plain = _builder([np.ones(200)])
    covariates = pd.DataFrame(
        {
            "store": [0, 99, 0],
            "department": "bikes",
            "week": [WEEKS[0] - pd.Timedelta(weeks=3), WEEKS[5], WEEKS[0] + pd.Timedelta(weeks=190)],
            "promotion": 1.0,
        }
    )
    features = FeatureBuilder(plain.matrix, _data(covariates)).at(179, np.array([11, 40]))
    np.testing.assert_allclose(features["future_covariates.promotion"], [[1.0, np.nan]])


def test_own_attributes_are_features_of_their_store():
    plain = _builder([np.ones(200)] * 3)
    series = plain.matrix.series.assign(size=[10.0, np.nan, 30.0], kind=["b: (x)", "a", None])
    features = FeatureBuilder(replace(plain.matrix, series=series), _data()).at(179, np.array([1]))
    np.testing.assert_allclose(features["attribute.size"][:, 0], [10, np.nan, 30])
    assert features["attribute.kind.a"][:, 0].tolist() == [0, 1, 0]
    assert features["attribute.kind.b_x_"][:, 0].tolist() == [1, 0, 0]
