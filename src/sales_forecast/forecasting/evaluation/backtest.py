"""Backtest: what every method would have forecast in the past, with the actual turnover."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from datetime import date
from typing import Annotated

import numpy as np
import pandas as pd
from pydantic import AfterValidator, BaseModel, Field, model_validator

from sales_forecast.errors import InputError
from sales_forecast.forecasting.evaluation.forecaster import SECONDS, Forecaster, fit_and_forecast
from sales_forecast.forecasting.evaluation.metrics import wape
from sales_forecast.forecasting.evaluation.past_forecasts import learn_half_widths
from sales_forecast.forecasting.features.context import ForecastContext, weeks_ahead
from sales_forecast.forecasting.intervals.conformal import (
    INTERVAL_COLUMNS,
    add_intervals,
    continuous_ranked_probability_score,
    quantiles,
)
from sales_forecast.forecasting.intervals.windows import IntervalParams
from sales_forecast.forecasting.methods.declare import Methods
from sales_forecast.forecasting.panel.matrix import ROW_KEYS, SERIES_KEYS
from sales_forecast.forecasting.panel.windows import MIN_HISTORY_WEEKS, past_cutoffs

logger = logging.getLogger(__name__)


def _once_each(cutoffs: tuple[date, ...]) -> tuple[date, ...]:
    if len(set(cutoffs)) < len(cutoffs):
        raise ValueError("names a week twice")
    return cutoffs


Cutoffs = Annotated[tuple[date, ...], Field(min_length=1), AfterValidator(_once_each)]
"""Last weeks that a fold may use, each once."""


class BacktestParams(BaseModel, frozen=True, extra="forbid"):
    """Which weeks of the past are forecast again."""

    horizon_weeks: int = Field(gt=0)

    folds: int = Field(default=26, gt=0)
    """At most so many, the newest ones; fewer where history is short."""

    stride_weeks: int = Field(default=4, gt=0)
    """Weeks from one cutoff to the next, counted from a fixed week so that a later delivery keeps them."""

    after: date | None = None
    """Windows begin after this week; tuning sets it, whose windows end there."""

    cutoffs: Cutoffs | None = None
    """Fixed cutoffs instead of those planned from the data."""

    @model_validator(mode="after")
    def _no_fixed_window_that_tuning_has_seen(self) -> BacktestParams:
        seen = [cutoff for cutoff in self.cutoffs or () if self.after and cutoff < self.after]
        if seen:
            raise ValueError(
                f"cutoffs: the window after {seen[0]} begins before {self.after}, until when tuning has seen "
                "the data ('after'). Name later ones, or none"
            )
        return self


def plan_cutoffs(
    panel: pd.DataFrame, backtest: BacktestParams, option: str = "turnover.backtest"
) -> list[pd.Timestamp]:
    """Choose the last week that each fold may use.

    The newest complete window is always among them. The others lie on a fixed grid, so that a later delivery
    moves none of them; with a stride of at least a horizon, no windows overlap. A fold needs a year
    of history before the window that its intervals learn from; where not even the newest has as much, it is
    the only one. Windows that cannot be scored are left out: all stores were closed, or have new numbers.

    Args:
        panel: ``store, department, week, turnover``; the weeks alone will do, if its series stay.
        backtest: Number, stride and horizon of the folds, or fixed cutoffs.
        option: Path of the parameters, for messages.

    Returns:
        The cutoffs, oldest first.

    Raises:
        InputError: The history is shorter than a window, no window can be scored, a fixed cutoff cannot, is
            no week of the panel or too late for its whole horizon to be known, or no window begins after
            ``backtest.after``.
    """
    weeks = pd.date_range(panel["week"].min(), panel["week"].max(), freq="7D")
    newest = weeks.max() - pd.Timedelta(weeks=backtest.horizon_weeks)
    if newest not in weeks:
        raise InputError(
            f"{option}.horizon_weeks: the history has {len(weeks)} week(s), from {weeks.min():%Y-%m-%d} to "
            f"{weeks.max():%Y-%m-%d}; a window of {backtest.horizon_weeks} weeks and a week before it need "
            f"{backtest.horizon_weeks + 1}. Forecast fewer weeks, or bring more history."
        )
    usable = _usable(panel, weeks, backtest.horizon_weeks)
    if usable.empty:
        raise InputError(
            f"{option}: none of the windows of {backtest.horizon_weeks} weeks between {weeks.min():%Y-%m-%d} "
            f"and {weeks.max():%Y-%m-%d} can be scored: there is no series with turnover in a window and "
            "before it. Bring more history."
        )
    if backtest.cutoffs is not None:
        return _fixed(backtest.cutoffs, usable, backtest.horizon_weeks, f"{option}.cutoffs")
    first = weeks.min() + pd.Timedelta(weeks=MIN_HISTORY_WEEKS + backtest.horizon_weeks)
    *older, _ = past_cutoffs(weeks, backtest.horizon_weeks, backtest.stride_weeks)
    cutoffs = [cutoff for cutoff in (*(one for one in older if one >= first), newest) if cutoff in usable]
    if backtest.after is not None:
        cutoffs = [cutoff for cutoff in cutoffs if cutoff.date() >= backtest.after]
        if not cutoffs:
            raise InputError(
                f"{option}.after: no whole window of {backtest.horizon_weeks} weeks begins after "
                f"{backtest.after}; the history ends at {weeks.max():%Y-%m-%d}. Name an earlier week, or "
                "wait for newer data."
            )
    return cutoffs[-backtest.folds :]


def _usable(panel: pd.DataFrame, weeks: pd.DatetimeIndex, horizon_weeks: int) -> pd.DatetimeIndex:
    """Cutoffs with a whole horizon after them, in which a series has turnover that had a row before it."""
    whole = weeks[:-horizon_weeks]
    known = panel[panel["turnover"].notna()] if "turnover" in panel else panel
    first = known.groupby(SERIES_KEYS)["week"].transform("min") if "store" in known else weeks.min()
    rows = known[["week"]].assign(first=first).drop_duplicates()
    reach = pd.Timedelta(weeks=horizon_weeks)
    scored = [
        ((rows["first"] <= cutoff) & rows["week"].between(cutoff, cutoff + reach, inclusive="right")).any()
        for cutoff in whole
    ]
    return whole[np.array(scored, dtype=bool)]


def _fixed(cutoffs: Cutoffs, usable: pd.DatetimeIndex, horizon_weeks: int, option: str) -> list[pd.Timestamp]:
    wanted = sorted(pd.Timestamp(cutoff) for cutoff in cutoffs)
    unusable = [cutoff for cutoff in wanted if cutoff not in usable]
    if unusable:
        nearest = usable[usable.get_indexer(pd.DatetimeIndex(unusable), method="nearest")]
        examples = ", ".join(
            f"{cutoff:%Y-%m-%d} (nearest usable: {near:%Y-%m-%d})"
            for cutoff, near in zip(unusable[:3], nearest[:3], strict=True)
        )
        raise InputError(
            f"{option}: {len(unusable)} of {len(wanted)} cannot be used, e.g. {examples}. A cutoff must be "
            f"the first day of a week of the panel, a {usable[0]:%A} between {usable[0]:%Y-%m-%d} and "
            f"{usable[-1]:%Y-%m-%d}, {horizon_weeks} weeks before its last."
        )
    return wanted


def backtest_fold(
    context: ForecastContext,
    methods: Methods,
    actuals: pd.DataFrame,
    intervals: IntervalParams,
    forecaster: Forecaster = fit_and_forecast,
) -> Iterator[tuple[pd.DataFrame, float]]:
    """Forecast one fold with each method.

    Args:
        context: What is known at the fold's cutoff.
        methods: Candidates.
        actuals: ``store, department, week, turnover`` after the cutoff; turnover is used for scoring only.
        intervals: Past origins and nonconformity scale of the intervals.
        forecaster: Fits and forecasts; a cache remembers.

    Yields:
        ``method, cutoff, store, department, week, horizon, turnover, forecast, lo_80, hi_80, lo_95, hi_95,
        crps``, and the seconds it took to fit and forecast, when that was computed; work that methods share
        counts for the first of them.
    """
    horizon_weeks = int(weeks_ahead(actuals, context.cutoff).max())
    for name, method in methods.root.items():
        half_widths = learn_half_widths(method, context, intervals, horizon_weeks, forecaster)
        forecasts = forecaster(method, context, actuals[ROW_KEYS])
        seconds = float(forecasts.attrs.pop(SECONDS))
        forecasts = add_intervals(forecasts, forecasts["mean_week"], half_widths)
        turnover = actuals["turnover"].to_numpy()
        distribution = quantiles(forecasts, forecasts["mean_week"], half_widths)
        logger.info(
            "%s after %s: WAPE %.3f in %.1f s",
            name,
            f"{context.cutoff:%Y-%m-%d}",
            wape(turnover, forecasts["forecast"].to_numpy()),
            seconds,
        )
        forecasts = forecasts.assign(
            method=name,
            cutoff=context.cutoff,
            turnover=turnover,
            crps=continuous_ranked_probability_score(turnover, distribution),
        )
        columns = [
            "method",
            "cutoff",
            *ROW_KEYS,
            "horizon",
            "turnover",
            "forecast",
            *INTERVAL_COLUMNS,
            "crps",
        ]
        yield forecasts[columns], seconds
