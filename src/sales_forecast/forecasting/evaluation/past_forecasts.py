"""Forecasts that a method would have made at past origins, and the half-widths that follow from them."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

import pandas as pd

from sales_forecast.errors import ShortHistoryError
from sales_forecast.forecasting.evaluation.forecaster import Forecaster, fit_and_forecast
from sales_forecast.forecasting.features.context import ForecastContext, actuals_after
from sales_forecast.forecasting.intervals.conformal import (
    HalfWidths,
    IntervalParams,
    half_widths_from,
)
from sales_forecast.forecasting.methods.base import Method
from sales_forecast.forecasting.panel.matrix import ROW_KEYS


def past_forecasts(
    method: Method,
    context: ForecastContext,
    weeks_back: Iterable[int],
    horizon_weeks: int,
    forecaster: Forecaster = fit_and_forecast,
) -> Iterator[pd.DataFrame]:
    """Forecast at past origins what has come true since.

    Args:
        method: Method, which is fitted at each origin on what was known then.
        context: What is known at the cutoff.
        weeks_back: Weeks from each origin to the cutoff.
        horizon_weeks: Number of weeks to forecast after each origin.
        forecaster: Fits and forecasts; a cache remembers.

    Yields:
        The forecasts of each origin; origins that the method cannot forecast at, or after which no turnover
        is known, are left out.
    """
    for weeks in weeks_back:
        origin = context.cutoff - pd.Timedelta(weeks=weeks)
        actuals = actuals_after(context.data.panel, origin, horizon_weeks)
        if actuals.empty:
            continue
        known = context.as_of(origin)
        try:
            forecasts = forecaster(method, known, actuals[ROW_KEYS])
        except ShortHistoryError:
            continue
        yield forecasts.assign(turnover=actuals["turnover"].to_numpy())


def learn_half_widths(
    method: Method,
    context: ForecastContext,
    intervals: IntervalParams,
    horizon_weeks: int,
    forecaster: Forecaster = fit_and_forecast,
) -> HalfWidths:
    """Learn the half-widths of prediction intervals from forecasts made at past origins.

    Args:
        method: Method, which is fitted at each origin on what was known then.
        context: What is known at the cutoff.
        intervals: Past origins and nonconformity scale.
        horizon_weeks: Number of weeks to forecast after each origin.
        forecaster: Fits and forecasts; a cache remembers.

    Raises:
        ShortHistoryError: No forecast can be made at any of the origins.
    """
    past = list(past_forecasts(method, context, intervals.weeks_back, horizon_weeks, forecaster))
    if not past:
        raise ShortHistoryError(
            f"{len(context.raw.weeks)} weeks of history are too few for prediction intervals: no forecast "
            f"can be made {min(intervals.weeks_back)} weeks before {context.cutoff:%Y-%m-%d}. Name nearer "
            "origins under turnover.intervals.weeks_back, or bring more history."
        )
    return half_widths_from(pd.concat(past, ignore_index=True), intervals)
