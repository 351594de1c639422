"""Arithmetic on a matrix of weeks, looking back from an origin."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from sales_forecast.forecasting.panel.matrix import WEEKS_PER_YEAR, FloatArray, Positions

_NEIGHBOUR_WEIGHTS = ((-1, 0.25), (0, 0.5), (1, 0.25))
"""Offset from a week -> its weight in the smoothed season."""


def lagged(values: FloatArray, weeks: Positions, lag: int, origin: int) -> FloatArray:
    """Values ``lag`` weeks before given weeks; a year or two nearer where history does not reach back.

    Where that week lies after the origin, the value of a year earlier takes its place.

    A missing value instead would distinguish old origins from recent ones, and a model would learn from when
    a row is instead of from the store.

    Args:
        values: One row per series, one column per week.
        weeks: Positions of the weeks to be forecast.
        lag: Number of weeks.
        origin: Position of the last week that may be used.

    Returns:
        Shape ``(series, len(weeks))``; NaN where no year is known.
    """
    week = weeks - lag
    for _ in range(round(lag / WEEKS_PER_YEAR) - 1):
        week = np.where(week < 0, week + WEEKS_PER_YEAR, week)
    week = np.where(week > origin, week - WEEKS_PER_YEAR, week)
    if (week > origin).any():
        raise ValueError(f"lag {lag} looks beyond the origin")
    return np.where(week >= 0, values[:, np.maximum(week, 0)], np.nan)


def window_mean(values: FloatArray, end: int, weeks: int) -> FloatArray:
    """Mean over the weeks up to ``end``; over fewer where history is shorter."""
    mean: FloatArray = values[:, max(0, end + 1 - weeks) : end + 1].mean(axis=1)
    return mean


def log_growth(values: FloatArray, origin: int, weeks: int) -> FloatArray:
    """Log ratio of the latest weeks to the same weeks a year before, within a factor of 8; 0 if unknown."""
    if origin + 1 - weeks - WEEKS_PER_YEAR < 0:
        return np.zeros(len(values))
    now, then = window_mean(values, origin, weeks), window_mean(values, origin - WEEKS_PER_YEAR, weeks)
    floor = 0.01 * window_mean(values, origin, WEEKS_PER_YEAR) + 1e-9
    return np.clip(np.log((now + floor) / (then + floor)), -2, 2)


def same_week_grown(
    values: FloatArray, weeks: Positions, lag: int, origin: int, growth_weeks: int
) -> FloatArray:
    """Values ``lag`` weeks before given weeks, times the growth of the latest weeks since then.

    Growth and value are taken from the same year, so a level shift since then cancels out. A twentieth of the
    year's mean, added to both sides, keeps weeks off season from producing a growth without a bound.

    Args:
        values: One row per series, one column per week.
        weeks: Positions of the weeks to be forecast.
        lag: Number of weeks.
        origin: Position of the last week that may be used.
        growth_weeks: Number of latest weeks whose mean is compared.

    Returns:
        Shape ``(series, len(weeks))``; NaN where history does not reach back so far.
    """
    if origin - lag - growth_weeks + 1 < 0:
        return np.full((len(values), len(weeks)), np.nan)
    damping = 0.05 * window_mean(values, origin, WEEKS_PER_YEAR) + 1e-9
    growth = (window_mean(values, origin, growth_weeks) + damping) / (
        window_mean(values, origin - lag, growth_weeks) + damping
    )
    return values[:, weeks - lag] * growth[:, None]


def smoothed_season(values: FloatArray, weeks: Positions, lags: Sequence[int], origin: int) -> FloatArray:
    """Weeks of past years and their neighbours, over the mean of the year before them; mean over the years.

    Args:
        values: One row per series, one column per week.
        weeks: Positions of the weeks to be forecast.
        lags: How many weeks back each past year is, nearest first.
        origin: Position of the last week that may be used.

    Returns:
        Shape ``(series, len(weeks))``; NaN where no past year has half a year before it.
    """
    years = []
    for lag in lags:
        if origin - lag - WEEKS_PER_YEAR // 2 + 1 < 0:
            break
        smoothed = sum(weight * lagged(values, weeks, lag + d, origin) for d, weight in _NEIGHBOUR_WEIGHTS)
        mean = window_mean(values, origin - lag, WEEKS_PER_YEAR)
        years.append(smoothed / np.maximum(mean, 1e-9)[:, None])
    return mean_known(years) if years else np.full((len(values), len(weeks)), np.nan)


def mean_known(matrices: list[FloatArray]) -> FloatArray:
    """Mean over those of equally shaped matrices that are known in a cell; NaN where none is known."""
    stacked = np.stack(matrices)
    known = ~np.isnan(stacked)
    total = np.where(known, stacked, 0).sum(axis=0)
    return np.where(known.any(axis=0), total / np.maximum(known.sum(axis=0), 1), np.nan)
