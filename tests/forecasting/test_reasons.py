"""Parts in business words that add up to the forecast."""

import numpy as np
import pytest

from sales_forecast.forecasting.method import forecast_all
from sales_forecast.forecasting.reasons import (
    BASE,
    OTHER,
    PARTS,
    PLACE,
    RECENT,
    ROOTS,
    SAME_WEEK,
    SEASON,
    explain,
    gather,
    root_of,
)


@pytest.mark.parametrize(
    ("feature", "root"),
    [
        ("lag_52", SAME_WEEK),
        ("same_week_104_8", SAME_WEEK),
        ("usual", SAME_WEEK),
        ("mean_4", RECENT),
        ("growth_8_region", RECENT),
        ("department_lag_52", SEASON),
        ("zone_season", SEASON),
        ("public_holiday_days_moved", SEASON),
        ("horizon", SEASON),
        ("age_weeks", PLACE),
    ],
)
def test_each_feature_counts_for_one_reason(feature, root):
    assert root_of(feature) == root


def test_contributions_of_one_reason_are_summed_and_the_base_comes_last():
    gathered = gather(np.array([[1.0, 2.0, 4.0, 8.0]]), ["lag_52", "usual", "mean_4"])
    assert gathered[0, [SAME_WEEK, RECENT, BASE]].tolist() == [3, 4, 8]


def test_parts_add_up_to_the_forecast_of_every_method(methods, market, fitted, forecasts, name):
    answer = forecasts[name]
    reasons = explain(market, answer, methods.root[name].reasons(market, answer, fitted[name]))
    assert list(reasons.columns) == ["store", "department", "week", "forecast", *PARTS]
    rest = reasons[list(PARTS)].sum(axis=1) - answer["forecast"].to_numpy()
    assert rest.abs().max() < 1e-6


@pytest.mark.parametrize("name", ["seasonal_naive", "growth_naive", "lightgbm", "ridge", "blend"])
def test_nothing_is_left_unexplained_where_the_method_can_tell(methods, market, fitted, forecasts, name):
    answer = forecasts[name]
    roots = methods.root[name].reasons(market, answer, fitted[name])
    told = ~np.isnan(roots).any(axis=1) | answer["cold_start"]
    reasons = explain(market, answer, roots)
    assert told.mean() > 0.9
    assert reasons.loc[told, "other"].abs().max() < 1e-6


def test_roots_are_those_of_the_methods_own_forecasts(methods, market, targets, fitted, name):
    method = methods.root[name]
    own = method.forecast(market, targets, fitted[name])
    roots = method.reasons(market, targets, fitted[name])
    assert roots.shape == (len(targets), ROOTS)
    np.testing.assert_allclose(np.maximum(roots.sum(axis=1), 0) ** 2, np.maximum(own, 0), atol=1e-6)


def test_a_method_that_cannot_tell_leaves_all_to_other(methods, market, targets, fitted):
    roots = methods.root["hist_gradient_boosting"].reasons(market, targets, fitted["hist_gradient_boosting"])
    assert np.nan_to_num(np.delete(roots, OTHER, axis=1)).max() == 0


def test_a_level_that_doubled_is_a_reason_where_it_doubled(methods, market_of, panel):
    """In summer 2016 department 127 sells twice what it did: half of its average week is the new level."""
    cutoff = panel["week"][panel["week"] <= "2016-03-12"].max()
    market = market_of(panel, cutoff)
    assert market.shifts["department"].tolist() == [127]
    targets = panel.loc[panel["week"] == cutoff + np.timedelta64(7, "D"), ["store", "department", "week"]]
    ridge = methods.root["ridge"]
    fitted = ridge.fit(market)
    answer = forecast_all(ridge, market, targets, fitted)
    reasons = explain(market, answer, ridge.reasons(market, targets, fitted))
    by_department = reasons.groupby("department")[["average_week", "level_shift"]].sum()
    assert by_department.loc[88, "level_shift"] == pytest.approx(0, abs=1e-6)
    assert by_department.loc[127, "level_shift"] > 0.4 * by_department.loc[127, "average_week"]


def test_growth_is_told_from_last_year(methods, market, targets, fitted):
    roots = methods.root["growth_naive"].reasons(market, targets, fitted["growth_naive"])
    flat = methods.root["growth_naive"].model_copy(update={"growth_weeks": 52}).reasons(market, targets, {})
    np.testing.assert_allclose(roots[:, SAME_WEEK], flat[:, SAME_WEEK])
    assert not np.allclose(roots[:, RECENT], flat[:, RECENT])
    assert explain(market, targets.assign(forecast=roots.sum(axis=1) ** 2), roots)["average_week"].eq(0).all()


def test_a_forecast_that_the_method_did_not_make_is_left_to_other(market, targets):
    reasons = explain(market, targets.assign(forecast=5.0), np.full((len(targets), ROOTS), np.nan))
    old = reasons["store"] != 109
    assert (reasons.loc[old, "other"] == 5).all()
    assert (reasons.loc[old, [part for part in PARTS if part != "other"]] == 0).all(axis=None)


def test_a_store_of_a_few_weeks_sells_what_its_peers_do(methods, market, forecasts, fitted):
    answer = forecasts["ridge"]
    reasons = explain(market, answer, methods.root["ridge"].reasons(market, answer, fitted["ridge"]))
    young = (reasons["store"] == 109).to_numpy()
    assert (reasons.loc[young, "peers"] == reasons.loc[young, "forecast"]).all()
    assert (reasons.loc[~young, "peers"] == 0).all()
