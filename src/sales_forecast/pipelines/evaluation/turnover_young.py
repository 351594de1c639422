"""Turnover: how good the champion is where a store is young."""

from __future__ import annotations

from typing import Any

import pandas as pd
from rich.progress import track

from sales_forecast.forecasting.backtest import BacktestParams
from sales_forecast.forecasting.hidden_history import (
    KNOWN_WEEKS,
    MORE,
    HiddenHistoryParams,
    forecast_hidden,
)
from sales_forecast.forecasting.level_shifts import LevelShiftParams
from sales_forecast.forecasting.market import Market
from sales_forecast.forecasting.method import Methods
from sales_forecast.forecasting.metrics import score
from sales_forecast.forecasting.ranges import RangeParams
from sales_forecast.forecasting.workers import WorkersParams


def hide_history(
    panel: pd.DataFrame,
    stores: pd.DataFrame,
    calendar: pd.DataFrame,
    known_ahead: pd.DataFrame,
    champion: dict[str, Any],
    backtest: BacktestParams,
    methods: Methods,
    ranges: RangeParams,
    hidden_history: HiddenHistoryParams,
    level_shifts: LevelShiftParams,
    workers: WorkersParams,
) -> pd.DataFrame:
    """Let the champion forecast stores whose past is hidden from it.

    Args:
        panel: Gap-free weekly turnover.
        stores: Attributes.
        calendar: Holidays of past and future weeks.
        known_ahead: Columns of the retailer's own, of past and future weeks.
        champion: Whose forecasts are wanted.
        backtest: Cutoffs and horizon.
        methods: Candidates.
        ranges: What errors are measured in.
        hidden_history: Which stores, and at how many cutoffs.
        level_shifts: How level shifts are found.
        workers: Who fits.

    Returns:
        See ``forecasting.hidden_history.forecast_hidden``.
    """
    method = methods.root[champion["method"]]
    today = Market.of_today(panel, stores, calendar, level_shifts, known_ahead)
    cutoffs = sorted(map(pd.Timestamp, backtest.cutoffs))[-hidden_history.cutoffs :]
    folds = [
        forecast_hidden(
            method,
            today.at(cutoff),
            panel,
            backtest.horizon_weeks,
            hidden_history,
            ranges,
            workers,
        )
        for cutoff in track(cutoffs, description="Hidden history")
    ]
    return pd.concat(folds, ignore_index=True)


def score_young_stores(hidden_forecasts: pd.DataFrame) -> pd.DataFrame:
    """Score forecasts by how many weeks of a store were known.

    Args:
        hidden_forecasts: As ``hide_history`` returns them.

    Returns:
        ``weeks_known, stores, rows, wape, mae, bias``; each store at each cutoff counts as one.
    """
    grouped = hidden_forecasts.groupby("weeks_known")
    counts = grouped.agg(rows=("store", "size"))
    seen = hidden_forecasts.drop_duplicates(["weeks_known", "cutoff", "store"])
    counts.insert(0, "stores", seen.groupby("weeks_known").size())
    scores = grouped[["turnover", "forecast"]].apply(lambda rows: pd.Series(score(rows)))
    table = counts.join(scores[["wape", "mae", "bias"]])
    order = [label for label in (*KNOWN_WEEKS, MORE) if label in table.index]
    return table.loc[order].reset_index()
