"""Forecasts that a method would have made at past origins, and the half-widths that follow from them."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

import pandas as pd

from sales_forecast.errors import ShortHistoryError
from sales_forecast.forecasting.evaluation.forecaster import Forecaster, fit_and_forecast
from sales_forecast.forecasting.features.context import ForecastContext, actuals_after
from sales_forecast.forecasting.intervals.conformal import HalfWidths, learn_from_errors
from sales_forecast.forecasting.intervals.windows import IntervalParams, origin_weights
from sales_forecast.forecasting.methods.base import Method
from sales_forecast.forecasting.panel.matrix import ROW_KEYS


def past_forecasts(
    method: Method,
    context: ForecastContext,
    origins: Iterable[pd.Timestamp],
    horizon_weeks: int,
    forecaster: Forecaster = fit_and_forecast,
) -> Iterator[pd.DataFrame]:
    """Forecast at past origins what has come true since.

    Args:
        method: Method, which is fitted at each origin on what was known then.
        context: What is known at the cutoff.
        origins: Weeks before the cutoff.
        horizon_weeks: Number of weeks to forecast after each origin.
        forecaster: Fits and forecasts; a cache remembers.

    Yields:
        The forecasts of each origin with ``cutoff`` and ``turnover``; origins that the method cannot forecast
        at, or after which no turnover is known, are left out.
    """
    declared = method.plain().model_dump_json()
    for origin in origins:
        key = declared, origin, horizon_weeks
        if key not in context.past_forecasts:
            context.past_forecasts[key] = _forecast_at(method, context, origin, horizon_weeks, forecaster)
        if (past := context.past_forecasts[key]) is not None:
            yield past


def _forecast_at(
    method: Method,
    context: ForecastContext,
    origin: pd.Timestamp,
    horizon_weeks: int,
    forecaster: Forecaster,
) -> pd.DataFrame | None:
    actuals = actuals_after(context.data.panel, origin, horizon_weeks)
    if actuals.empty:
        return None
    try:
        forecasts = forecaster(method, context.as_of(origin), actuals[ROW_KEYS])
    except ShortHistoryError:
        return None
    return forecasts.assign(cutoff=origin, turnover=actuals["turnover"].to_numpy())


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
        intervals: Past origins, their weights, and the nonconformity scale.
        horizon_weeks: Number of weeks to forecast after each origin.
        forecaster: Fits and forecasts; a cache remembers.

    Raises:
        ShortHistoryError: No forecast can be made at any of the origins.
    """
    weights = origin_weights(context.raw.weeks, horizon_weeks, intervals)
    past = list(past_forecasts(method, context, weights, horizon_weeks, forecaster))
    if not past:
        raise ShortHistoryError(
            f"{len(context.raw.weeks)} weeks of history are too few for prediction intervals: at no origin "
            f"with {horizon_weeks} known weeks after it can a forecast be made. Bring more history, or "
            "forecast fewer weeks (turnover.backtest.horizon_weeks)."
        )
    rows = pd.concat(past, ignore_index=True)
    return learn_from_errors(
        rows.assign(weight=rows["cutoff"].map(weights)), intervals.scale_share, with_volatility=True
    )
