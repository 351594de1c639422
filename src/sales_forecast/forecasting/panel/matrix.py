"""A panel as one matrix: series by weeks."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import pandas as pd

FloatArray = npt.NDArray[np.float64]
BoolArray = npt.NDArray[np.bool_]
Positions = npt.NDArray[np.intp]

SERIES_KEYS = ["store", "department"]
"""Columns that identify a series."""

ROW_KEYS = [*SERIES_KEYS, "week"]
"""Columns that identify a row of a panel, of a forecast index and of a table of forecasts."""

KEYS = SERIES_KEYS

WEEKS_PER_YEAR = 52


@dataclass(frozen=True)
class PanelMatrix:
    """A panel as a matrix.

    Args:
        series: ``store, department`` and the store's attributes, one row per series.
        weeks: Every week from the first to the cutoff.
        turnover: Currency units per week, NaN before a series begins, in its gaps and after its end;
            shape ``(len(series), len(weeks))``.
    """

    series: pd.DataFrame
    weeks: pd.DatetimeIndex
    turnover: FloatArray

    @property
    def last(self) -> int:
        """Position of the last week."""
        return len(self.weeks) - 1

    def position_of(self, rows: pd.DataFrame) -> Positions:
        """Position of the series of each row, -1 where the series has no history."""
        known = pd.MultiIndex.from_frame(self.series[SERIES_KEYS])
        wanted = pd.MultiIndex.from_frame(rows[SERIES_KEYS])
        return np.asarray(known.get_indexer(wanted), dtype=np.intp)
