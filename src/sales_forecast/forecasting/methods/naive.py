"""Methods that repeat the past. Whatever does not beat them is not worth its keep."""

from __future__ import annotations

import numpy as np
import pandas as pd
from pydantic import Field

from sales_forecast.forecasting.features.context import ForecastContext, repeat_last_year
from sales_forecast.forecasting.features.groups import FeatureGroup
from sales_forecast.forecasting.methods.base import Fitted, Method
from sales_forecast.forecasting.panel.matrix import WEEKS_PER_YEAR, FloatArray, PanelMatrix


class SeasonalNaive(Method, frozen=True):
    """The same week of last year, as it was sold."""

    def forecast(self, context: ForecastContext, forecast_index: pd.DataFrame, fitted: Fitted) -> FloatArray:
        """Repeat last year."""
        return repeat_last_year(context.raw, forecast_index, context.cutoff)

    def contributions(
        self, context: ForecastContext, forecast_index: pd.DataFrame, fitted: Fitted
    ) -> FloatArray:
        """All of it is last year's week."""
        contributions = np.zeros((len(forecast_index), len(FeatureGroup)))
        contributions[:, FeatureGroup.SAME_WEEK] = np.sqrt(
            np.maximum(self.forecast(context, forecast_index, fitted), 0)
        )
        return contributions


class GrowthNaive(Method, frozen=True):
    """The same week of last year at today's level, times the department's growth over recent weeks."""

    growth_weeks: int = Field(gt=0, le=WEEKS_PER_YEAR)
    damping_weeks: float = Field(default=0, ge=0)
    """So many average weeks without growth are added to both sides: a few sales off season are no trend."""

    def forecast(self, context: ForecastContext, forecast_index: pd.DataFrame, fitted: Fitted) -> FloatArray:
        """Repeat last year, grown."""
        growth = department_growth(context.level_adjusted, self.growth_weeks, self.damping_weeks)
        grown = forecast_index["department"].map(growth).fillna(1.0).to_numpy()
        return repeat_last_year(context.level_adjusted, forecast_index, context.cutoff) * grown

    def contributions(
        self, context: ForecastContext, forecast_index: pd.DataFrame, fitted: Fitted
    ) -> FloatArray:
        """Last year's week, and what growth adds."""
        last_year = np.maximum(repeat_last_year(context.level_adjusted, forecast_index, context.cutoff), 0)
        contributions = np.zeros((len(forecast_index), len(FeatureGroup)))
        contributions[:, FeatureGroup.SAME_WEEK] = np.sqrt(last_year)
        grown = np.sqrt(np.maximum(self.forecast(context, forecast_index, fitted), 0))
        contributions[:, FeatureGroup.RECENT] = grown - contributions[:, FeatureGroup.SAME_WEEK]
        return contributions


def department_growth(matrix: PanelMatrix, weeks: int, damping_weeks: float = 0) -> pd.Series[float]:
    """Turnover of the latest weeks over that of the same weeks a year before, same stores only.

    Args:
        matrix: Turnover, at today's level.
        weeks: How many weeks count.
        damping_weeks: How many weeks of the department's yearly mean are added to both sides.

    Returns:
        One ratio a department; 1 where a year of history is missing.
    """
    last = len(matrix.weeks)
    if last < WEEKS_PER_YEAR + weeks:
        return pd.Series(1.0, index=pd.Index(matrix.series["department"].unique()))
    now = matrix.turnover[:, last - weeks :]
    then = matrix.turnover[:, last - weeks - WEEKS_PER_YEAR : last - WEEKS_PER_YEAR]
    both = ~np.isnan(now) & ~np.isnan(then)
    usual = np.where(both.any(axis=1), np.nan_to_num(matrix.turnover[:, -WEEKS_PER_YEAR:]).mean(axis=1), 0)
    sums = pd.DataFrame(
        {
            "now": np.where(both, now, 0).sum(axis=1) + damping_weeks * usual,
            "then": np.where(both, then, 0).sum(axis=1) + damping_weeks * usual,
        }
    ).groupby(matrix.series["department"].to_numpy())
    ratio = sums["now"].sum() / sums["then"].sum()
    return ratio.where(np.isfinite(ratio) & (ratio > 0), 1.0)
