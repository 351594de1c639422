"""Backtest: what every method would have forecast in the past, with the actual turnover."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from datetime import date
from time import perf_counter
from typing import Annotated

import pandas as pd
from pydantic import AfterValidator, BaseModel, Field

from sales_forecast.errors import InputError
from sales_forecast.forecasting.evaluation.metrics import wape
from sales_forecast.forecasting.evaluation.past_forecasts import learn_half_widths
from sales_forecast.forecasting.features.context import ForecastContext, weeks_ahead
from sales_forecast.forecasting.intervals.conformal import (
    INTERVAL_COLUMNS,
    IntervalParams,
    add_intervals,
)
from sales_forecast.forecasting.methods.base import forecast_all
from sales_forecast.forecasting.methods.declare import Methods
from sales_forecast.forecasting.panel.matrix import ROW_KEYS

logger = logging.getLogger(__name__)


def _once_each(cutoffs: tuple[date, ...]) -> tuple[date, ...]:
    if len(set(cutoffs)) < len(cutoffs):
        raise ValueError("names a week twice")
    return cutoffs


Cutoffs = Annotated[tuple[date, ...], Field(min_length=1), AfterValidator(_once_each)]
"""Last weeks that a fold may use, each once."""


class BacktestParams(BaseModel, frozen=True, extra="forbid"):
    """Cutoffs and horizon of the backtest."""

    horizon_weeks: int = Field(gt=0)
    cutoffs: Cutoffs


def plan_cutoffs(
    panel: pd.DataFrame, backtest: BacktestParams, option: str = "turnover.backtest.cutoffs"
) -> list[pd.Timestamp]:
    """Check the cutoffs against the panel's weeks.

    Args:
        panel: ``store, department, week, turnover``; only its weeks matter.
        backtest: Cutoffs and horizon.
        option: Path of the cutoffs in the parameters, for messages.

    Returns:
        The cutoffs, oldest first.

    Raises:
        InputError: A cutoff is no week of the panel, or too late for its whole horizon to be known.
    """
    weeks = pd.date_range(panel["week"].min(), panel["week"].max(), freq="7D")
    last = weeks.max() - pd.Timedelta(weeks=backtest.horizon_weeks)
    cutoffs = sorted(pd.Timestamp(cutoff) for cutoff in backtest.cutoffs)
    unusable = [cutoff for cutoff in cutoffs if cutoff not in weeks or cutoff > last]
    if unusable:
        raise InputError(
            f"{option}: {len(unusable)} of {len(cutoffs)} cannot be used, e.g. "
            f"{unusable[0]:%Y-%m-%d}. A cutoff must be a week of the panel between {weeks.min():%Y-%m-%d} "
            f"and {last:%Y-%m-%d}, {backtest.horizon_weeks} weeks before its last."
        )
    return cutoffs


def backtest_fold(
    context: ForecastContext, methods: Methods, actuals: pd.DataFrame, intervals: IntervalParams
) -> Iterator[tuple[pd.DataFrame, float]]:
    """Forecast one fold with each method.

    Args:
        context: What is known at the fold's cutoff.
        methods: Candidates.
        actuals: ``store, department, week, turnover`` after the cutoff; turnover is used for scoring only.
        intervals: Past origins and nonconformity scale of the intervals.

    Yields:
        ``method, cutoff, store, department, week, horizon, turnover, forecast, lo_80, hi_80, lo_95, hi_95``,
        and the seconds it took to fit, forecast and learn the intervals; work that methods share counts for
        the first of them.
    """
    horizon_weeks = int(weeks_ahead(actuals, context.cutoff).max())
    for name, method in methods.root.items():
        start = perf_counter()
        half_widths = learn_half_widths(method, context, intervals, horizon_weeks)
        forecasts = forecast_all(method, context, actuals[ROW_KEYS], method.fit(context))
        forecasts = add_intervals(forecasts, context, half_widths, intervals)
        seconds = perf_counter() - start
        turnover = actuals["turnover"].to_numpy()
        logger.info(
            "%s after %s: WAPE %.3f in %.1f s",
            name,
            f"{context.cutoff:%Y-%m-%d}",
            wape(turnover, forecasts["forecast"].to_numpy()),
            seconds,
        )
        forecasts = forecasts.assign(method=name, cutoff=context.cutoff, turnover=turnover)
        columns = ["method", "cutoff", *ROW_KEYS, "horizon", "turnover", "forecast", *INTERVAL_COLUMNS]
        yield forecasts[columns], seconds
