"""Features of one forecast: the series' own past, its department's and region's, and the calendar.

Everything is divided by the series' own scale, so that one model can learn from small and large stores.
A feature at an origin uses no week after it.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np
import numpy.typing as npt
import pandas as pd

from sales_forecast.forecasting.market import Grid, Matrix

YEAR = 52
RECENT_WEEKS = (1, 2, 4, 8, 13, 26)
GROWTH_WEEKS = (4, 8, 13, 26)
LAGS = (50, 51, 52, 53, 54, 103, 104, 105, 156)
MIN_WEEKS = 5
"""A series needs so many weeks before its scale means anything."""

_CALENDAR = ("public_holiday_days", "school_holiday_days", "weeks_from_easter", "weeks_from_christmas")

Positions = npt.NDArray[np.intp]


@dataclass(frozen=True)
class FeatureSource:
    """A grid and a calendar, ready to be asked for features at any origin.

    Args:
        grid: Turnover at today's level.
        calendar: Holidays by week and school zone, reaching beyond the last target.
    """

    grid: Grid
    calendar: pd.DataFrame

    @cached_property
    def sold(self) -> Matrix:
        """Turnover with returns counted as zero, and unknown weeks filled from the department's profile.

        A store that opened last month gets a made-up last year: its department's, at its own size.
        """
        turnover = np.maximum(self.grid.turnover, 0)
        filled = turnover.copy()
        for members in _groups(self.grid.series, ["department"]):
            own = turnover[members]
            profile = np.nanmean(np.where(np.isnan(own).all(axis=0), 0, own), axis=0)
            known = np.where(np.isnan(own), 0, profile).sum(axis=1)
            share = np.nansum(own, axis=1) / np.where(known > 0, known, np.nan)
            filled[members] = np.where(np.isnan(own), np.nan_to_num(share)[:, None] * profile, own)
        return filled

    @cached_property
    def first_week(self) -> Positions:
        """Position of each series' first known week."""
        return np.asarray(np.argmax(~np.isnan(self.grid.turnover), axis=1), dtype=np.intp)

    @cached_property
    def peers(self) -> dict[str, Matrix]:
        """Turnover of the groups that each series belongs to, one row a series."""
        return {
            "department": self._summed(["department"]),
            "region": self._summed(["department", "region"]),
            "zone": self._summed(["department", "zone"]),
        }

    def _summed(self, columns: list[str]) -> Matrix:
        total = np.empty_like(self.sold)
        for members in _groups(self.grid.series, columns):
            total[members] = self.sold[members].sum(axis=0)
        return total

    @cached_property
    def days(self) -> dict[str, Matrix]:
        """Each calendar column as a matrix: series x all weeks of the calendar from the grid's first."""
        zones, zone_of = np.unique(self.grid.series["school_zone"].to_numpy(str), return_inverse=True)
        known = self.calendar[self.calendar["week"] >= self.grid.weeks[0]]
        return {
            column: known.pivot(index="school_zone", columns="week", values=column)
            .reindex(index=zones)
            .to_numpy(dtype=float)[zone_of]
            for column in _CALENDAR
        }

    def scale(self, origin: int) -> Matrix:
        """Mean weekly turnover of each series over its last year; NaN before it has ``MIN_WEEKS``."""
        start = max(0, origin + 1 - YEAR)
        window = np.maximum(self.grid.turnover[:, start : origin + 1], 0)
        known = ~np.isnan(window)
        count = known.sum(axis=1)
        mean = np.where(known, window, 0).sum(axis=1) / np.maximum(count, 1)
        return np.where((count >= MIN_WEEKS) & (mean > 0), mean, np.nan)

    def at(self, origin: int, horizons: Positions) -> dict[str, Matrix]:
        """All features of all series for the weeks ahead of one origin.

        Args:
            origin: Position in ``grid.weeks`` of the last week that may be seen.
            horizons: Weeks ahead, each at least 1 and at most 50.

        Returns:
            Name -> matrix, each of shape ``(series, horizons)``.
        """
        scale = self.scale(origin)[:, None]
        shape = (len(scale), len(horizons))
        target = origin + horizons
        features = {"horizon": horizons[None, :] * 1.0}
        features |= self._recent(origin, scale)
        features |= self._lags(origin, target, scale)
        features |= self._growth(origin)
        features["last_year_grown"] = features["lag_52"] * np.exp(features["growth_8_series"])
        features["last_year_grown_department"] = features["lag_52"] * np.exp(features["growth_8_department"])
        features |= self._profiles(origin, target)
        features |= self._calendar_days(target)
        features |= self._place(origin)
        return {name: np.broadcast_to(values, shape) for name, values in features.items()}

    def _recent(self, origin: int, scale: Matrix) -> dict[str, Matrix]:
        recent = {f"mean_{n}": _window_mean(self.sold, origin, n)[:, None] / scale for n in RECENT_WEEKS}
        year = self.sold[:, max(0, origin + 1 - YEAR) : origin + 1]
        return recent | {"spread": year.std(axis=1)[:, None] / scale}

    def _lags(self, origin: int, target: Positions, scale: Matrix) -> dict[str, Matrix]:
        return {f"lag_{lag}": _years_back(self.sold, target, lag, origin) / scale for lag in LAGS}

    def _growth(self, origin: int) -> dict[str, Matrix]:
        groups = {"series": self.sold} | self.peers
        return {
            f"growth_{n}_{name}": _log_growth(values, origin, n)[:, None]
            for name, values in groups.items()
            for n in GROWTH_WEEKS
        }

    def _profiles(self, origin: int, target: Positions) -> dict[str, Matrix]:
        """How the week stood out in the department and the region one and two years ago."""
        return {
            f"{name}_lag_{lag}": _years_back(self.peers[name], target, lag, origin)
            / np.maximum(_window_mean(self.peers[name], origin, YEAR), 1e-9)[:, None]
            for name in ("department", "region")
            for lag in (52, 104)
        }

    def _calendar_days(self, target: Positions) -> dict[str, Matrix]:
        now = {column: days[:, target] for column, days in self.days.items()}
        moved = {
            f"{column}_moved": days[:, target] - days[:, np.maximum(target - YEAR, 0)]
            for column, days in self.days.items()
            if column != "weeks_from_christmas"
        }
        weeks = self.grid.weeks[0] + pd.to_timedelta(target * 7, unit="D")
        return now | moved | {"day_of_year": weeks.dayofyear.to_numpy(dtype=float)[None, :]}

    def _place(self, origin: int) -> dict[str, Matrix]:
        return {
            "latitude": self.grid.series["latitude"].to_numpy(dtype=float)[:, None],
            "longitude": self.grid.series["longitude"].to_numpy(dtype=float)[:, None],
            "age_weeks": (origin - self.first_week + 1).astype(float)[:, None],
        }


def _groups(series: pd.DataFrame, columns: list[str]) -> list[Positions]:
    grouped = series.groupby(columns, sort=False, dropna=False)
    return [np.asarray(members, dtype=np.intp) for members in grouped.indices.values()]


def _years_back(values: Matrix, target: Positions, lag: int, origin: int) -> Matrix:
    """Values ``lag`` weeks before the targets; a year or two nearer where history does not reach back.

    Missing instead would tell old origins from new ones, and a model would learn the era, not the shop.
    """
    week = target - lag
    for _ in range(lag // YEAR - 1):
        week = np.where(week < 0, week + YEAR, week)
    if (week > origin).any():
        raise ValueError(f"lag {lag} looks beyond the origin")
    return np.where(week >= 0, values[:, np.maximum(week, 0)], np.nan)


def _window_mean(values: Matrix, end: int, weeks: int) -> Matrix:
    """Mean over the weeks up to ``end``; over fewer where history is shorter."""
    mean: Matrix = values[:, max(0, end + 1 - weeks) : end + 1].mean(axis=1)
    return mean


def _log_growth(values: Matrix, origin: int, weeks: int) -> Matrix:
    """Log ratio of the latest weeks to the same weeks a year before, within a factor of 8; 0 if unknown."""
    if origin + 1 - weeks - YEAR < 0:
        return np.zeros(len(values))
    now, then = _window_mean(values, origin, weeks), _window_mean(values, origin - YEAR, weeks)
    floor = 0.01 * _window_mean(values, origin, YEAR) + 1e-9
    return np.clip(np.log((now + floor) / (then + floor)), -2, 2)
