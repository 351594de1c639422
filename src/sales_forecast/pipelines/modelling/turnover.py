"""Turnover: what every candidate would have forecast."""

from __future__ import annotations

import narwhals as nw
import pandas as pd
from narwhals.typing import IntoFrame
from rich.progress import track

from sales_forecast.forecasting.distributed import FittingParams, prefit
from sales_forecast.forecasting.evaluation.backtest import (
    BacktestParams,
    backtest_fold,
    plan_cutoffs,
)
from sales_forecast.forecasting.features.context import ForecastContext, actuals_after, weeks_ahead
from sales_forecast.forecasting.intervals.conformal import IntervalParams, origins, refuse_origins_before
from sales_forecast.forecasting.methods.base import Requirements
from sales_forecast.forecasting.methods.declare import Methods
from sales_forecast.forecasting.panel.level_shifts import LevelShiftParams
from sales_forecast.forecasting.panel.model_input import ModelInput


def check_plan(
    sales: IntoFrame,
    forecast_index: pd.DataFrame,
    stores: pd.DataFrame,
    backtest: BacktestParams,
    methods: Methods,
    intervals: IntervalParams,
) -> None:
    """Refuse what cannot work before anything is computed or written.

    Args:
        sales: For its weeks.
        forecast_index: The weeks that are wanted.
        stores: For its columns.
        backtest: Cutoffs and horizon.
        methods: Candidates.
        intervals: From which past origins their width is learnt.

    Raises:
        InputError: Names each impossible parameter.
    """
    weeks = nw.from_native(sales).lazy().select("week").unique().collect("pandas").to_pandas()
    horizon_weeks = {"turnover.backtest.horizon_weeks": backtest.horizon_weeks}
    if len(forecast_index):
        horizon_weeks["the file of weeks to forecast"] = int(
            weeks_ahead(forecast_index, weeks["week"].max()).max()
        )
    methods.refuse_problems(Requirements(horizon_weeks, ["department", *stores.columns]))
    refuse_origins_before(weeks["week"].min(), plan_cutoffs(weeks, backtest)[0], intervals)


def backtest_methods(
    model_input: ModelInput,
    backtest: BacktestParams,
    methods: Methods,
    intervals: IntervalParams,
    level_shifts: LevelShiftParams,
    fitting: FittingParams,
) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Let every candidate forecast every fold, each fitted on nothing after the fold's cutoff.

    Args:
        model_input: Past turnover, and what is known of stores and weeks.
        backtest: Cutoffs and horizon.
        methods: Candidates.
        intervals: How the width of intervals is learnt.
        level_shifts: How level shifts are found.
        fitting: Who fits.

    Returns:
        ``method, cutoff, store, department, week, horizon, turnover, forecast, lo_80, hi_80, lo_95, hi_95``:
        one row a forecast; and ``method, cutoff, seconds``: what each fold took.

    Raises:
        InputError: A cutoff cannot be used.
    """
    cutoffs = plan_cutoffs(model_input.panel, backtest)
    wanted = [origin for cutoff in cutoffs for origin in origins(cutoff, intervals)]
    today = ForecastContext.latest(model_input, level_shifts)
    methods = Methods(prefit(methods.root, today.as_of(cutoffs[-1]), wanted, fitting))
    forecasts: list[pd.DataFrame] = []
    durations: list[dict[str, object]] = []
    for cutoff in track(cutoffs, description="Backtest folds"):
        forecast_index = actuals_after(model_input.panel, cutoff, backtest.horizon_weeks)
        fold = backtest_fold(today.as_of(cutoff), methods, forecast_index, intervals)
        for name, (answer, seconds) in zip(methods.root, fold, strict=True):
            forecasts.append(answer)
            durations.append({"method": name, "cutoff": cutoff, "seconds": seconds})
    return pd.concat(forecasts, ignore_index=True), pd.DataFrame(durations)
