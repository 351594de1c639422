"""The forecast context: what is known at a cutoff, and nothing more."""

import numpy as np
import pandas as pd
import pytest
from pandas.testing import assert_frame_equal

from contexts import NO_COVARIATES, with_tables
from sales_forecast.forecasting.features.context import ForecastContext, actuals_after, weeks_ahead
from sales_forecast.forecasting.panel.model_input import ModelInput

WEEKS = pd.date_range("2016-01-02", periods=5, freq="7D")


@pytest.fixture
def little_context(calendar, level_shifts) -> ForecastContext:
    """Store 2 opens in the second week and is unknown in the third; the cutoff is the fourth."""
    panel = pd.DataFrame(
        [(2, "bikes", WEEKS[1], 20.0), (2, "bikes", WEEKS[2], np.nan), (2, "bikes", WEEKS[3], 22.0)]
        + [(1, "bikes", week, float(10 + n)) for n, week in enumerate(WEEKS)],
        columns=["store", "department", "week", "turnover"],
    )
    stores = pd.DataFrame({"store": [3, 2, 1], "region": ["north", "south", "west"]})
    return ForecastContext.latest(ModelInput(panel, stores, calendar, NO_COVARIATES), level_shifts).as_of(
        WEEKS[3]
    )


def test_the_matrix_has_a_row_a_series_and_a_column_a_week_up_to_the_cutoff(little_context):
    matrix = little_context.raw
    assert matrix.series.to_dict("list") == {
        "store": [1, 2],
        "department": ["bikes", "bikes"],
        "region": ["west", "south"],
    }
    assert matrix.weeks.to_list() == WEEKS[:4].to_list()
    expected = [[10, 11, 12, 13], [np.nan, 20, np.nan, 22]]
    np.testing.assert_array_equal(matrix.turnover, expected)


def test_a_week_without_any_sales_is_unknown_and_not_skipped(little_context):
    panel = little_context.data.panel.query("week != @WEEKS[2]")
    matrix = with_tables(little_context, panel=panel).as_of(WEEKS[4]).raw
    assert matrix.weeks.to_list() == WEEKS.to_list()
    assert np.isnan(matrix.turnover[:, [2, 4]]).all()


def test_rows_find_their_series_and_a_new_series_has_no_position(little_context):
    wanted = pd.DataFrame({"store": [2, 1, 3, 1], "department": ["bikes", "bikes", "bikes", "boats"]})
    assert little_context.raw.position_of(wanted).tolist() == [1, 0, -1, -1]


def test_horizons_are_counted_from_the_cutoff():
    forecast_index = pd.DataFrame({"week": WEEKS})
    assert weeks_ahead(forecast_index, WEEKS[1]).tolist() == [-1, 0, 1, 2, 3]


def test_the_future_can_be_rewritten_without_the_past_noticing(context, context_of, panel, cutoff):
    past = panel["week"] <= cutoff
    rewritten = context_of(panel.assign(turnover=panel["turnover"].where(past, -1e6)))
    assert_frame_equal(rewritten.data.panel, context.data.panel)
    assert_frame_equal(rewritten.shifts, context.shifts)
    np.testing.assert_array_equal(rewritten.raw.turnover, context.raw.turnover)
    np.testing.assert_array_equal(rewritten.level_adjusted.turnover, context.level_adjusted.turnover)
    assert context.data.panel["week"].max() == cutoff


def test_the_order_of_rows_does_not_matter(context, context_of, panel):
    shuffled = context_of(panel.sample(frac=1, random_state=1))
    assert_frame_equal(shuffled.raw.series, context.raw.series)
    np.testing.assert_array_equal(shuffled.level_adjusted.turnover, context.level_adjusted.turnover)


def test_the_order_of_stores_does_not_matter(context, stores):
    shuffled = with_tables(context, stores=stores.sample(frac=1, random_state=1))
    assert_frame_equal(shuffled.raw.series, context.raw.series)


def test_level_adjustment_changes_the_weeks_before_a_shift_and_not_those_after_it(context):
    changed = context.level_adjusted.turnover != context.raw.turnover
    changed &= ~np.isnan(context.raw.turnover)
    assert not context.shifts.empty
    assert changed.any()
    assert not changed[:, context.raw.weeks >= context.shifts["week"].max()].any()


# --- earlier cutoffs --------------------------------------------------------------------------


def test_the_context_as_of_an_earlier_cutoff_is_that_of_a_panel_that_ends_there(
    context, context_of, panel, cutoff
):
    earlier = context.as_of(context.cutoff - pd.Timedelta(weeks=8))
    then = context_of(panel, cutoff - pd.Timedelta(weeks=8))
    assert earlier.cutoff == then.cutoff == pd.Timestamp("2017-06-10")
    assert_frame_equal(earlier.data.panel, then.data.panel)
    assert_frame_equal(earlier.shifts, then.shifts)
    np.testing.assert_array_equal(earlier.level_adjusted.turnover, then.level_adjusted.turnover)


def test_what_came_later_is_not_known_at_an_earlier_cutoff(context, context_of, panel, cutoff):
    then = cutoff - pd.Timedelta(weeks=52)
    rewritten = context_of(panel.assign(turnover=panel["turnover"].where(panel["week"] <= then, -1e6)))
    ours, theirs = (
        context.as_of(context.cutoff - pd.Timedelta(weeks=52)),
        rewritten.as_of(rewritten.cutoff - pd.Timedelta(weeks=52)),
    )
    assert ours.data.panel["week"].max() == then
    assert_frame_equal(theirs.data.panel, ours.data.panel)
    assert_frame_equal(theirs.shifts, ours.shifts)
    last = len(ours.raw.weeks) - 1
    ahead = np.arange(1, 9)
    np.testing.assert_array_equal(theirs.features.rows(last, ahead), ours.features.rows(last, ahead))


def test_a_level_shift_is_not_known_before_it_happened(context):
    assert len(context.shifts) > 0
    weeks_since = (context.cutoff - context.shifts["week"].min()).days // 7
    assert context.as_of(context.cutoff - pd.Timedelta(weeks=weeks_since + 1)).shifts.empty


def test_an_earlier_cutoff_may_be_reached_in_steps(context_of, panel, cutoff):
    def weeks_before(weeks: int) -> pd.Timestamp:
        return cutoff - pd.Timedelta(weeks=weeks)

    context = context_of(panel)
    stepwise, at_once = (
        context.as_of(weeks_before(8)).as_of(weeks_before(12)),
        context.as_of(weeks_before(12)),
    )
    assert stepwise.cutoff == at_once.cutoff
    assert_frame_equal(stepwise.data.panel, at_once.data.panel)


def test_at_the_first_week_one_week_is_known(little_context):
    first = little_context.as_of(WEEKS[0])
    assert first.data.panel["week"].unique().tolist() == [WEEKS[0]]


def test_actuals_are_of_series_that_had_begun(little_context):
    after_first = actuals_after(little_context.data.panel, WEEKS[0], 8)
    assert after_first["store"].tolist() == [1, 1, 1]  # store 2 opens a week later
    after_second = actuals_after(little_context.data.panel, WEEKS[1], 8).sort_values(["store", "week"])
    assert after_second["turnover"].tolist() == [12, 13, 22]  # and is unknown in the third
    assert actuals_after(little_context.data.panel, WEEKS[3], 8).empty


def test_the_tables_are_not_changed(context_of, panel):
    before = panel.copy()
    _ = context_of(panel).level_adjusted
    assert_frame_equal(panel, before)
