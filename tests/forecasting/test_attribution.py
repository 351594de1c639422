"""Parts in business words that add up to the forecast."""

import numpy as np
import pytest

from sales_forecast.forecasting.attribution import (
    BASE,
    GROUPS,
    OTHER,
    PARTS,
    PLACE,
    RECENT,
    SAME_WEEK,
    SEASON,
    explain,
    gather,
    group_of,
)
from sales_forecast.forecasting.methods.base import forecast_all


@pytest.mark.parametrize(
    ("feature", "root"),
    [
        ("lag_52", SAME_WEEK),
        ("same_week_104_8", SAME_WEEK),
        ("seasonal_reference", SAME_WEEK),
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
    assert group_of(feature) == root


def test_contributions_of_one_reason_are_summed_and_the_base_comes_last():
    gathered = gather(np.array([[1.0, 2.0, 4.0, 8.0]]), ["lag_52", "seasonal_reference", "mean_4"])
    assert gathered[0, [SAME_WEEK, RECENT, BASE]].tolist() == [3, 4, 8]


def test_parts_add_up_to_the_forecast_of_every_method(methods, context, fitted, forecasts, name):
    answer = forecasts[name]
    attributions = explain(context, answer, methods.root[name].attributions(context, answer, fitted[name]))
    assert list(attributions.columns) == ["store", "department", "week", "forecast", *PARTS]
    rest = attributions[list(PARTS)].sum(axis=1) - answer["forecast"].to_numpy()
    assert rest.abs().max() < 1e-6


@pytest.mark.parametrize("name", ["seasonal_naive", "growth_naive", "lightgbm", "ridge", "blend"])
def test_nothing_is_left_unexplained_where_the_method_can_tell(methods, context, fitted, forecasts, name):
    answer = forecasts[name]
    contributions = methods.root[name].attributions(context, answer, fitted[name])
    told = ~np.isnan(contributions).any(axis=1) | answer["cold_start"]
    attributions = explain(context, answer, contributions)
    assert told.mean() > 0.9
    assert attributions.loc[told, "other"].abs().max() < 1e-6


def test_roots_are_those_of_the_methods_own_forecasts(methods, context, forecast_index, fitted, name):
    method = methods.root[name]
    own = method.forecast(context, forecast_index, fitted[name])
    contributions = method.attributions(context, forecast_index, fitted[name])
    assert contributions.shape == (len(forecast_index), GROUPS)
    np.testing.assert_allclose(np.maximum(contributions.sum(axis=1), 0) ** 2, np.maximum(own, 0), atol=1e-6)


def test_a_method_that_cannot_tell_leaves_all_to_other(methods, context, forecast_index, fitted):
    contributions = methods.root["hist_gradient_boosting"].attributions(
        context, forecast_index, fitted["hist_gradient_boosting"]
    )
    assert np.nan_to_num(np.delete(contributions, OTHER, axis=1)).max() == 0


def test_a_level_that_doubled_is_a_reason_where_it_doubled(methods, context_of, panel):
    """In summer 2016 department 127 sells twice what it did: half of its average week is the new level."""
    cutoff = panel["week"][panel["week"] <= "2016-03-12"].max()
    context = context_of(panel, cutoff)
    assert context.shifts["department"].tolist() == [127]
    forecast_index = panel.loc[
        panel["week"] == cutoff + np.timedelta64(7, "D"), ["store", "department", "week"]
    ]
    ridge = methods.root["ridge"]
    fitted = ridge.fit(context)
    answer = forecast_all(ridge, context, forecast_index, fitted)
    attributions = explain(context, answer, ridge.attributions(context, forecast_index, fitted))
    by_department = attributions.groupby("department")[["average_week", "level_shift"]].sum()
    assert by_department.loc[88, "level_shift"] == pytest.approx(0, abs=1e-6)
    assert by_department.loc[127, "level_shift"] > 0.4 * by_department.loc[127, "average_week"]


def test_growth_is_told_from_last_year(methods, context, forecast_index, fitted):
    contributions = methods.root["growth_naive"].attributions(context, forecast_index, fitted["growth_naive"])
    flat = (
        methods.root["growth_naive"]
        .model_copy(update={"growth_weeks": 52})
        .attributions(context, forecast_index, {})
    )
    np.testing.assert_allclose(contributions[:, SAME_WEEK], flat[:, SAME_WEEK])
    assert not np.allclose(contributions[:, RECENT], flat[:, RECENT])
    assert (
        explain(context, forecast_index.assign(forecast=contributions.sum(axis=1) ** 2), contributions)[
            "average_week"
        ]
        .eq(0)
        .all()
    )


def test_a_forecast_that_the_method_did_not_make_is_left_to_other(context, forecast_index):
    attributions = explain(
        context, forecast_index.assign(forecast=5.0), np.full((len(forecast_index), GROUPS), np.nan)
    )
    old = attributions["store"] != 109
    assert (attributions.loc[old, "other"] == 5).all()
    assert (attributions.loc[old, [part for part in PARTS if part != "other"]] == 0).all(axis=None)


def test_a_store_of_a_few_weeks_sells_what_its_peers_do(methods, context, forecasts, fitted):
    answer = forecasts["ridge"]
    attributions = explain(
        context, answer, methods.root["ridge"].attributions(context, answer, fitted["ridge"])
    )
    young = (attributions["store"] == 109).to_numpy()
    assert (attributions.loc[young, "peers"] == attributions.loc[young, "forecast"]).all()
    assert (attributions.loc[~young, "peers"] == 0).all()
