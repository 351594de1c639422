"""Attributions in business terms that add up to the forecast."""

import numpy as np
import pytest

from sales_forecast.forecasting.attribution import PARTS, explain
from sales_forecast.forecasting.features.feature_groups import FeatureGroup, sum_by_group
from sales_forecast.forecasting.methods.base import forecast_all


@pytest.mark.parametrize(
    ("feature", "group"),
    [
        ("lag_52", FeatureGroup.SAME_WEEK),
        ("same_week_104_8", FeatureGroup.SAME_WEEK),
        ("seasonal_reference", FeatureGroup.SAME_WEEK),
        ("mean_4", FeatureGroup.RECENT),
        ("growth_8_region", FeatureGroup.RECENT),
        ("department_lag_52", FeatureGroup.SEASON),
        ("zone_season", FeatureGroup.SEASON),
        ("public_holiday_days_moved", FeatureGroup.SEASON),
        ("horizon", FeatureGroup.SEASON),
        ("age_weeks", FeatureGroup.PLACE),
    ],
)
def test_each_feature_belongs_to_one_group(context, feature, group):
    assert context.features.groups[feature] == group


def test_a_feature_without_a_group_is_an_error():
    with pytest.raises(
        ValueError, match=r"1 feature\(s\) belong to no group of attributions, e.g. 'weather'"
    ):
        sum_by_group(np.ones((1, 2)), ["weather"], {"lag_52": FeatureGroup.SAME_WEEK})


def test_contributions_of_one_group_are_summed_and_the_base_comes_last():
    groups = {
        "lag_52": FeatureGroup.SAME_WEEK,
        "seasonal_reference": FeatureGroup.SAME_WEEK,
        "mean_4": FeatureGroup.RECENT,
    }
    summed = sum_by_group(np.array([[1.0, 2.0, 4.0, 8.0]]), list(groups), groups)
    assert summed[0, [FeatureGroup.SAME_WEEK, FeatureGroup.RECENT, FeatureGroup.BASE]].tolist() == [3, 4, 8]


def test_attributions_add_up_to_the_forecast_of_every_method(methods, context, fitted, forecasts, name):
    own_forecasts = forecasts[name]
    attributions = explain(
        context, own_forecasts, methods.root[name].contributions(context, own_forecasts, fitted[name])
    )
    assert list(attributions.columns) == ["store", "department", "week", "forecast", *PARTS]
    rest = attributions[list(PARTS)].sum(axis=1) - own_forecasts["forecast"].to_numpy()
    assert rest.abs().max() < 1e-6


@pytest.mark.parametrize("name", ["seasonal_naive", "growth_naive", "lightgbm", "ridge", "blend"])
def test_nothing_is_left_unexplained_where_the_method_attributes_its_forecasts(
    methods, context, fitted, forecasts, name
):
    own_forecasts = forecasts[name]
    contributions = methods.root[name].contributions(context, own_forecasts, fitted[name])
    attributed = ~np.isnan(contributions).any(axis=1) | own_forecasts["cold_start"]
    attributions = explain(context, own_forecasts, contributions)
    assert attributed.mean() > 0.9
    assert attributions.loc[attributed, "other"].abs().max() < 1e-6


def test_contributions_add_up_to_the_roots_of_the_methods_own_forecasts(
    methods, context, forecast_index, fitted, name
):
    method = methods.root[name]
    own = method.forecast(context, forecast_index, fitted[name])
    contributions = method.contributions(context, forecast_index, fitted[name])
    assert contributions.shape == (len(forecast_index), len(FeatureGroup))
    np.testing.assert_allclose(np.maximum(contributions.sum(axis=1), 0) ** 2, np.maximum(own, 0), atol=1e-6)


def test_a_method_that_cannot_attribute_assigns_all_to_other(methods, context, forecast_index, fitted):
    contributions = methods.root["hist_gradient_boosting"].contributions(
        context, forecast_index, fitted["hist_gradient_boosting"]
    )
    assert np.nan_to_num(np.delete(contributions, FeatureGroup.OTHER, axis=1)).max() == 0


def test_a_level_that_doubled_has_an_attribution_where_it_doubled(methods, context_of, panel):
    """In summer 2016 department 127 sells twice what it did: half of its average week is the new level."""
    cutoff = panel["week"][panel["week"] <= "2016-03-12"].max()
    context = context_of(panel, cutoff)
    assert context.shifts["department"].tolist() == [127]
    forecast_index = panel.loc[
        panel["week"] == cutoff + np.timedelta64(7, "D"), ["store", "department", "week"]
    ]
    ridge = methods.root["ridge"]
    fitted = ridge.fit(context)
    own_forecasts = forecast_all(ridge, context, forecast_index, fitted)
    attributions = explain(context, own_forecasts, ridge.contributions(context, forecast_index, fitted))
    by_department = attributions.groupby("department")[["average_week", "level_shift"]].sum()
    assert by_department.loc[88, "level_shift"] == pytest.approx(0, abs=1e-6)
    assert by_department.loc[127, "level_shift"] > 0.4 * by_department.loc[127, "average_week"]


def test_growth_and_last_year_are_separate_contributions(methods, context, forecast_index, fitted):
    contributions = methods.root["growth_naive"].contributions(
        context, forecast_index, fitted["growth_naive"]
    )
    flat = (
        methods.root["growth_naive"]
        .model_copy(update={"growth_weeks": 52})
        .contributions(context, forecast_index, {})
    )
    np.testing.assert_allclose(contributions[:, FeatureGroup.SAME_WEEK], flat[:, FeatureGroup.SAME_WEEK])
    assert not np.allclose(contributions[:, FeatureGroup.RECENT], flat[:, FeatureGroup.RECENT])
    assert (
        explain(context, forecast_index.assign(forecast=contributions.sum(axis=1) ** 2), contributions)[
            "average_week"
        ]
        .eq(0)
        .all()
    )


def test_a_forecast_that_the_method_did_not_make_is_assigned_to_other(context, forecast_index):
    attributions = explain(
        context,
        forecast_index.assign(forecast=5.0),
        np.full((len(forecast_index), len(FeatureGroup)), np.nan),
    )
    old = attributions["store"] != 109
    assert (attributions.loc[old, "other"] == 5).all()
    assert (attributions.loc[old, [part for part in PARTS if part != "other"]] == 0).all(axis=None)


def test_the_forecast_of_a_cold_start_is_attributed_to_its_peers(methods, context, forecasts, fitted):
    own_forecasts = forecasts["ridge"]
    attributions = explain(
        context, own_forecasts, methods.root["ridge"].contributions(context, own_forecasts, fitted["ridge"])
    )
    cold = (attributions["store"] == 109).to_numpy()
    assert (attributions.loc[cold, "peers"] == attributions.loc[cold, "forecast"]).all()
    assert (attributions.loc[~cold, "peers"] == 0).all()
