"""Windows of the past, on a fixed grid so that a later delivery moves none of them."""

from __future__ import annotations

import pandas as pd

FIRST_GRID_WEEK = pd.Timestamp("2000-01-01")
"""Cutoffs lie a multiple of the stride after this week, give or take the day that weeks begin on."""

MIN_HISTORY_WEEKS = 52
"""A method that has seen less than a year cannot know the season that it forecasts."""


def past_cutoffs(weeks: pd.DatetimeIndex, horizon_weeks: int, stride_weeks: int) -> list[pd.Timestamp]:
    """Last weeks before windows that are known whole.

    The newest complete window is always among them. The others lie on a fixed grid; with a stride of at least
    a horizon, no windows overlap.

    Args:
        weeks: Every week of the history, at least one more than a window.
        horizon_weeks: Weeks of a window.
        stride_weeks: Weeks from one cutoff of the grid to the next.

    Returns:
        The cutoffs, oldest first; none but the newest has less than a year of history before it.
    """
    newest = weeks.max() - pd.Timedelta(weeks=horizon_weeks)
    on_grid = weeks[[weeks_since_grid(week, stride_weeks) == 0 for week in weeks]]
    apart = stride_weeks >= horizon_weeks  # then the newest overlaps no other, either
    latest = newest - pd.Timedelta(weeks=horizon_weeks if apart else 1)
    first = weeks.min() + pd.Timedelta(weeks=MIN_HISTORY_WEEKS)
    return [*on_grid[(on_grid >= first) & (on_grid <= latest)], newest]


def weeks_since_grid(week: pd.Timestamp, stride_weeks: int) -> int:
    """Weeks from the latest week of the grid to a given one; 0 if it is on the grid itself."""
    return (week - FIRST_GRID_WEEK).days // 7 % stride_weeks
