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

    @classmethod
    def of(cls, panel: pd.DataFrame, weeks: pd.DatetimeIndex) -> PanelMatrix:
        """Arrange a panel as a matrix, which takes a third of the time of ``pandas.DataFrame.pivot``.

        Args:
            panel: ``store, department, week, turnover``; rows of other weeks are left out.
            weeks: Columns of the matrix.

        Returns:
            The matrix, with ``store, department`` of its series in their order.

        Raises:
            ValueError: The panel has a week of a series twice.
        """
        groups = panel.groupby(SERIES_KEYS, observed=True)
        row, column = groups.ngroup().to_numpy(), weeks.get_indexer(pd.Index(panel["week"]))
        cells = (row * len(weeks) + column)[column >= 0]
        if len(cells) and np.bincount(cells).max() > 1:
            raise ValueError("the panel has a week of a series twice")
        turnover = np.full(groups.ngroups * len(weeks), np.nan)
        turnover[cells] = panel["turnover"].to_numpy(dtype=float)[column >= 0]
        series = groups.size().index.to_frame(index=False)
        return cls(series, weeks, turnover.reshape(len(series), len(weeks)))

    def position_of(self, rows: pd.DataFrame) -> Positions:
        """Position of the series of each row, -1 where the series has no history."""
        # made for each call: pandas completes an index when it is first asked, which is not safe in threads
        known = pd.MultiIndex.from_frame(self.series[SERIES_KEYS])
        wanted = pd.MultiIndex.from_frame(rows[SERIES_KEYS])
        return np.asarray(known.get_indexer(wanted), dtype=np.intp)
