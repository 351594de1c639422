"""A panel as one matrix: series by weeks."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import pandas as pd

FloatArray = npt.NDArray[np.float64]

KEYS = ["store", "department"]
WEEKS_PER_YEAR = 52


@dataclass(frozen=True)
class PanelMatrix:
    """A panel as a matrix.

    Args:
        series: ``store, department`` and the store's attributes, one row a series.
        weeks: Every week from the first to the cutoff.
        turnover: Currency units per week, NaN before a series begins, in its gaps and after its end;
            shape ``(len(series), len(weeks))``.
    """

    series: pd.DataFrame
    weeks: pd.DatetimeIndex
    turnover: FloatArray

    def position_of(self, forecast_index: pd.DataFrame) -> npt.NDArray[np.intp]:
        """Row of each target's series, -1 where the series has no history."""
        known = pd.MultiIndex.from_frame(self.series[KEYS])
        wanted = pd.MultiIndex.from_frame(forecast_index[KEYS])
        return np.asarray(known.get_indexer(wanted), dtype=np.intp)
