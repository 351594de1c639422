"""Old stores taken for young ones: nothing of what is hidden is seen, and intervals of the young are wider."""

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
    hide,
)
from sales_forecast.forecasting.evaluation.past_forecasts import learn_half_widths
from sales_forecast.forecasting.intervals.conformal import IntervalParams, add_intervals
from sales_forecast.forecasting.methods.base import forecast_all

HIDDEN = ColdStartBacktestParams(share_of_stores=0.08, cutoffs=1, seed=1)
INTERVALS = IntervalParams(weeks_back=(8,), scale_share=0.1)


@pytest.fixture(scope="module")
def cold_start_forecasts(methods, context, panel) -> pd.DataFrame:
    return forecast_cold_starts(methods.root["ridge"], context, panel, 8, HIDDEN, INTERVALS)


def test_each_group_of_stores_keeps_as_many_weeks_as_it_is_called_by(context, cutoff):
    young, labels = hide(context, HIDDEN)
    left = young.data.panel
    assert labels.value_counts().drop(MORE).to_dict() == dict.fromkeys(KNOWN_WEEKS, 1)
    weeks = left.groupby("store")["week"].nunique().reindex(labels.index).fillna(0)
    for label, (fewest, most) in KNOWN_WEEKS.items():
        if label != "0" and 109 not in labels[labels == label].index:
            assert weeks[labels == label].between(fewest, most).all()
    assert weeks[labels == "0"].eq(0).all()


def test_stores_that_are_left_alone_keep_everything(context, cutoff):
    young, labels = hide(context, HIDDEN)
    left = young.data.panel
    alone = labels.index[labels == MORE]
    pd.testing.assert_frame_equal(
        left[left["store"].isin(alone)], context.data.panel[context.data.panel["store"].isin(alone)]
    )


def test_another_seed_and_another_cutoff_draw_other_stores(context, cutoff):
    def drawn(at: pd.Timestamp, seed: int) -> pd.Series:
        seen = context.as_of(at)
        return hide(seen, HIDDEN.model_copy(update={"seed": seed}))[1].sort_index()

    usual = drawn(cutoff, 1)
    pd.testing.assert_series_equal(usual, drawn(cutoff, 1))
    assert not usual.equals(drawn(cutoff, 2))
    assert not usual.equals(drawn(cutoff - pd.Timedelta(weeks=1), 1))


def test_what_is_hidden_does_not_matter(methods, context, context_of, panel, cutoff, cold_start_forecasts):
    left = hide(context, HIDDEN)[0].data.panel
    seen = panel.merge(left[["store", "department", "week"]].assign(seen=True), how="left")["seen"].notna()
    secret = (panel["week"] <= cutoff) & ~seen.to_numpy()
    assert secret.any()
    other = panel.assign(turnover=panel["turnover"].where(~secret, 5.0))
    again = forecast_cold_starts(methods.root["ridge"], context_of(other), other, 8, HIDDEN, INTERVALS)
    np.testing.assert_array_equal(again["forecast"], cold_start_forecasts["forecast"])


def test_series_of_fewer_than_five_weeks_are_marked(cold_start_forecasts):
    cold = cold_start_forecasts.groupby("weeks_known")["cold_start"].all()
    assert cold["0"]
    assert cold["1-4"]
    assert not cold["14-26"]


def test_ranges_of_cold_starts_are_wider(methods, context, forecast_index, fitted, cold_start_forecasts):
    ridge = methods.root["ridge"]
    answer = forecast_all(ridge, context, forecast_index, fitted["ridge"])
    half_widths = learn_half_widths(ridge, context, INTERVALS, 8)
    usual = add_intervals(answer, context, half_widths, INTERVALS)
    marked = add_intervals(
        answer, context, half_widths, INTERVALS, cold_start_half_widths(cold_start_forecasts)
    )
    cold = answer["cold_start"]
    pd.testing.assert_frame_equal(marked[~cold], usual[~cold])
    assert (marked.loc[cold, "hi_80"] > usual.loc[cold, "hi_80"]).all()
    assert (marked["lo_80"] <= marked["forecast"]).all()


def test_of_six_stores_none_is_hidden_and_ranges_are_learnt_from_all(methods, context, panel):
    few = sorted(panel["store"].unique())[:6]
    small = panel[panel["store"].isin(few)]
    rows = forecast_cold_starts(
        methods.root["seasonal_naive"],
        with_tables(context, panel=context.data.panel[context.data.panel["store"].isin(few)]),
        small,
        8,
        HIDDEN,
        INTERVALS,
    )
    assert set(rows["weeks_known"]) == {MORE}
    assert set(cold_start_half_widths(rows[~rows["cold_start"]])) == {"80", "95"}


def test_what_was_known_ahead_of_hidden_weeks_is_hidden_too(context, cutoff):
    ahead = context.data.panel[["store", "department", "week"]].assign(promotion=1.0)
    after = ahead[ahead["week"] == cutoff].assign(week=cutoff + pd.Timedelta(weeks=1))
    young, _ = hide(with_tables(context, future_covariates=pd.concat([ahead, after])), HIDDEN)
    keys = ["store", "department", "week"]
    past = young.data.future_covariates[young.data.future_covariates["week"] <= cutoff]
    assert set(map(tuple, past[keys].to_numpy())) == set(map(tuple, young.data.panel[keys].to_numpy()))
    assert len(young.data.future_covariates) - len(past) == len(after)
