"""What every method would have forecast in the past, and what came true."""

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
from sales_forecast.forecasting.panel.matrix import KEYS

logger = logging.getLogger(__name__)


def _once_each(cutoffs: tuple[date, ...]) -> tuple[date, ...]:
    if len(set(cutoffs)) < len(cutoffs):
        raise ValueError("names a week twice")
    return cutoffs


Cutoffs = Annotated[tuple[date, ...], Field(min_length=1), AfterValidator(_once_each)]
"""Last weeks that may be seen, each once."""


class BacktestParams(BaseModel, frozen=True, extra="forbid"):
    """Which weeks the backtest may look at."""

    horizon_weeks: int = Field(gt=0)
    cutoffs: Cutoffs


def plan_cutoffs(
    panel: pd.DataFrame, backtest: BacktestParams, option: str = "turnover.backtest.cutoffs"
) -> list[pd.Timestamp]:
    """Check the cutoffs against the panel's weeks.

    Args:
        panel: For its weeks.
        backtest: Cutoffs and horizon.
        option: What the cutoffs are called in the parameters.

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
    context: ForecastContext, methods: Methods, forecast_index: pd.DataFrame, intervals: IntervalParams
) -> Iterator[tuple[pd.DataFrame, float]]:
    """Forecast one fold with each method.

    Args:
        context: The past up to the fold's cutoff.
        methods: Candidates.
        forecast_index: ``store, department, week, turnover`` after the cutoff; turnover is for scoring only.
        intervals: How the width of intervals is learnt.

    Yields:
        ``method, cutoff, store, department, week, horizon, turnover, forecast, lo_80, hi_80, lo_95, hi_95``,
        and the seconds it took to fit, forecast and learn the intervals; what methods share counts with the
        first of them.
    """
    for name, method in methods.root.items():
        start = perf_counter()
        half_widths = learn_half_widths(
            method, context, intervals, int(weeks_ahead(forecast_index, context.cutoff).max())
        )
        answer = forecast_all(method, context, forecast_index[[*KEYS, "week"]], method.fit(context))
        answer = add_intervals(answer, context, half_widths, intervals)
        seconds = perf_counter() - start
        answer["turnover"] = forecast_index["turnover"].to_numpy()
        logger.info(
            "%s after %s: WAPE %.3f in %.1f s",
            name,
            f"{context.cutoff:%Y-%m-%d}",
            wape(answer["turnover"].to_numpy(), answer["forecast"].to_numpy()),
            seconds,
        )
        answer = answer.assign(method=name, cutoff=context.cutoff)
        columns = ["method", "cutoff", *KEYS, "week", "horizon", "turnover", "forecast", *INTERVAL_COLUMNS]
        yield answer[columns], seconds
