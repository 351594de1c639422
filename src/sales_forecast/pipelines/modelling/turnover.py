"""Turnover: what every candidate would have forecast."""

from __future__ import annotations

from typing import Any

import narwhals as nw
import pandas as pd
from rich.progress import track

from sales_forecast.forecasting.backtest import (
    BacktestParams,
    backtest_fold,
    plan_cutoffs,
)
from sales_forecast.forecasting.level_shifts import LevelShiftParams
from sales_forecast.forecasting.market import Market, targets_after, weeks_ahead
from sales_forecast.forecasting.method import Methods, Needs
from sales_forecast.forecasting.ranges import RangeParams, origins, refuse_origins_before
from sales_forecast.forecasting.workers import WorkersParams, fit_ahead


def check_plan(
    sales: Any,
    targets: pd.DataFrame,
    stores: pd.DataFrame,
    backtest: BacktestParams,
    methods: Methods,
    ranges: RangeParams,
) -> None:
    """Refuse what cannot work before anything is computed or written.

    Args:
        sales: For its weeks.
        targets: The weeks that are wanted.
        stores: For its columns.
        backtest: Cutoffs and horizon.
        methods: Candidates.
        ranges: From which past origins their width is learnt.

    Raises:
        InputError: Names each impossible parameter.
    """
    weeks = nw.from_native(sales).lazy().select("week").unique().collect("pandas").to_pandas()
    horizon_weeks = {"turnover.backtest.horizon_weeks": backtest.horizon_weeks}
    if len(targets):
        horizon_weeks["the file of weeks to forecast"] = int(weeks_ahead(targets, weeks["week"].max()).max())
    methods.refuse_problems(Needs(horizon_weeks, ["department", *stores.columns]))
    refuse_origins_before(weeks["week"].min(), plan_cutoffs(weeks, backtest)[0], ranges)


def backtest_methods(
    panel: pd.DataFrame,
    stores: pd.DataFrame,
    calendar: pd.DataFrame,
    known_ahead: pd.DataFrame,
    backtest: BacktestParams,
    methods: Methods,
    ranges: RangeParams,
    level_shifts: LevelShiftParams,
    workers: WorkersParams,
) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Let every candidate forecast every fold, each fitted on nothing after the fold's cutoff.

    Args:
        panel: Gap-free weekly turnover.
        stores: Attributes.
        calendar: Holidays of past and future weeks.
        known_ahead: Columns of the retailer's own, of past and future weeks.
        backtest: Cutoffs and horizon.
        methods: Candidates.
        ranges: How the width of ranges is learnt.
        level_shifts: How level shifts are found.
        workers: Who fits.

    Returns:
        ``method, cutoff, store, department, week, horizon, turnover, forecast, lo_80, hi_80, lo_95, hi_95``:
        one row a forecast; and ``method, cutoff, seconds``: what each fold took.

    Raises:
        InputError: A cutoff cannot be used.
    """
    cutoffs = plan_cutoffs(panel, backtest)
    wanted = [origin for cutoff in cutoffs for origin in origins(cutoff, ranges)]
    today = Market.of_today(panel, stores, calendar, level_shifts, known_ahead)
    methods = Methods(fit_ahead(methods.root, today.at(cutoffs[-1]), wanted, workers))
    forecasts: list[pd.DataFrame] = []
    durations: list[dict[str, Any]] = []
    for cutoff in track(cutoffs, description="Backtest folds"):
        targets = targets_after(panel, cutoff, backtest.horizon_weeks)
        fold = backtest_fold(today.at(cutoff), methods, targets, ranges)
        for name, (answer, seconds) in zip(methods.root, fold, strict=True):
            forecasts.append(answer)
            durations.append({"method": name, "cutoff": cutoff, "seconds": seconds})
    return pd.concat(forecasts, ignore_index=True), pd.DataFrame(durations)
