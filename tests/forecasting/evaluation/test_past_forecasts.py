"""Past forecasts: made at past origins without what came later, and the half-widths learned from them."""

import numpy as np
import pandas as pd
import pytest

from contexts import Hundred, missed_by, small_context
from sales_forecast.errors import InputError
from sales_forecast.forecasting.evaluation.past_forecasts import learn_half_widths, past_forecasts
from sales_forecast.forecasting.features.context import ForecastContext
from sales_forecast.forecasting.intervals.conformal import IntervalParams
from sales_forecast.forecasting.methods.base import Fitted
from sales_forecast.forecasting.panel.matrix import ROW_KEYS


def test_past_forecasts_stand_beside_the_turnover_of_their_weeks():
    context = small_context(np.arange(1.0, 61)[None, :])
    (near, far) = past_forecasts(Hundred(), context, [2, 59], horizon_weeks=3)
    assert near["horizon"].tolist() == [1, 2]
    assert near["turnover"].tolist() == [59, 60], "the third week is not known yet"
    assert far["turnover"].tolist() == [2, 3, 4]
    assert near["forecast"].eq(100).all()
    assert [*ROW_KEYS, "forecast", "turnover"] == [
        column for column in near if column not in ("horizon", "cold_start", "mean_week")
    ]


def test_each_past_forecast_is_made_without_actual_turnover():
    seen = []

    class Witness(Hundred, frozen=True):
        def forecast(
            self, context: ForecastContext, forecast_index: pd.DataFrame, fitted: Fitted
        ) -> np.ndarray:
            seen.append(
                (context.data.panel["week"].max(), forecast_index["week"].min(), forecast_index["week"].max())
            )
            assert "turnover" not in forecast_index
            return super().forecast(context, forecast_index, fitted)

    context = small_context(np.full((3, 60), 100.0))
    learn_half_widths(
        Witness(), context, IntervalParams(weeks_back=(4, 52), scale_share=0.1), horizon_weeks=8
    )
    back = [tuple((context.cutoff - week).days // 7 for week in weeks) for weeks in seen]
    assert back == [(4, 3, 0), (52, 51, 44)]


def test_an_origin_before_the_first_week_or_too_early_for_the_method_is_skipped():
    context = small_context(missed_by(*np.arange(1.0, 20)))
    near, far, early = (
        IntervalParams(weeks_back=back, scale_share=0.1) for back in ((1,), (1, 60, 500), (1, 59))
    )
    near_only = learn_half_widths(Hundred(), context, near, 8)
    assert learn_half_widths(Hundred(), context, far, 8) == near_only
    assert learn_half_widths(Hundred(), context, early, 8) != near_only
    assert learn_half_widths(Hundred(needs_weeks=2), context, early, 8) == near_only


def test_an_origin_after_which_nothing_is_known_is_skipped():
    turnover = missed_by(*np.arange(1.0, 20))
    turnover[:, 10:20] = np.nan
    context = small_context(turnover)
    near, gap, both = (IntervalParams(weeks_back=back, scale_share=0.1) for back in ((1,), (45,), (1, 45)))
    assert learn_half_widths(Hundred(), context, both, 1) == learn_half_widths(Hundred(), context, near, 1)
    with pytest.raises(InputError, match=r"turnover\.intervals\.weeks_back"):
        learn_half_widths(Hundred(), context, gap, 1)


@pytest.mark.parametrize(("weeks", "needed"), [(8, 1), (30, 23)])
def test_without_one_usable_origin_nearer_ones_are_suggested(weeks, needed):
    context = small_context(np.full((3, weeks), 100.0))
    intervals = IntervalParams(weeks_back=(52, 8), scale_share=0.1)
    refusal = (
        rf"{weeks} weeks of history are too few for prediction intervals: no forecast can be made 8 weeks before "
        r"2017-08-05\. Name nearer origins under turnover\.intervals\.weeks_back"
    )
    with pytest.raises(InputError, match=refusal):
        learn_half_widths(Hundred(needs_weeks=needed), context, intervals, 8)
