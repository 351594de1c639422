"""Methods that repeat the past. Whatever does not beat them is not worth its keep."""

from __future__ import annotations

import numpy as np
import pandas as pd
from pydantic import Field

from sales_forecast.forecasting.grid import WEEKS_PER_YEAR, Grid, Matrix
from sales_forecast.forecasting.market import Market, repeat_last_year
from sales_forecast.forecasting.method import Fitted, Method
from sales_forecast.forecasting.reasons import RECENT, ROOTS, SAME_WEEK


class SeasonalNaive(Method, frozen=True):
    """The same week of last year, as it was sold."""

    def forecast(self, market: Market, targets: pd.DataFrame, fitted: Fitted) -> Matrix:
        """Repeat last year."""
        return repeat_last_year(market.as_sold, targets, market.cutoff)

    def reasons(self, market: Market, targets: pd.DataFrame, fitted: Fitted) -> Matrix:
        """All of it is last year's week."""
        roots = np.zeros((len(targets), ROOTS))
        roots[:, SAME_WEEK] = np.sqrt(np.maximum(self.forecast(market, targets, fitted), 0))
        return roots


class GrowthNaive(Method, frozen=True):
    """The same week of last year at today's level, times the department's growth over recent weeks."""

    growth_weeks: int = Field(gt=0, le=WEEKS_PER_YEAR)
    damping_weeks: float = Field(default=0, ge=0)
    """So many average weeks without growth are added to both sides: a few sales off season are no trend."""

    def forecast(self, market: Market, targets: pd.DataFrame, fitted: Fitted) -> Matrix:
        """Repeat last year, grown."""
        growth = department_growth(market.at_todays_level, self.growth_weeks, self.damping_weeks)
        grown = targets["department"].map(growth).fillna(1.0).to_numpy()
        return repeat_last_year(market.at_todays_level, targets, market.cutoff) * grown

    def reasons(self, market: Market, targets: pd.DataFrame, fitted: Fitted) -> Matrix:
        """Last year's week, and what growth adds."""
        last_year = np.maximum(repeat_last_year(market.at_todays_level, targets, market.cutoff), 0)
        roots = np.zeros((len(targets), ROOTS))
        roots[:, SAME_WEEK] = np.sqrt(last_year)
        grown = np.sqrt(np.maximum(self.forecast(market, targets, fitted), 0))
        roots[:, RECENT] = grown - roots[:, SAME_WEEK]
        return roots


def department_growth(grid: Grid, weeks: int, damping_weeks: float = 0) -> pd.Series[float]:
    """Turnover of the latest weeks over that of the same weeks a year before, same stores only.

    Args:
        grid: Turnover, at today's level.
        weeks: How many weeks count.
        damping_weeks: How many weeks of the department's yearly mean are added to both sides.

    Returns:
        One ratio a department; 1 where a year of history is missing.
    """
    last = len(grid.weeks)
    if last < WEEKS_PER_YEAR + weeks:
        return pd.Series(1.0, index=pd.Index(grid.series["department"].unique()))
    now = grid.turnover[:, last - weeks :]
    then = grid.turnover[:, last - weeks - WEEKS_PER_YEAR : last - WEEKS_PER_YEAR]
    both = ~np.isnan(now) & ~np.isnan(then)
    usual = np.where(both.any(axis=1), np.nan_to_num(grid.turnover[:, -WEEKS_PER_YEAR:]).mean(axis=1), 0)
    sums = pd.DataFrame(
        {
            "now": np.where(both, now, 0).sum(axis=1) + damping_weeks * usual,
            "then": np.where(both, then, 0).sum(axis=1) + damping_weeks * usual,
        }
    ).groupby(grid.series["department"].to_numpy())
    ratio = sums["now"].sum() / sums["then"].sum()
    return ratio.where(np.isfinite(ratio) & (ratio > 0), 1.0)
