"""Methods that forecast quantiles, which makes prediction intervals of their own."""

from __future__ import annotations

from abc import abstractmethod

import numpy as np
import pandas as pd
from pydantic import Field

from sales_forecast.forecasting.features.context import ForecastContext
from sales_forecast.forecasting.intervals.conformal import PUBLISHED
from sales_forecast.forecasting.methods.base import Method, State
from sales_forecast.forecasting.panel.matrix import FloatArray, PanelMatrix

LEVELS = sorted({(100 + side * coverage) / 200 for coverage in PUBLISHED for side in (-1, 0, 1)})
"""Quantiles at the ends of the project's intervals, and the median."""


class QuantileMethod(Method[State], frozen=True):
    """A method whose forecast is the median of the quantiles that it predicts."""

    repair_level_shifts: bool
    """Learn from level-adjusted turnover; otherwise from turnover as it was recorded."""

    levels: tuple[float, ...] = Field(default=tuple(LEVELS), min_length=1)
    """Quantiles that it predicts, in ascending order; 0.5 is one of them."""

    @abstractmethod
    def forecast_quantiles(
        self, context: ForecastContext, forecast_index: pd.DataFrame, fitted: State
    ) -> FloatArray:
        """Forecast each quantile of each row, shape ``(len(forecast_index), len(levels))``."""

    def forecast(self, context: ForecastContext, forecast_index: pd.DataFrame, fitted: State) -> FloatArray:
        """Forecast the median of each row."""
        quantiles = self.forecast_quantiles(context, forecast_index, fitted)
        median: FloatArray = quantiles[:, self.levels.index(0.5)]
        return median

    def members(self, fitted: State) -> str | None:
        """What the forecasts were made of, in words; None if there is nothing to say."""
        return None

    def history(self, context: ForecastContext) -> PanelMatrix:
        """The panel matrix that the method learns from."""
        return context.level_adjusted if self.repair_level_shifts else context.raw


def add_details(
    method: Method, context: ForecastContext, forecasts: pd.DataFrame, fitted: State
) -> pd.DataFrame:
    """Add the intervals that a method predicts itself, and what it made its forecasts of.

    Args:
        method: Any method; to the forecasts of one without quantiles nothing is added.
        context: What is known at the cutoff.
        forecasts: ``store, department, week, forecast``.
        fitted: What ``method.fit`` returned.

    Returns:
        The forecasts with ``members`` and ``lo_80, hi_80, lo_95, hi_95``; NaN where the method has no
        forecast, no columns of an interval whose ends are not among its levels.
    """
    if not isinstance(method, QuantileMethod):
        return forecasts
    quantiles = np.sort(method.forecast_quantiles(context, forecasts, fitted), axis=1)
    columns: dict[str, FloatArray] = {}
    for coverage in PUBLISHED:
        ends = {"lo": (100 - coverage) / 200, "hi": (100 + coverage) / 200}
        if set(ends.values()) <= set(method.levels):
            for end, level in ends.items():
                columns[f"{end}_{coverage}"] = np.maximum(quantiles[:, method.levels.index(level)], 0)
    return forecasts.assign(**columns, members=method.members(fitted))
