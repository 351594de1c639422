"""What a forecasting method may know at a cutoff, as tables and as one matrix."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from functools import cached_property

import numpy as np
import numpy.typing as npt
import pandas as pd

from sales_forecast.forecasting.features.builder import PLACE, FeatureBuilder
from sales_forecast.forecasting.panel.level_shifts import (
    LevelShiftParams,
    adjust_levels,
    find_level_shifts,
)
from sales_forecast.forecasting.panel.matrix import (
    KEYS,
    WEEKS_PER_YEAR,
    FloatArray,
    PanelMatrix,
    no_future_covariates,
)


@dataclass(frozen=True)
class ForecastContext:
    """The past of every series up to a cutoff, and what is known ahead.

    Args:
        cutoff: The last week that may be seen.
        panel: ``store, department, week, turnover`` with no week after the cutoff.
        stores: Attributes, one row a store.
        calendar: Holidays by week and school zone, of past and future weeks.
        level_shifts: How level shifts are found.
        future covariates: ``store, department, week`` and columns of the retailer's own, such as promotions, of
            past and future weeks.
        first_week: Where matrices begin; the panel's first week if it is not given.
    """

    cutoff: pd.Timestamp
    panel: pd.DataFrame
    stores: pd.DataFrame
    calendar: pd.DataFrame
    level_shifts: LevelShiftParams
    future_covariates: pd.DataFrame = field(default_factory=no_future_covariates)
    first_week: pd.Timestamp | None = None

    @classmethod
    def latest(
        cls,
        panel: pd.DataFrame,
        stores: pd.DataFrame,
        calendar: pd.DataFrame,
        level_shifts: LevelShiftParams,
        future_covariates: pd.DataFrame,
    ) -> ForecastContext:
        """Forget nothing: the cutoff is the panel's last week."""
        first, last = panel["week"].min(), panel["week"].max()
        return cls(last, panel, stores, calendar, level_shifts, future_covariates, first)

    def as_of(self, cutoff: pd.Timestamp) -> ForecastContext:
        """Forget everything after the cutoff but what was known ahead."""
        past = self.panel.loc[self.panel["week"] <= cutoff, [*KEYS, "week", "turnover"]]
        return replace(self, cutoff=cutoff, panel=past)

    @cached_property
    def shifts(self) -> pd.DataFrame:
        """Level shifts that can be seen at the cutoff."""
        return find_level_shifts(self.panel, self.level_shifts)

    @cached_property
    def raw(self) -> PanelMatrix:
        """The matrix of turnover as it was."""
        return self._matrix(self.panel)

    @cached_property
    def level_adjusted(self) -> PanelMatrix:
        """The matrix of turnover with history brought to today's level."""
        return self._matrix(adjust_levels(self.panel, self.shifts))

    @cached_property
    def features(self) -> FeatureBuilder:
        """Features at today's level, kept so that several methods can share them."""
        return FeatureBuilder(self.level_adjusted, self.calendar, self.future_covariates)

    @cached_property
    def raw_features(self) -> FeatureBuilder:
        """The same without any level repaired."""
        return FeatureBuilder(self.raw, self.calendar, self.future_covariates)

    def before(self, weeks: int) -> ForecastContext | None:
        """What was known so many weeks before the cutoff; None if that was nothing."""
        cutoff = self.cutoff - pd.Timedelta(weeks=weeks)
        if cutoff < self.panel["week"].min():
            return None
        return self.at(cutoff)

    @property
    def _stores(self) -> pd.DataFrame:
        """Own attributes that are text know all their values, also those that no store of the panel has."""
        own = self.stores.columns.difference(["store", *PLACE])
        text = [name for name in own if not pd.api.types.is_numeric_dtype(self.stores[name])]
        return self.stores.astype(dict.fromkeys(text, "category"))

    def _matrix(self, panel: pd.DataFrame) -> PanelMatrix:
        wide = panel.pivot(index=KEYS, columns="week", values="turnover")
        weeks = pd.date_range(self.first_week or wide.columns.min(), self.cutoff, freq="7D")
        series = wide.index.to_frame(index=False).merge(self._stores, on="store", how="left")
        return PanelMatrix(series, weeks, wide.reindex(columns=weeks).to_numpy(dtype=float))


def actuals_after(panel: pd.DataFrame, cutoff: pd.Timestamp, horizon_weeks: int) -> pd.DataFrame:
    """What came true after a cutoff, of series that had a history at it.

    Returns:
        ``store, department, week, turnover``; weeks that fell in a gap are left out.
    """
    end = cutoff + pd.Timedelta(weeks=horizon_weeks)
    known = panel.loc[panel["week"] <= cutoff, KEYS].drop_duplicates()
    future = panel[(panel["week"] > cutoff) & (panel["week"] <= end) & panel["turnover"].notna()]
    return future[[*KEYS, "week", "turnover"]].merge(known, on=KEYS)


def weeks_ahead(forecast_index: pd.DataFrame, cutoff: pd.Timestamp) -> npt.NDArray[np.intp]:
    """Horizon of each target in weeks: 1 is the week after the cutoff."""
    return np.asarray((forecast_index["week"] - cutoff).dt.days // 7, dtype=np.intp)


def repeat_last_year(matrix: PanelMatrix, forecast_index: pd.DataFrame, cutoff: pd.Timestamp) -> FloatArray:
    """Turnover 52 weeks before each target; the series' latest known week where that is unknown.

    Beyond a year ahead the same season of the latest year that is known serves.
    """
    series = matrix.position_of(forecast_index)
    ahead = weeks_ahead(forecast_index, cutoff)
    back = WEEKS_PER_YEAR * np.ceil(ahead / WEEKS_PER_YEAR).astype(np.intp)
    week = len(matrix.weeks) - 1 + ahead - back
    latest = pd.DataFrame(matrix.turnover).ffill(axis=1).to_numpy()[:, -1]
    value = np.where(week >= 0, matrix.turnover[series, np.maximum(week, 0)], np.nan)
    value = np.where(np.isnan(value), latest[series], value)
    return np.where(series >= 0, value, np.nan)
