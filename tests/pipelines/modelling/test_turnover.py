"""Every candidate forecasts the past with nothing but what was known then."""

from datetime import date

import numpy as np
import pandas as pd
import pytest
from pandas.testing import assert_frame_equal

from contexts import NO_CACHE, NO_CALENDAR, NO_SHIFTS, NOTHING_AHEAD
from sales_forecast.contracts import Backtest
from sales_forecast.errors import InputError
from sales_forecast.forecasting.distributed import LOCAL
from sales_forecast.forecasting.evaluation.backtest import BacktestParams
from sales_forecast.forecasting.intervals.windows import IntervalParams
from sales_forecast.forecasting.methods.base import Method
from sales_forecast.forecasting.methods.blend import Blend
from sales_forecast.forecasting.methods.declare import Methods, OwnMethodsParams
from sales_forecast.forecasting.methods.naive import SeasonalNaive
from sales_forecast.forecasting.panel.model_input import ModelInput
from sales_forecast.pipelines.modelling.turnover import backtest_methods, check_plan

WEEKS = pd.date_range("2015-01-03", periods=70, freq="7D")
STORES = pd.DataFrame({"store": [1, 2, 3], "school_zone": "none"})


class BestWeekSoFar(Method, frozen=True):
    """Forecasts the highest turnover that it was fitted on: any look ahead would show."""

    def fit(self, context):
        return {"highest": float(context.data.panel["turnover"].max())}

    def forecast(self, context, forecast_index, fitted):
        return np.full(len(forecast_index), fitted["highest"])


INTERVALS = IntervalParams(scale_share=0.1)
RIDGE = {
    "type": "ridge",
    "max_horizon_weeks": 8,
    "origin_spacing_weeks": 3,
    "season_width_weeks": 8,
    "penalty": 1.0,
}
METHODS = Methods({"last_year": SeasonalNaive(), "highest": BestWeekSoFar()})


def _panel(store: int, first: int = 0) -> pd.DataFrame:
    """Turnover of the n-th week is n, so that every forecast can be counted."""
    numbers = np.arange(first, len(WEEKS))
    return pd.DataFrame({"store": store, "department": 88, "week": WEEKS[numbers], "turnover": numbers * 1.0})


def _backtest(panel: pd.DataFrame, *cutoffs: int, horizon_weeks: int = 2, methods: Methods = METHODS):
    params = BacktestParams(horizon_weeks=horizon_weeks, cutoffs=tuple(WEEKS[n].date() for n in cutoffs))
    backtest, seconds = backtest_methods(
        ModelInput(panel, STORES, NO_CALENDAR, NOTHING_AHEAD),
        *(params, methods, INTERVALS, NO_SHIFTS, LOCAL, NO_CACHE),
    )
    assert len(seconds) == len(cutoffs) * len(methods.root)
    assert (seconds["seconds"] > 0).all()
    return backtest


def test_every_method_forecasts_every_window_of_every_series_from_what_was_known():
    backtest = _backtest(pd.concat([_panel(1), _panel(2)]), 65, 60)
    Backtest.validate(backtest)
    assert len(backtest) == 2 * 2 * 2 * 2  # methods, windows, series, weeks
    rows = backtest[backtest["store"] == 1].set_index(["method", "cutoff", "horizon"])
    for cutoff in (60, 65):
        for horizon in (1, 2):
            last_year, highest = (rows.loc[(m, WEEKS[cutoff], horizon)] for m in ("last_year", "highest"))
            assert last_year["week"] == WEEKS[cutoff + horizon]
            assert last_year["turnover"] == cutoff + horizon
            assert last_year["forecast"] == cutoff + horizon - 52
            assert highest["forecast"] == cutoff


def test_rewriting_the_future_moves_no_forecast():
    panel = pd.concat([_panel(1), _panel(2)])
    rewritten = panel.assign(turnover=panel["turnover"].where(panel["week"] <= WEEKS[60], 1e6))
    original, changed = _backtest(panel, 60), _backtest(rewritten, 60)
    assert (changed["turnover"] == 1e6).all()
    actual = ["turnover", "crps"]
    assert_frame_equal(changed.drop(columns=actual), original.drop(columns=actual))


def test_a_store_that_was_not_open_yet_is_not_forecast():
    backtest = _backtest(pd.concat([_panel(1), _panel(2, first=61)]), 60, 65)
    assert backtest[backtest["store"] == 2]["cutoff"].unique().tolist() == [WEEKS[65]]


def test_a_week_in_a_gap_is_not_scored():
    panel = _panel(1)
    panel.loc[panel["week"] == WEEKS[61], "turnover"] = np.nan
    assert _backtest(panel, 60)["horizon"].unique().tolist() == [2]


@pytest.mark.parametrize("horizon_weeks", [1, 4])
def test_the_horizon_says_how_many_weeks_are_forecast(horizon_weeks):
    backtest = _backtest(_panel(1), 60, horizon_weeks=horizon_weeks)
    assert sorted(backtest["horizon"].unique()) == list(range(1, horizon_weeks + 1))


@pytest.mark.parametrize("cutoff", [WEEKS[68].date(), date(2016, 1, 1), date(2031, 1, 4)])
def test_a_cutoff_that_cannot_be_used_is_named_by_its_parameter(cutoff):
    params = BacktestParams(horizon_weeks=2, cutoffs=(WEEKS[60].date(), cutoff))
    with pytest.raises(InputError) as stopped:
        backtest_methods(
            ModelInput(_panel(1), STORES, NO_CALENDAR, NOTHING_AHEAD),
            params,
            METHODS,
            INTERVALS,
            NO_SHIFTS,
            LOCAL,
            NO_CACHE,
        )
    assert f"turnover.backtest.cutoffs: 1 of 2 cannot be used, e.g. {cutoff}" in str(stopped.value)
    assert f"between {WEEKS[0]:%Y-%m-%d} and {WEEKS[67]:%Y-%m-%d}" in str(stopped.value)


# --- what is refused before anything is computed -----------------------------------------------------


def _check(sales: pd.DataFrame, **options: object) -> None:
    backtest = BacktestParams(**{"horizon_weeks": 2, "folds": 3} | options)
    check_plan(sales, sales.head(0), STORES, backtest, METHODS, OwnMethodsParams(modules=(__name__,)))


def test_a_retailer_that_sold_nothing_is_told_so_at_once():
    with pytest.raises(InputError) as stopped:
        _check(_panel(1).assign(turnover=0.0))
    assert str(stopped.value) == (
        "turnover.columns.sales.turnover: all 70 week(s) from 2015-01-03 to 2016-04-30 have a turnover of 0, so "
        "there is nothing to forecast. Name the column that holds the turnover."
    )


def test_windows_without_sales_are_named_because_no_error_can_be_measured_in_them():
    sales = _panel(1)
    sales["turnover"] = sales["turnover"].where(sales["week"] <= WEEKS[59], 0)
    with pytest.raises(InputError) as stopped:
        _check(sales)
    assert "turnover.backtest: nothing was sold in any of the 3 window(s) of 2 weeks" in str(stopped.value)
    assert "2016-02-20 was the last week with sales" in str(stopped.value)
    _check(sales, cutoffs=[WEEKS[58].date(), WEEKS[67].date()])  # the first window still saw some
    _check(sales.assign(turnover=-sales["turnover"]), cutoffs=[WEEKS[58].date()])  # returns are sales, too


def test_a_method_of_a_module_that_models_may_not_name_is_refused_before_it_is_fitted():
    sales = _panel(1)
    blend = Methods({"blend": Blend(members={"last_year": SeasonalNaive(), "highest": BestWeekSoFar()})})
    with pytest.raises(InputError) as stopped:
        check_plan(sales, sales.head(0), STORES, BacktestParams(horizon_weeks=2), blend, OwnMethodsParams())
    assert str(stopped.value) == (
        "turnover.methods.blend.members.highest: a model with it could not be loaded again: "
        f"'{__name__}.BestWeekSoFar' is not imported: the configuration does not name the module "
        f"'{__name__}'. If it is yours, add it to models.method_modules in globals.yml"
    )


def test_weeks_beyond_the_horizon_of_a_method_are_refused_with_the_option_that_leaves_them_out():
    sales = _panel(1)
    wanted = sales.tail(1).assign(week=WEEKS[-1] + pd.Timedelta(weeks=13))
    ridge = Methods({"ridge": RIDGE})
    with pytest.raises(InputError) as stopped:
        check_plan(sales, wanted, STORES, BacktestParams(horizon_weeks=2), ridge, OwnMethodsParams())
    assert str(stopped.value) == (
        "turnover.methods.ridge.max_horizon_weeks: 8 is too few, the file of weeks to forecast "
        "(turnover.read.max_horizon_weeks leaves later ones out) wants 13"
    )
