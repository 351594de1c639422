"""The past turnover of all series, prepared for features: gaps filled, summed over peers, scaled."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np
import pandas as pd

from sales_forecast.forecasting.panel.matrix import (
    WEEKS_PER_YEAR,
    BoolArray,
    FloatArray,
    PanelMatrix,
    Positions,
)

MIN_KNOWN_WEEKS = 5
"""A series needs so many known weeks before its scale means anything; with fewer it is a cold start."""


@dataclass(frozen=True)
class SeriesHistory:
    """The past turnover of all series, without gaps.

    Args:
        matrix: Turnover, raw or level-adjusted.
    """

    matrix: PanelMatrix

    @cached_property
    def filled(self) -> FloatArray:
        """Turnover with returns counted as zero, and unknown weeks filled from the department's profile.

        A store that opened last month gets an imputed last year: that of its department, at its own size.
        """
        turnover = np.maximum(self.matrix.turnover, 0)
        filled = turnover.copy()
        for members in _members_of(self.matrix.series, ["department"]):
            own = turnover[members]
            profile = np.nanmean(np.where(np.isnan(own).all(axis=0), 0, own), axis=0)
            known = np.where(np.isnan(own), 0, profile).sum(axis=1)
            share = np.nansum(own, axis=1) / np.where(known > 0, known, np.nan)
            filled[members] = np.where(np.isnan(own), np.nan_to_num(share)[:, None] * profile, own)
        return filled

    @cached_property
    def first_week(self) -> Positions:
        """Position of the first known week of each series."""
        return np.asarray(np.argmax(~np.isnan(self.matrix.turnover), axis=1), dtype=np.intp)

    @cached_property
    def peers(self) -> dict[str, FloatArray]:
        """Turnover of the groups that each series belongs to, one row per series.

        Each group also gets its own growth and season features in ``builder``.
        """
        return {
            "department": self._summed(["department"]),
            "region": self._summed(["department", "region"]),
            "zone": self._summed(["department", "zone"]),
        }

    def _summed(self, columns: list[str]) -> FloatArray:
        total = np.empty_like(self.filled)
        for members in _members_of(self.matrix.series, columns):
            total[members] = self.filled[members].sum(axis=0)
        return total

    def scale(self, origin: int) -> FloatArray:
        """Mean weekly turnover of each series over its last year.

        NaN where fewer than ``MIN_KNOWN_WEEKS`` weeks are known, or where the mean is zero.
        """
        mean, count = self._last_year(origin)
        return np.where((count >= MIN_KNOWN_WEEKS) & (mean > 0), mean, np.nan)

    def inactive(self, origin: int) -> BoolArray:
        """Which series have sold nothing for a year, so that they have no scale."""
        mean, count = self._last_year(origin)
        return (count >= MIN_KNOWN_WEEKS) & (mean <= 0)

    def _last_year(self, origin: int) -> tuple[FloatArray, Positions]:
        window = np.maximum(self.matrix.turnover[:, max(0, origin + 1 - WEEKS_PER_YEAR) : origin + 1], 0)
        known = ~np.isnan(window)
        count = np.asarray(known.sum(axis=1), dtype=np.intp)
        return np.where(known, window, 0).sum(axis=1) / np.maximum(count, 1), count


def _members_of(series: pd.DataFrame, columns: list[str]) -> list[Positions]:
    """Positions of the series of each group."""
    grouped = series.groupby(columns, sort=False, dropna=False)
    return [np.asarray(members, dtype=np.intp) for members in grouped.indices.values()]
