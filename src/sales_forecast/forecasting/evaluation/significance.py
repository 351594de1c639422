"""Whether one method is better than another beyond chance: tests on the same past forecasts.

A week that was hard to foresee was hard in all stores, and a store that sells in its own way does so every
week. So evidence is counted in weeks and stores, and not in rows: see ``PairedErrors.difference``.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from math import inf
from typing import Any

import numpy as np
import pandas as pd

from sales_forecast.errors import InputError
from sales_forecast.forecasting.evaluation.difference import Difference
from sales_forecast.forecasting.panel.matrix import ROW_KEYS, FloatArray, Positions

CHALLENGER, CHAMPION = "challenger", "champion"
"""Values of ``method`` where two models are compared."""

FORECAST_KEYS = ["cutoff", *ROW_KEYS]
"""Columns that identify a forecast of a backtest."""

BoolArray = np.ndarray[Any, np.dtype[np.bool_]]


@dataclass(frozen=True)
class PairedErrors:
    """Absolute errors of two methods on the same rows.

    Args:
        own: Absolute errors of the method, currency units, shape ``(rows,)``.
        other: Absolute errors of the other method on the same rows.
        turnover: Absolute actual turnover of the rows.
        week: Calendar week of each row, in weeks after the first.
        fold: Number of the window of each row, from 0, oldest first; windows are dependent only where they
            overlap.
        folds: Number of windows.
        store: Number of the store of each row, from 0; None where rows are sums over stores.
        pooled: WAPE is pooled over all rows, instead of the mean of the windows' WAPE.
    """

    own: FloatArray
    other: FloatArray
    turnover: FloatArray
    week: Positions
    fold: Positions
    folds: int
    store: Positions | None = None
    pooled: bool = False
    _weight: FloatArray = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        sold = np.bincount(self.fold, self.turnover, self.folds)
        if self.pooled:
            weight = np.full(len(self.fold), 1 / max(sold.sum(), 1e-9))
        else:  # windows in which nothing was sold have no WAPE
            weight = (np.where(sold > 0, 1 / np.maximum(sold, 1e-9), 0) / max((sold > 0).sum(), 1))[self.fold]
        object.__setattr__(self, "_weight", weight)

    @classmethod
    def of(cls, backtest: pd.DataFrame, method: str, other: str, by: list[str] | None = None) -> PairedErrors:
        """Pair the forecasts of two methods.

        Args:
            backtest: ``method, cutoff, store, department, week, turnover, forecast`` of both methods and, if
                ``by`` is given, its columns.
            method: Method whose errors count.
            other: Method that it is compared with.
            by: Errors are those of weekly sums over all rows by these columns; without it, of single series.

        Raises:
            InputError: The methods are not on the same rows with the same actual turnover.
        """
        own, others = (backtest[backtest["method"] == name] for name in (method, other))
        refuse_other_rows(own, others)
        if by is not None:
            keys = ["cutoff", "week", *by]
            own, others = (rows.groupby(keys)[["turnover", "forecast"]].sum() for rows in (own, others))
        else:
            own, others = (rows.set_index(FORECAST_KEYS).sort_index() for rows in (own, others))
        index = own.index.to_frame(index=False)
        cutoffs = np.sort(index["cutoff"].unique())
        return cls(
            own=(own["turnover"] - own["forecast"]).abs().to_numpy(dtype=float),
            other=(others["turnover"] - others["forecast"]).abs().to_numpy(dtype=float),
            turnover=own["turnover"].abs().to_numpy(dtype=float),
            week=((index["week"] - index["week"].min()).dt.days // 7).to_numpy(),
            fold=np.searchsorted(cutoffs, index["cutoff"].to_numpy()),
            folds=len(cutoffs),
            store=None if by is not None else index["store"].factorize()[0],
        )

    def where(self, rows: BoolArray) -> PairedErrors:
        """The same comparison on some of the rows."""
        return replace(
            self,
            own=self.own[rows],
            other=self.other[rows],
            turnover=self.turnover[rows],
            fold=self.fold[rows],
            week=self.week[rows],
            store=None if self.store is None else self.store[rows],
        )

    @property
    def sold(self) -> Positions:
        """Numbers of the windows in which anything was sold; the others are no evidence."""
        return np.flatnonzero(np.bincount(self.fold, self.turnover, self.folds) > 0)

    @property
    def spans(self) -> list[tuple[int, int]]:
        """First and last week of each window in which anything was sold."""
        return [(int(of.min()), int(of.max())) for of in (self.week[self.fold == one] for one in self.sold)]

    @property
    def apart(self) -> int:
        """Largest number of these windows that do not overlap."""
        count, end = 0, -1
        for first, last in self.spans:
            if first > end:
                count, end = count + 1, last
        return count

    def difference(self) -> Difference:
        """Measure the difference in WAPE and how certain it is.

        The variance is the sum of that between windows and that between stores, less that of stores within
        windows, which both contain; it is never taken to be smaller than either. The variance between windows
        is estimated by projections of the windows' differences on cosines: on all of them where no windows
        overlap, which is the usual variance of a mean; on the slow half where they do, because neighbours
        then share weeks and shocks.

        Source:
            Cameron, Gelbach and Miller (2011), Robust Inference With Multiway Clustering, Journal of Business
            & Economic Statistics 29(2), 238-249; Lazarus, Lewis, Stock and Watson (2018), HAR Inference, the
            same journal 36(4), 541-559: the cosines, and Student's distribution with as many degrees of
            freedom.
        """
        own, other = (float(self._weight @ errors) for errors in (self.own, self.other))
        influence = self._weight * (self.own - self.other - (own - other) * self.turnover)
        weeks = len(np.unique(self.week))
        variance, freedom = self._variance(influence)
        of_weeks = np.bincount(self.week, influence)
        independent = float(of_weeks @ of_weeks) * weeks / max(weeks - 1, 1)
        effective = weeks if variance == 0 else weeks * min(independent / variance, 1) if freedom else 1
        return Difference(
            wape=own - other,
            own=own,
            other=other,
            standard_error=float(np.sqrt(variance)) if freedom else inf,
            degrees_of_freedom=freedom,
            weeks=weeks,
            effective_weeks=float(effective),
        )

    def _variance(self, influence: FloatArray) -> tuple[float, int]:
        """Variance of the sum of all rows' influence, and its degrees of freedom; none with one window."""
        sold, folds, apart = self.sold, self.folds, self.apart
        cosines = apart - 1 if apart == len(sold) else apart // 2
        if cosines < 1:
            return inf, 0
        of_folds = np.bincount(self.fold, influence, folds).astype(np.float64)[sold]
        between_windows = _long_run_variance(of_folds[:, None], cosines)
        if self.store is None:
            return between_windows, cosines
        stores = int(self.store.max(initial=0)) + 1
        cell = self.fold * stores + self.store
        cells = np.bincount(cell, influence, folds * stores).astype(np.float64).reshape(folds, stores)[sold]
        present = np.bincount(self.store, minlength=stores) > 0
        if present.sum() < 2:
            return between_windows, cosines
        of_stores = cells.sum(axis=0)
        between_stores = float(of_stores @ of_stores) * present.sum() / (present.sum() - 1)
        both = between_windows + between_stores - _long_run_variance(cells, cosines)
        return max(both, between_windows, between_stores), min(cosines, int(present.sum()) - 1)


def _long_run_variance(columns: FloatArray, cosines: int) -> float:
    """Variance of the sum of each serially dependent column, added up; shape ``(folds, columns)``."""
    folds = len(columns)
    angle = np.pi / folds * np.outer(np.arange(1, cosines + 1), np.arange(folds) + 0.5)
    projections = np.sqrt(2 / folds) * np.cos(angle) @ columns
    return float(np.square(projections).sum()) * folds / cosines


def compare(backtest: pd.DataFrame, method: str, other: str, by: list[str] | None = None) -> Difference:
    """Compare the WAPE of two methods; for arguments and errors see ``PairedErrors.of``."""
    return PairedErrors.of(backtest, method, other, by).difference()


def compare_observations(own_errors: FloatArray, other_errors: FloatArray, actuals: FloatArray) -> Difference:
    """Compare two methods on observations that do not depend on each other.

    Args:
        own_errors: Actual minus forecast of the method, one per observation.
        other_errors: Actual minus forecast of the other method, for the same observations.
        actuals: What came true.
    """
    number = np.arange(len(actuals))
    own, other = np.abs(own_errors), np.abs(other_errors)
    errors = PairedErrors(
        *(own, other, np.abs(actuals)),
        week=number,
        fold=number,
        folds=len(number),
        pooled=True,
    )
    return errors.difference()


def refuse_other_rows(own: pd.DataFrame, others: pd.DataFrame) -> None:
    """Refuse to compare forecasts of other rows, or that were scored against other turnover.

    Args:
        own: ``cutoff, store, department, week, turnover`` of one method.
        others: The same of the other method.

    Raises:
        InputError: Says on how many rows they differ, with an example.
    """
    one, two = (rows[[*FORECAST_KEYS, "turnover"]].set_index(FORECAST_KEYS) for rows in (own, others))
    if one.index.has_duplicates or two.index.has_duplicates:
        raise InputError("a forecast is there twice, so two methods cannot be compared row by row")
    both = one.join(two, how="outer", lsuffix="_own", rsuffix="_other")
    unlike = both.index[~(both["turnover_own"] == both["turnover_other"])]
    if len(unlike):
        cutoff, store, department, week = unlike[0]
        raise InputError(
            f"the two methods are not on the same rows with the same turnover: {len(unlike)} of {len(both)} "
            f"differ (e.g. store {store}, department {department}, week {week:%Y-%m-%d}, forecast at "
            f"{cutoff:%Y-%m-%d}). Let both forecast the same files."
        )
