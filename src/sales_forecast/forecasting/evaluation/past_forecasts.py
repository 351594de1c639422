"""Forecasts that a method would have made before a cutoff, and the prediction intervals that follow from them."""

from __future__ import annotations

import pandas as pd

from sales_forecast.errors import ShortHistoryError
from sales_forecast.forecasting.features.context import ForecastContext, actuals_after
from sales_forecast.forecasting.intervals.conformal import (
    HalfWidths,
    IntervalParams,
    PastForecast,
    half_widths_from,
)
from sales_forecast.forecasting.methods.base import Method, forecast_all
from sales_forecast.forecasting.panel.matrix import KEYS


def learn_half_widths(
    method: Method, context: ForecastContext, intervals: IntervalParams, horizon_weeks: int
) -> HalfWidths:
    """Learn the half-widths of prediction intervals from forecasts made at past origins.

    Args:
        method: Is fitted anew at each origin, on what was known then.
        context: The past up to the cutoff.
        intervals: Which origins, and the nonconformity scale.
        horizon_weeks: How many weeks ahead is forecast.

    Raises:
        ShortHistoryError: No forecast can be made at any of the origins.
    """
    past = [_forecast_before(method, context, weeks, horizon_weeks) for weeks in intervals.weeks_back]
    known = [forecast for forecast in past if forecast is not None]
    if not known:
        raise ShortHistoryError(
            f"{len(context.raw.weeks)} weeks of history are too few for prediction intervals: no forecast can "
            f"be made {min(intervals.weeks_back)} weeks before {context.cutoff:%Y-%m-%d}. Name nearer origins "
            "under turnover.intervals.weeks_back, or bring more history."
        )
    return half_widths_from(known, intervals)


def _forecast_before(
    method: Method, context: ForecastContext, weeks: int, horizon_weeks: int
) -> PastForecast | None:
    """The forecast made so many weeks before the cutoff; None where the method could not yet make one."""
    origin = context.cutoff - pd.Timedelta(weeks=weeks)
    if origin < context.data.first_week:
        return None
    actuals = actuals_after(context.data.panel, origin, horizon_weeks)
    if actuals.empty:
        return None
    past = context.as_of(origin)
    try:
        forecast = forecast_all(method, past, actuals[[*KEYS, "week"]], method.fit(past))
    except ShortHistoryError:
        return None
    return PastForecast(past, forecast.assign(turnover=actuals["turnover"].to_numpy()))
