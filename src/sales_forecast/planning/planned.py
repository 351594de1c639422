"""The plan: forecasts with the planned numbers beside them, spread over series and weeks."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import date

import numpy as np
import pandas as pd

from sales_forecast.forecasting.panel.matrix import FloatArray, Positions
from sales_forecast.planning.overrides import Kind, Override, Scope

NOTHING = 1e-9
"""Currency units per week; forecasts of a scope that add up to less have no proportions."""

NO_LABEL = -2
"""Number of a label that no row has; -1 is that of rows without a label."""

Labels = np.ndarray[tuple[int], np.dtype[np.object_]]

PLANNED_COLUMNS = ["planned", "factor", "override"]


class Series:
    """The rows of a table of forecasts, for finding those of a scope.

    Args:
        forecasts: ``store, department, week, forecast`` in currency units per week, and ``region`` where it
            is known.
    """

    def __init__(self, forecasts: pd.DataFrame) -> None:
        self.forecast: FloatArray = forecasts["forecast"].to_numpy(dtype=np.float64)
        self.week = pd.to_datetime(forecasts["week"]).to_numpy(dtype="datetime64[D]")
        self.store, self.department = (_texts(forecasts[name]) for name in ("store", "department"))
        has_region = "region" in forecasts
        self.region = _texts(forecasts["region"]) if has_region else np.full(len(forecasts), None, object)
        self._week_codes: Positions = np.unique(self.week, return_inverse=True)[1]
        # numbers are compared in place of labels: a plan has many rows, and may have many overrides
        self._codes: dict[str, Positions] = {}
        self._numbers: dict[str, dict[str, int]] = {}
        for name in Scope.__dataclass_fields__:
            self._codes[name], labels = pd.factorize(getattr(self, name))
            self._numbers[name] = {label: number for number, label in enumerate(labels)}
        places = pd.Series(np.arange(len(forecasts))).groupby(self._codes["store"]).indices
        self._of_store: dict[object, Positions] = {
            store: np.asarray(rows, dtype=np.int64) for store, rows in places.items()
        }

    def has(self, name: str, label: str) -> bool:
        """Whether there is a row with a label.

        Args:
            name: ``store``, ``department`` or ``region``.
            label: What it would be called.
        """
        return label in self._numbers[name]

    def rows_of(
        self, scope: Scope, week_from: date, week_to: date, stores: Iterable[str] | None = None
    ) -> Positions:
        """Positions of the rows of a scope and of some weeks, in their order.

        Args:
            scope: Series.
            week_from: First day of the first week.
            week_to: First day of the last week.
            stores: Stores that count; None for all.
        """
        rows: Positions = np.arange(len(self.week))
        if scope.store is not None:
            rows = self._of_store.get(self._number("store", scope.store), rows[:0])
        for name in ("department", "region"):
            if (label := getattr(scope, name)) is not None:
                rows = rows[self._codes[name][rows] == self._number(name, label)]
        first, last = np.datetime64(week_from), np.datetime64(week_to)
        rows = rows[(self.week[rows] >= first) & (self.week[rows] <= last)]
        if stores is None:
            return rows
        numbers = self._numbers["store"]
        counts = np.zeros(len(numbers), dtype=bool)
        counts[[numbers[store] for store in stores if store in numbers]] = True
        return rows[counts[self._codes["store"][rows]]]

    def _number(self, name: str, label: str) -> int:
        return self._numbers[name].get(label, NO_LABEL)

    def spread(self, rows: Positions, kind: Kind, value: float) -> FloatArray:
        """Planned turnover of some rows: in proportion to their forecasts, equally where all are zero.

        Args:
            rows: Positions of the rows of a scope.
            kind: Whether the value is a number per week of the whole scope, or per cent.
            value: Currency units per week, or per cent.
        """
        forecast = self.forecast[rows]
        if kind == "percent":
            return forecast * (1 + value / 100)
        week = self._week_codes[rows]
        total, count = np.bincount(week, forecast)[week], np.bincount(week)[week]
        share = np.where(total > NOTHING, forecast / np.where(total > NOTHING, total, 1.0), 1 / count)
        return np.asarray(value * share, dtype=np.float64)


def _texts(labels: pd.Series) -> Labels:
    """Labels as text, unknown ones as None."""
    texts: Labels = np.array(labels.astype(str), dtype=object)
    texts[labels.isna().to_numpy()] = None
    return texts


def planned_rows(forecasts: pd.DataFrame, overrides: Sequence[Override]) -> pd.DataFrame:
    """Put the planned number beside each forecast: of several overrides, the newest one counts.

    Args:
        forecasts: ``store, department, week, forecast`` in currency units per week, of one publication, and
            ``region`` where it is known; further columns are kept.
        overrides: Those that are active, in any order; see ``Override.is_active``.

    Returns:
        The rows in their order, with ``planned`` in currency units per week, ``factor``, which is planned
        over forecast (1 where there is no override, 0 where the forecast is 0 and there is one; see
        ``planning.scaling``), and ``override``, the number of the override or None.
    """
    series = Series(forecasts)
    planned, number = series.forecast.copy(), np.full(len(forecasts), None, dtype=object)
    is_overridden = np.zeros(len(forecasts), dtype=bool)
    for one in sorted(overrides, key=lambda one: (one.made_at, one.id)):
        asked = one.correction
        rows = series.rows_of(asked.scope, asked.week_from, asked.week_to, one.stores)
        planned[rows], number[rows] = series.spread(rows, asked.kind, asked.value), one.id
        is_overridden[rows] = True
    has_forecast = np.abs(series.forecast) > NOTHING
    ratio = np.where(has_forecast, planned / np.where(has_forecast, series.forecast, 1.0), 0.0)
    factor = np.where(is_overridden, ratio, 1.0)
    return forecasts.assign(
        planned=planned, factor=factor, override=pd.Series(number, forecasts.index, object)
    )
