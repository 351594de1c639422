"""Naive methods, which repeat the past: the baselines that every other method has to beat."""

from __future__ import annotations

import numpy as np
import pandas as pd
from pydantic import Field

from sales_forecast.forecasting.features.context import ForecastContext, repeat_last_year
from sales_forecast.forecasting.features.feature_groups import FeatureGroup
from sales_forecast.forecasting.methods.base import Fitted, Method
from sales_forecast.forecasting.panel.matrix import WEEKS_PER_YEAR, FloatArray, PanelMatrix


class SeasonalNaive(Method, frozen=True):
    """The same week of last year, as it was recorded."""

    def forecast(self, context: ForecastContext, forecast_index: pd.DataFrame, fitted: Fitted) -> FloatArray:
        """Repeat last year."""
        return repeat_last_year(context.raw, forecast_index, context.cutoff)

    def contributions(
        self, context: ForecastContext, forecast_index: pd.DataFrame, fitted: Fitted
    ) -> FloatArray:
        """Assign all of the forecast to last year's week."""
        contributions = np.zeros((len(forecast_index), len(FeatureGroup)))
        contributions[:, FeatureGroup.SAME_WEEK] = np.sqrt(
            np.maximum(self.forecast(context, forecast_index, fitted), 0)
        )
        return contributions


class GrowthNaive(Method, frozen=True):
    """The same level-adjusted week of last year, times the growth of the department over recent weeks."""

    growth_weeks: int = Field(gt=0, le=WEEKS_PER_YEAR)
    damping_weeks: float = Field(default=0, ge=0)
    """Number of average weeks without growth that are added to both sides, so that a few sales off season
    do not count as a trend."""

    def forecast(self, context: ForecastContext, forecast_index: pd.DataFrame, fitted: Fitted) -> FloatArray:
        """Repeat last year, times growth."""
        growth = department_growth(context.level_adjusted, self.growth_weeks, self.damping_weeks)
        grown = forecast_index["department"].map(growth).fillna(1.0).to_numpy()
        return repeat_last_year(context.level_adjusted, forecast_index, context.cutoff) * grown

    def contributions(
        self, context: ForecastContext, forecast_index: pd.DataFrame, fitted: Fitted
    ) -> FloatArray:
        """Assign last year's week to ``SAME_WEEK``, and what growth adds to ``RECENT``."""
        last_year = np.maximum(repeat_last_year(context.level_adjusted, forecast_index, context.cutoff), 0)
        contributions = np.zeros((len(forecast_index), len(FeatureGroup)))
        contributions[:, FeatureGroup.SAME_WEEK] = np.sqrt(last_year)
        grown = np.sqrt(np.maximum(self.forecast(context, forecast_index, fitted), 0))
        contributions[:, FeatureGroup.RECENT] = grown - contributions[:, FeatureGroup.SAME_WEEK]
        return contributions


def department_growth(matrix: PanelMatrix, weeks: int, damping_weeks: float = 0) -> pd.Series[float]:
    """Turnover of the latest weeks over that of the same weeks a year before, same stores only.

    Args:
        matrix: Level-adjusted turnover.
        weeks: Number of latest weeks that are compared.
        damping_weeks: Number of weeks of the department's yearly mean that are added to both sides.

    Returns:
        One ratio per department; 1 where a year of history is missing.
    """
    last = len(matrix.weeks)
    if last < WEEKS_PER_YEAR + weeks:
        return pd.Series(1.0, index=pd.Index(matrix.series["department"].unique()))
    now = matrix.turnover[:, last - weeks :]
    then = matrix.turnover[:, last - weeks - WEEKS_PER_YEAR : last - WEEKS_PER_YEAR]
    both = ~np.isnan(now) & ~np.isnan(then)
    mean_week = np.where(
        both.any(axis=1), np.nan_to_num(matrix.turnover[:, -WEEKS_PER_YEAR:]).mean(axis=1), 0
    )
    sums = pd.DataFrame(
        {
            "now": np.where(both, now, 0).sum(axis=1) + damping_weeks * mean_week,
            "then": np.where(both, then, 0).sum(axis=1) + damping_weeks * mean_week,
        }
    ).groupby(matrix.series["department"].to_numpy())
    ratio = sums["now"].sum() / sums["then"].sum()
    return ratio.where(np.isfinite(ratio) & (ratio > 0), 1.0)
