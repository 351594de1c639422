"""Turnover: what every candidate would have forecast."""

from __future__ import annotations

import logging

import pandas as pd
from narwhals.typing import IntoFrame
from rich.progress import track

from sales_forecast.errors import InputError
from sales_forecast.forecasting.distributed import FittingParams, prefit
from sales_forecast.forecasting.evaluation.backtest import (
    BacktestParams,
    backtest_fold,
    plan_cutoffs,
)
from sales_forecast.forecasting.evaluation.fold_cache import FoldCache, FoldCacheParams
from sales_forecast.forecasting.features.context import ForecastContext, actuals_after, weeks_ahead
from sales_forecast.forecasting.intervals.windows import (
    IntervalParams,
    origin_weights,
    refuse_origins_before,
)
from sales_forecast.forecasting.methods.base import Requirements
from sales_forecast.forecasting.methods.declare import Methods, OwnMethodsParams
from sales_forecast.forecasting.panel.level_shifts import LevelShiftParams
from sales_forecast.forecasting.panel.matrix import ROW_KEYS
from sales_forecast.forecasting.panel.model_input import ModelInput
from sales_forecast.pipelines.known_weeks import known_weeks_with_size

logger = logging.getLogger(__name__)


def check_plan(
    sales: IntoFrame,
    forecast_index: pd.DataFrame,
    stores: pd.DataFrame,
    backtest: BacktestParams,
    methods: Methods,
    own_methods: OwnMethodsParams,
) -> None:
    """Refuse what cannot work before anything is computed or written.

    Args:
        sales: For its weeks, and whether anything was sold in them.
        forecast_index: The weeks that are wanted.
        stores: For its columns.
        backtest: Cutoffs and horizon.
        methods: Candidates.
        own_methods: Modules of candidates that are not of this project.

    Raises:
        InputError: Names each impossible parameter; or nothing was sold in any window.
    """
    methods.refuse_unnamed_modules(own_methods)
    weeks = known_weeks_with_size(sales)
    horizon_weeks = {"turnover.backtest.horizon_weeks": backtest.horizon_weeks}
    if len(forecast_index):
        wanted = "the file of weeks to forecast (turnover.read.max_horizon_weeks leaves later ones out)"
        horizon_weeks[wanted] = int(weeks_ahead(forecast_index, weeks["week"].max()).max())
    methods.refuse_problems(Requirements(horizon_weeks, ["department", *stores.columns]))
    cutoffs = plan_cutoffs(weeks, backtest)
    known = pd.date_range(weeks["week"].min(), weeks["week"].max(), freq="7D")
    refuse_origins_before(known, backtest.horizon_weeks, cutoffs[0])
    _refuse_windows_without_sales(weeks, cutoffs, backtest.horizon_weeks)
    if backtest.cutoffs is None and len(cutoffs) < backtest.folds:
        logger.info(
            "turnover.backtest: %s of %s folds, the first after %s: before that there is less than a year of "
            "history, or tuning has seen the window.",
            *(len(cutoffs), backtest.folds, f"{cutoffs[0]:%Y-%m-%d}"),
        )


def _refuse_windows_without_sales(
    weeks: pd.DataFrame, cutoffs: list[pd.Timestamp], horizon_weeks: int
) -> None:
    """Errors are measured as shares of turnover, so that there are none where nothing was sold."""
    sold = weeks.loc[weeks["size"] > 0, "week"]
    if sold.empty:
        first, last = weeks["week"].min(), weeks["week"].max()
        raise InputError(
            f"turnover.columns.sales.turnover: all {len(weeks)} week(s) from {first:%Y-%m-%d} to "
            f"{last:%Y-%m-%d} have a turnover of 0, so there is nothing to forecast. Name the column that "
            "holds the turnover."
        )
    reach = pd.Timedelta(weeks=horizon_weeks)
    if not any(sold.between(cutoff, cutoff + reach, inclusive="right").any() for cutoff in cutoffs):
        raise InputError(
            f"turnover.backtest: nothing was sold in any of the {len(cutoffs)} window(s) of {horizon_weeks} "
            f"weeks, the newest after {cutoffs[-1]:%Y-%m-%d}, so no error can be measured; "
            f"{sold.max():%Y-%m-%d} was the last week with sales. End the history there with "
            "turnover.read.to_date, or name other windows under turnover.backtest.cutoffs."
        )


def backtest_methods(
    model_input: ModelInput,
    backtest: BacktestParams,
    methods: Methods,
    intervals: IntervalParams,
    level_shifts: LevelShiftParams,
    fitting: FittingParams,
    fold_cache: FoldCacheParams,
) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Let every candidate forecast every fold, each fitted on nothing after the fold's cutoff.

    Args:
        model_input: Past turnover, and what is known of stores and weeks.
        backtest: Cutoffs and horizon.
        methods: Candidates.
        intervals: How the width of intervals is learnt.
        level_shifts: How level shifts are found.
        fitting: Who fits.
        fold_cache: Where folds are that were computed before.

    Returns:
        ``method, cutoff, store, department, week, horizon, turnover, forecast, lo_80, hi_80, lo_95, hi_95``:
        one row a forecast; and ``method, cutoff, seconds``: what each fold took when it was computed.

    Raises:
        InputError: A cutoff cannot be used.
    """
    cutoffs = plan_cutoffs(model_input.panel, backtest)
    cache = FoldCache(fold_cache)
    today = ForecastContext.latest(model_input, level_shifts).changed(forecaster=cache.fit_and_forecast)
    weeks = today.raw.weeks
    new = [
        origin
        for cutoff in (cutoffs if fitting.engine != "local" else [])
        for origin in (cutoff, *origin_weights(weeks[weeks <= cutoff], backtest.horizon_weeks, intervals))
        if _is_new(origin, today.as_of(cutoff), today, backtest.horizon_weeks, methods, cache)
    ]
    methods = Methods(prefit(methods.root, today.as_of(cutoffs[-1]), new, fitting) if new else methods.root)
    forecasts: list[pd.DataFrame] = []
    durations: list[dict[str, object]] = []
    for cutoff in track(cutoffs, description="Backtest folds"):
        forecast_index = actuals_after(model_input.panel, cutoff, backtest.horizon_weeks)
        fold = backtest_fold(today.as_of(cutoff), methods, forecast_index, intervals, cache.fit_and_forecast)
        for name, (answer, seconds) in zip(methods.root, fold, strict=True):
            forecasts.append(answer)
            durations.append({"method": name, "cutoff": cutoff, "seconds": seconds})
    cache.trim()
    return pd.concat(forecasts, ignore_index=True), pd.DataFrame(durations)


def _is_new(
    origin: pd.Timestamp,
    fold: ForecastContext,
    today: ForecastContext,
    horizon_weeks: int,
    methods: Methods,
    cache: FoldCache,
) -> bool:
    """Whether a method must be fitted at an origin of a fold.

    Intervals learn from the weeks up to the fold's cutoff; the fold itself is scored on those after it.
    """
    known = today if origin == fold.cutoff else fold
    actuals = actuals_after(known.data.panel, origin, horizon_weeks)
    if actuals.empty:
        return False
    context = today.as_of(origin)
    return not all(cache.knows(method, context, actuals[ROW_KEYS]) for method in methods.root.values())
