"""How far turnover is from what was forecast, and whether that is unusual.

Single series err by much; the median over the stores of a department, or over the departments of a store,
hardly does.
"""

from __future__ import annotations

import numpy as np
import pandas as pd

from sales_forecast.forecasting.panel.matrix import WEEKS_PER_YEAR

SMALL_SHARE = 0.1
"""Share of a mean week that is added to both sides of a ratio: off season, small sums are no news."""

WEEKS_OF_LEVELS = 104
"""Weeks that say how far a level usually is from its forecast."""

FEWEST_LEVELS = 13
"""With fewer of them nothing is called unusual."""

LEVEL_FLOOR = 0.05
"""Smallest standard deviation of a level, in log units: a chain may be quiet by luck."""


def mean_weeks_of_departments(turnover: pd.DataFrame) -> pd.Series[float]:
    """Average turnover of a series in a week of the last year, by department, in currency units.

    Args:
        turnover: ``department, week, turnover``.
    """
    last_year = turnover[turnover["week"] > turnover["week"].max() - pd.Timedelta(weeks=WEEKS_PER_YEAR)]
    means: pd.Series[float] = last_year.groupby("department")["turnover"].mean()
    return means


def log_ratios(turnover: pd.Series, forecast: pd.Series, usual: pd.Series | float) -> pd.Series[float]:
    """log(turnover / forecast) of each row.

    Args:
        turnover: What was sold, in currency units; below zero counts as nothing.
        forecast: What was forecast for it.
        usual: What a store of the department sells in a mean week, as ``mean_weeks_of_departments`` returns
            it.
    """
    small = SMALL_SHARE * usual + 1e-9
    ratios = (turnover.clip(lower=0) + small) / (forecast + small)
    return pd.Series(np.log(ratios.to_numpy(dtype=float)), index=ratios.index)


def median_log_ratio(turnover: pd.Series, forecast: pd.Series, usual: float) -> float:
    """Median over stores of ``log_ratios``, of one department and week."""
    return float(np.median(log_ratios(turnover, forecast, usual)))


def standardised_level(level: float, past: pd.DataFrame, department: str) -> float | None:
    """Robust standard deviations of a level from the department's usual one; None with too little past.

    Args:
        level: As ``median_log_ratio`` returns it.
        past: ``department, week, median_log_ratio`` of weeks before.
        department: Whose level it is.
    """
    own = past[past["department"] == department].sort_values("week")["median_log_ratio"]
    found = standardised(pd.DataFrame({department: [*own, level]}))[department].to_numpy()[-1]
    return None if np.isnan(found) else float(found)


def usual_levels(levels: pd.DataFrame) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Say what was usual before each week, and by how much levels usually deviate from it.

    Usual is the median of the ``WEEKS_OF_LEVELS`` weeks before; the standard deviation is 1.4826 times their
    median absolute deviation, at least ``LEVEL_FLOOR``.

    Args:
        levels: Logarithmic levels, weeks in order x whose they are; NaN where there was none.

    Returns:
        Both with the same shape; NaN where fewer than ``FEWEST_LEVELS`` weeks before have a level.
    """
    values = levels.to_numpy(dtype=float)
    usual, deviations = np.full_like(values, np.nan), np.full_like(values, np.nan)
    for week in range(FEWEST_LEVELS, len(values)):
        past = values[max(0, week - WEEKS_OF_LEVELS) : week]
        enough = np.isfinite(past).sum(axis=0) >= FEWEST_LEVELS
        past = past[:, enough]
        usual[week, enough] = middle = np.nanmedian(past, axis=0)
        deviation = 1.4826 * np.nanmedian(np.abs(past - middle), axis=0)
        deviations[week, enough] = np.maximum(deviation, LEVEL_FLOOR)
    index, columns = levels.index, levels.columns
    return pd.DataFrame(usual, index, columns), pd.DataFrame(deviations, index, columns)


def standardised(levels: pd.DataFrame) -> pd.DataFrame:
    """Robust standard deviations of each level from the usual one of its column, see ``usual_levels``."""
    usual, deviations = usual_levels(levels)
    return (levels - usual) / deviations


def long_table(wide: pd.DataFrame, value: str, key: str) -> pd.DataFrame:
    """Return ``week``, key and value of a table of weeks x keys, without what is NaN."""
    rows = wide.rename_axis(index="week").melt(ignore_index=False, var_name=key, value_name=value)
    return rows.dropna(subset=value).reset_index()
