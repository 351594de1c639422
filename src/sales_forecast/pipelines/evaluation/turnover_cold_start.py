"""Turnover: the cold-start backtest of the selected method."""

from __future__ import annotations

import pandas as pd
from rich.progress import track

from sales_forecast.forecasting.distributed import FittingParams
from sales_forecast.forecasting.evaluation.backtest import BacktestParams, plan_cutoffs
from sales_forecast.forecasting.evaluation.cold_start_backtest import (
    KNOWN_WEEKS,
    MORE,
    ColdStartBacktestParams,
    forecast_cold_starts,
)
from sales_forecast.forecasting.evaluation.fold_cache import FoldCache, FoldCacheParams
from sales_forecast.forecasting.evaluation.metrics import score
from sales_forecast.forecasting.features.context import ForecastContext
from sales_forecast.forecasting.methods.declare import Methods
from sales_forecast.forecasting.panel.level_shifts import LevelShiftParams
from sales_forecast.forecasting.panel.model_input import ModelInput
from sales_forecast.pipelines.handovers import SelectedMethod


def backtest_cold_starts(
    model_input: ModelInput,
    selected_method: SelectedMethod,
    backtest: BacktestParams,
    methods: Methods,
    cold_start_backtest: ColdStartBacktestParams,
    level_shifts: LevelShiftParams,
    fitting: FittingParams,
    fold_cache: FoldCacheParams,
) -> pd.DataFrame:
    """Forecast stores of which the selected method sees no more than the last weeks.

    Args:
        model_input: Past turnover, and what is known of stores and weeks.
        selected_method: Whose forecasts are wanted.
        backtest: Cutoffs and horizon.
        methods: Candidates.
        cold_start_backtest: Which stores, and at how many cutoffs.
        level_shifts: How level shifts are found.
        fitting: Who fits.
        fold_cache: Where folds are that were computed before; the method learns from them.

    Returns:
        See ``forecasting.evaluation.cold_start_backtest.forecast_cold_starts``.
    """
    method = methods.root[selected_method.method]
    kept = FoldCache(fold_cache)
    today = ForecastContext.latest(model_input, level_shifts).changed(forecaster=kept.fit_and_forecast)
    cutoffs = plan_cutoffs(model_input.panel, backtest)[-cold_start_backtest.cutoffs :]
    folds = [
        forecast_cold_starts(
            method,
            today.as_of(cutoff),
            model_input.panel,
            backtest.horizon_weeks,
            cold_start_backtest,
            fitting,
        )
        for cutoff in track(cutoffs, description="Cold-start backtest")
    ]
    return pd.concat(folds, ignore_index=True)


def score_cold_starts(cold_start_forecasts: pd.DataFrame) -> pd.DataFrame:
    """Score forecasts by how many weeks of a store were known.

    Args:
        cold_start_forecasts: As ``backtest_cold_starts`` returns them.

    Returns:
        ``weeks_known, stores, rows, wape, mae, bias``; each store at each cutoff counts as one.
    """
    grouped = cold_start_forecasts.groupby("weeks_known")
    counts = grouped.agg(rows=("store", "size"))
    seen = cold_start_forecasts.drop_duplicates(["weeks_known", "cutoff", "store"])
    counts.insert(0, "stores", seen.groupby("weeks_known").size())
    scores = grouped[["turnover", "forecast"]].apply(lambda rows: pd.Series(score(rows)))
    table = counts.join(scores[["wape", "mae", "bias"]])
    order = [label for label in (*KNOWN_WEEKS, MORE) if label in table.index]
    return table.loc[order].reset_index()
