"""Old stores treated as shortened: nothing of the history that is cut off is used, and intervals are wider."""

import numpy as np
import pandas as pd
import pytest

from contexts import with_tables
from sales_forecast.forecasting.evaluation.cold_start_backtest import (
    KNOWN_WEEKS,
    MORE,
    ColdStartBacktestParams,
    cold_start_half_widths,
    forecast_cold_starts,
    shorten_histories,
)
from sales_forecast.forecasting.evaluation.past_forecasts import learn_half_widths
from sales_forecast.forecasting.features.context import mean_weeks
from sales_forecast.forecasting.intervals.conformal import add_intervals
from sales_forecast.forecasting.intervals.windows import IntervalParams
from sales_forecast.forecasting.methods.base import forecast_all

PARAMS = ColdStartBacktestParams(share_of_stores=0.08, cutoffs=1, seed=1)
INTERVALS = IntervalParams(scale_share=0.1)


@pytest.fixture(scope="module")
def cold_start_forecasts(methods, context, panel) -> pd.DataFrame:
    return forecast_cold_starts(methods.root["ridge"], context, panel, 8, PARAMS)


def test_each_group_of_stores_keeps_the_weeks_of_its_label(context, cutoff):
    shortened, labels = shorten_histories(context, PARAMS)
    left = shortened.data.panel
    assert labels.value_counts().drop(MORE).to_dict() == dict.fromkeys(KNOWN_WEEKS, 1)
    weeks = left.groupby("store")["week"].nunique().reindex(labels.index).fillna(0)
    for label, (fewest, most) in KNOWN_WEEKS.items():
        if label != "0" and 109 not in labels[labels == label].index:
            assert weeks[labels == label].between(fewest, most).all()
    assert weeks[labels == "0"].eq(0).all()


def test_the_other_stores_keep_their_whole_history(context, cutoff):
    shortened, labels = shorten_histories(context, PARAMS)
    left = shortened.data.panel
    whole = labels.index[labels == MORE]
    pd.testing.assert_frame_equal(
        left[left["store"].isin(whole)], context.data.panel[context.data.panel["store"].isin(whole)]
    )


def test_a_department_of_a_single_store_is_forecast_even_where_that_store_has_no_history(
    methods, context_of, context, panel
):
    _, labels = shorten_histories(context, PARAMS)
    (hidden,) = labels.index[labels == "0"]
    only_there = panel[(panel["department"] == 88) | (panel["store"] == hidden)]
    forecasts = forecast_cold_starts(methods.root["ridge"], context_of(only_there), only_there, 8, PARAMS)
    alone = forecasts[forecasts["department"] == 127]
    assert (alone["weeks_known"] == "0").all()
    assert alone["cold_start"].all()
    assert (alone["forecast"] > 0).all()


def test_another_seed_and_another_cutoff_draw_other_stores(context, cutoff):
    def drawn(at: pd.Timestamp, seed: int) -> pd.Series:
        seen = context.as_of(at)
        return shorten_histories(seen, PARAMS.model_copy(update={"seed": seed}))[1].sort_index()

    first = drawn(cutoff, 1)
    pd.testing.assert_series_equal(first, drawn(cutoff, 1))
    assert not first.equals(drawn(cutoff, 2))
    assert not first.equals(drawn(cutoff - pd.Timedelta(weeks=1), 1))


def test_the_history_that_is_cut_off_does_not_matter(
    methods, context, context_of, panel, cutoff, cold_start_forecasts
):
    kept = shorten_histories(context, PARAMS)[0].data.panel
    seen = panel.merge(kept[["store", "department", "week"]].assign(seen=True), how="left")["seen"].notna()
    cut_off = (panel["week"] <= cutoff) & ~seen.to_numpy()
    assert cut_off.any()
    rewritten = panel.assign(turnover=panel["turnover"].where(~cut_off, 5.0))
    again = forecast_cold_starts(methods.root["ridge"], context_of(rewritten), rewritten, 8, PARAMS)
    np.testing.assert_array_equal(again["forecast"], cold_start_forecasts["forecast"])


def test_series_of_fewer_than_five_weeks_are_marked(cold_start_forecasts):
    cold = cold_start_forecasts.groupby("weeks_known")["cold_start"].all()
    assert cold["0"]
    assert cold["1-4"]
    assert not cold["14-26"]


def test_intervals_of_cold_starts_are_wider(methods, context, forecast_index, fitted, cold_start_forecasts):
    ridge = methods.root["ridge"]
    forecasts = forecast_all(ridge, context, forecast_index, fitted["ridge"])
    half_widths = learn_half_widths(ridge, context, INTERVALS, 8)
    mean_week = mean_weeks(forecasts, context)
    of_all = add_intervals(forecasts, mean_week, half_widths)
    of_cold = cold_start_half_widths(cold_start_forecasts, INTERVALS)
    own = add_intervals(forecasts, mean_week, half_widths, of_cold)
    cold = forecasts["cold_start"]
    pd.testing.assert_frame_equal(own[~cold], of_all[~cold])
    assert (own.loc[cold, "hi_80"] > of_all.loc[cold, "hi_80"]).all()
    assert (own["lo_80"] <= own["forecast"]).all()


def test_of_six_stores_no_history_is_cut_and_half_widths_are_learned_from_all(methods, context, panel):
    few = sorted(panel["store"].unique())[:6]
    small = panel[panel["store"].isin(few)]
    rows = forecast_cold_starts(
        methods.root["seasonal_naive"],
        with_tables(context, panel=context.data.panel[context.data.panel["store"].isin(few)]),
        small,
        8,
        PARAMS,
    )
    assert set(rows["weeks_known"]) == {MORE}
    assert cold_start_half_widths(rows[~rows["cold_start"]], INTERVALS).multiples["80"][""] > 0


def test_future_covariates_of_weeks_that_are_cut_off_are_cut_off_too(context, cutoff):
    covariates = context.data.panel[["store", "department", "week"]].assign(promotion=1.0)
    after = covariates[covariates["week"] == cutoff].assign(week=cutoff + pd.Timedelta(weeks=1))
    shortened, _ = shorten_histories(
        with_tables(context, future_covariates=pd.concat([covariates, after])), PARAMS
    )
    keys = ["store", "department", "week"]
    past = shortened.data.future_covariates[shortened.data.future_covariates["week"] <= cutoff]
    assert set(map(tuple, past[keys].to_numpy())) == set(map(tuple, shortened.data.panel[keys].to_numpy()))
    assert len(shortened.data.future_covariates) - len(past) == len(after)
