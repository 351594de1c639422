"""Methods that repeat the past. Whatever does not beat them is not worth its keep."""

from __future__ import annotations

import numpy as np
import pandas as pd
from pydantic import Field

from sales_forecast.forecasting.level_shifts import WEEKS_PER_YEAR
from sales_forecast.forecasting.market import Grid, Market, Matrix, repeat_last_year
from sales_forecast.forecasting.method import Fitted, Method


class SeasonalNaive(Method, frozen=True):
    """The same week of last year, as it was sold."""

    def forecast(self, market: Market, targets: pd.DataFrame, fitted: Fitted) -> Matrix:
        """Repeat last year."""
        return repeat_last_year(market.as_sold, targets, market.cutoff)


class GrowthNaive(Method, frozen=True):
    """The same week of last year at today's level, times the department's growth over recent weeks."""

    growth_weeks: int = Field(gt=0, le=WEEKS_PER_YEAR)

    def forecast(self, market: Market, targets: pd.DataFrame, fitted: Fitted) -> Matrix:
        """Repeat last year, grown."""
        growth = department_growth(market.at_todays_level, self.growth_weeks)
        grown = targets["department"].map(growth).fillna(1.0).to_numpy()
        return repeat_last_year(market.at_todays_level, targets, market.cutoff) * grown


def department_growth(grid: Grid, weeks: int) -> pd.Series[float]:
    """Turnover of the latest weeks over that of the same weeks a year before, same stores only.

    Args:
        grid: Turnover, at today's level.
        weeks: How many weeks count.

    Returns:
        One ratio a department; 1 where a year of history is missing.
    """
    last = len(grid.weeks)
    if last < WEEKS_PER_YEAR + weeks:
        return pd.Series(1.0, index=pd.Index(grid.series["department"].unique()))
    now = grid.turnover[:, last - weeks :]
    then = grid.turnover[:, last - weeks - WEEKS_PER_YEAR : last - WEEKS_PER_YEAR]
    both = ~np.isnan(now) & ~np.isnan(then)
    sums = pd.DataFrame(
        {
            "now": np.where(both, now, 0).sum(axis=1),
            "then": np.where(both, then, 0).sum(axis=1),
        }
    ).groupby(grid.series["department"].to_numpy())
    ratio = sums["now"].sum() / sums["then"].sum()
    return ratio.where(np.isfinite(ratio) & (ratio > 0), 1.0)
