"""Forecasts of the past with all that scoring and intervals need, so that they can be kept."""

from __future__ import annotations

from collections.abc import Callable
from time import perf_counter

import pandas as pd

from sales_forecast.forecasting.features.context import ForecastContext, mean_weeks
from sales_forecast.forecasting.methods.base import Method, complete_forecasts

SECONDS = "seconds"
"""Attribute of a table of forecasts: what fitting and forecasting took."""

Forecaster = Callable[[Method, ForecastContext, pd.DataFrame], pd.DataFrame]
"""Fits a method and forecasts, as ``fit_and_forecast`` does."""


def fit_and_forecast(method: Method, context: ForecastContext, forecast_index: pd.DataFrame) -> pd.DataFrame:
    """Fit a method on what is known at a cutoff, and forecast.

    Args:
        method: The method.
        context: What is known at the cutoff.
        forecast_index: ``store, department, week``, weeks after the cutoff.

    Returns:
        As ``complete_forecasts``, with ``mean_week`` (currency units, see ``mean_weeks``), and with the
        ``seconds`` that fitting and forecasting took among the attributes.
    """
    start = perf_counter()
    forecasts = complete_forecasts(method.fit_and_forecast(context, forecast_index), context, forecast_index)
    seconds = perf_counter() - start
    forecasts = forecasts.assign(mean_week=mean_weeks(forecasts, context))
    forecasts.attrs[SECONDS] = seconds
    return forecasts
