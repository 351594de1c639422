"""Past origins whose errors set the half-widths of intervals, and how much each counts."""

from __future__ import annotations

import math

import pandas as pd
from pydantic import BaseModel, Field

from sales_forecast.errors import InputError
from sales_forecast.forecasting.panel.matrix import WEEKS_PER_YEAR
from sales_forecast.forecasting.panel.windows import past_cutoffs


class IntervalParams(BaseModel, frozen=True, extra="forbid"):
    """From which past windows half-widths are learned.

    Errors shortly before the cutoff tell how good forecasts are today, those of the same weeks of past years
    how good they are in this season.
    """

    scale_share: float = Field(gt=0)
    """Share of a series' mean week that is added to the forecast in the nonconformity scale."""

    stride_weeks: int = Field(default=4, gt=0)
    """Weeks from one window to the next, on the grid of the backtest, whose folds they share."""

    recent_weeks: int = Field(default=16, gt=0)
    """Windows that begin so shortly before the cutoff count, the newest complete one in any case ..."""

    recent_half_life_weeks: float = Field(default=4, gt=0)
    """... each half as much as one that is so much newer."""

    season_width_weeks: int = Field(default=8, ge=0)
    """Windows so near to the season of the cutoff count too ..."""

    season_years: int = Field(default=2, ge=0)
    """... in so many past years ..."""

    season_weight: float = Field(default=0.5, ge=0)
    """... so much as a window of today, and less the farther they are from the season."""


SEASON_HALF_LIFE_WEEKS = 2 * WEEKS_PER_YEAR
"""A window counts half as much as one of the same season that is two years newer."""


OTHER_SEASON = 0.1
"""Weight of a window of today, of another season, among the errors of sums."""


def origin_weights(
    weeks: pd.DatetimeIndex, horizon_weeks: int, intervals: IntervalParams
) -> dict[pd.Timestamp, float]:
    """Choose past origins, and say how much the errors after each count.

    Args:
        weeks: Every week up to the cutoff.
        horizon_weeks: Weeks of a window; all of them are known.
        intervals: How many windows, and their weights.

    Returns:
        Origin -> weight above 0, oldest first; empty where history is no longer than a window.
    """
    if len(weeks) <= horizon_weeks:
        return {}
    cutoff = weeks.max()
    origins = past_cutoffs(weeks, horizon_weeks, intervals.stride_weeks)
    weights = {origin: _weight((cutoff - origin).days // 7, intervals) for origin in origins}
    newest = origins[-1]
    weights[newest] = weights[newest] or _recent((cutoff - newest).days // 7, intervals)
    return {origin: weight for origin, weight in weights.items() if weight > 0}


def window_weights(
    cutoffs: pd.Series[pd.Timestamp], today: pd.Timestamp, intervals: IntervalParams
) -> pd.Series[float]:
    """How much given windows count for half-widths of a cutoff; windows after it as those before it.

    There are fewer errors of sums than of series, so windows of other seasons count too, by ``OTHER_SEASON``.
    """
    ages = ((today - cutoffs).dt.days // 7).abs()
    weights = {
        age: _weight(age, intervals) + OTHER_SEASON * 0.5 ** (age / SEASON_HALF_LIFE_WEEKS)
        for age in ages.unique()
    }
    return ages.map(weights)


def _weight(age: int, intervals: IntervalParams) -> float:
    recent = _recent(age, intervals) if age <= intervals.recent_weeks else 0.0
    years = round(age / WEEKS_PER_YEAR)
    apart = abs(age - years * WEEKS_PER_YEAR)
    if not 1 <= years <= intervals.season_years or apart > intervals.season_width_weeks:
        return recent
    near = math.exp(-2 * (apart / max(1, intervals.season_width_weeks)) ** 2)
    return recent + intervals.season_weight * near * float(0.5 ** (age / SEASON_HALF_LIFE_WEEKS))


def _recent(age: int, intervals: IntervalParams) -> float:
    return float(0.5 ** (age / intervals.recent_half_life_weeks))


def refuse_origins_before(weeks: pd.DatetimeIndex, horizon_weeks: int, cutoff: pd.Timestamp) -> None:
    """Refuse a cutoff before which no window is known.

    Args:
        weeks: Every week of the history.
        horizon_weeks: Weeks of a window.
        cutoff: The first one that intervals are wanted at.

    Raises:
        InputError: Says how much history is needed.
    """
    if (known := int((weeks <= cutoff).sum())) <= horizon_weeks:
        raise InputError(
            f"turnover.backtest: before the cutoff {cutoff:%Y-%m-%d} there are {known} week(s) of history, "
            f"which begins at {weeks.min():%Y-%m-%d}; prediction intervals need a window of {horizon_weeks} "
            "weeks and a week before it. Name later cutoffs, or bring more history."
        )
