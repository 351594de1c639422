"""Past forecasts: made at past origins without what came later, and the half-widths learned from them."""

import numpy as np
import pandas as pd
import pytest

from contexts import Hundred, missed_by, small_context
from sales_forecast.errors import InputError
from sales_forecast.forecasting.evaluation.past_forecasts import learn_half_widths, past_forecasts
from sales_forecast.forecasting.features.context import ForecastContext
from sales_forecast.forecasting.intervals.windows import IntervalParams
from sales_forecast.forecasting.methods.base import Fitted
from sales_forecast.forecasting.panel.matrix import ROW_KEYS

INTERVALS = IntervalParams(scale_share=0.1)


def test_past_forecasts_stand_beside_the_turnover_of_their_weeks():
    context = small_context(np.arange(1.0, 61)[None, :])
    origins = [context.cutoff - pd.Timedelta(weeks=weeks) for weeks in (2, 59)]
    (near, far) = past_forecasts(Hundred(), context, origins, horizon_weeks=3)
    assert near["horizon"].tolist() == [1, 2]
    assert near["turnover"].tolist() == [59, 60], "the third week is not known yet"
    assert far["turnover"].tolist() == [2, 3, 4]
    assert near["forecast"].eq(100).all()
    assert [*ROW_KEYS, "forecast", "turnover"] == [
        column for column in near if column not in ("horizon", "raw", "cold_start", "mean_week", "cutoff")
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

    context = small_context(np.full((3, 120), 100.0))
    learn_half_widths(Witness(), context, INTERVALS, horizon_weeks=8)
    back = [tuple((context.cutoff - week).days // 7 for week in weeks) for weeks in seen]
    assert back[-1] == (8, 7, 0)
    assert all(wanted == [origin - 1, origin - 8] for origin, *wanted in back)


def test_an_origin_that_is_too_early_for_the_method_is_skipped():
    context = small_context(missed_by(*np.arange(1.0, 20), weeks=120))
    all_origins = learn_half_widths(Hundred(), context, INTERVALS, 8)
    recent = INTERVALS.model_copy(update={"season_years": 0})
    assert learn_half_widths(Hundred(needs_weeks=100), context, INTERVALS, 8) == learn_half_widths(
        Hundred(needs_weeks=100), context, recent, 8
    )
    assert learn_half_widths(Hundred(), context, recent, 8) != all_origins


def test_an_origin_after_which_nothing_is_known_is_skipped():
    turnover = np.full((19, 60), 100.0)
    turnover[:, -8:] = np.nan
    context = small_context(np.vstack([turnover, np.full((1, 60), 100.0)]))
    assert learn_half_widths(Hundred(), context, INTERVALS, 1).multiples["80"] == {
        "": pytest.approx(0, abs=1e-6)
    }


@pytest.mark.parametrize(("weeks", "needed"), [(8, 1), (30, 23)])
def test_without_one_usable_origin_more_history_is_asked_for(weeks, needed):
    context = small_context(np.full((3, weeks), 100.0))
    refusal = rf"{weeks} weeks of history are too few for prediction intervals: .* Bring more history"
    with pytest.raises(InputError, match=refusal):
        learn_half_widths(Hundred(needs_weeks=needed), context, INTERVALS, 8)
