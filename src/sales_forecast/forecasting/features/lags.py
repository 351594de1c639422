"""Arithmetic on a matrix of weeks, looking back from an origin."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from sales_forecast.forecasting.panel.matrix import WEEKS_PER_YEAR, FloatArray

Positions = npt.NDArray[np.intp]


def years_back(values: FloatArray, target: Positions, lag: int, origin: int) -> FloatArray:
    """Values ``lag`` weeks before the forecast index; a year or two nearer where history does not reach back.

    Missing instead would tell old origins from new ones, and a model would learn the era, not the shop.
    """
    week = target - lag
    for _ in range(round(lag / WEEKS_PER_YEAR) - 1):
        week = np.where(week < 0, week + WEEKS_PER_YEAR, week)
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


def same_week_grown(values: FloatArray, target: Positions, lag: int, origin: int, weeks: int) -> FloatArray:
    """Values ``lag`` weeks before the forecast index, times the growth of the latest weeks since then.

    Both growth and value are of the same year, so a level that has shifted since cancels out. A little of
    the year's mean on both sides keeps weeks off season from giving a growth out of nothing.

    Returns:
        Shape ``(series, forecast_index)``; NaN where history does not reach back so far.
    """
    if origin - lag - weeks + 1 < 0:
        return np.full((len(values), len(target)), np.nan)
    damping = 0.05 * window_mean(values, origin, WEEKS_PER_YEAR) + 1e-9
    growth = (window_mean(values, origin, weeks) + damping) / (
        window_mean(values, origin - lag, weeks) + damping
    )
    return values[:, target - lag] * growth[:, None]


def mean_known(parts: list[FloatArray]) -> FloatArray:
    """Mean of equally shaped matrices over those that are known at each place; NaN where none is."""
    stacked = np.stack(parts)
    known = ~np.isnan(stacked)
    total = np.where(known, stacked, 0).sum(axis=0)
    return np.where(known.any(axis=0), total / np.maximum(known.sum(axis=0), 1), np.nan)
