"""What a forecasting method may know at a cutoff, as tables and as one matrix."""

from __future__ import annotations

from dataclasses import dataclass, replace
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
)
from sales_forecast.forecasting.panel.model_input import ModelInput


@dataclass(frozen=True)
class ForecastContext:
    """What a forecast may use at a cutoff: turnover up to it, and what is known of the weeks after it.

    Args:
        data: Tables with no turnover after the cutoff.
        level_shifts: How level shifts are found.
        cutoff: First day of the last week of turnover that may be used.
        first_week: First column of the matrices.
    """

    data: ModelInput
    level_shifts: LevelShiftParams
    cutoff: pd.Timestamp
    first_week: pd.Timestamp

    @classmethod
    def latest(cls, data: ModelInput, level_shifts: LevelShiftParams) -> ForecastContext:
        """Return the context whose cutoff is the last week of the panel."""
        return cls(data, level_shifts, data.last_week, data.first_week)

    def as_of(self, cutoff: pd.Timestamp) -> ForecastContext:
        """Return the context of an earlier cutoff; future covariates stay as they are."""
        return replace(self, data=self.data.until(cutoff), cutoff=cutoff)

    @cached_property
    def shifts(self) -> pd.DataFrame:
        """Level shifts that can be seen at the cutoff."""
        return find_level_shifts(self.data.panel, self.level_shifts)

    @cached_property
    def raw(self) -> PanelMatrix:
        """Turnover as it was recorded."""
        return self._matrix(self.data.panel)

    @cached_property
    def level_adjusted(self) -> PanelMatrix:
        """Turnover with the weeks before each level shift brought to the level after it."""
        return self._matrix(adjust_levels(self.data.panel, self.shifts))

    @cached_property
    def features(self) -> FeatureBuilder:
        """Features of the level-adjusted history, kept so that several methods can share them."""
        return FeatureBuilder(self.level_adjusted, self.data)

    @cached_property
    def raw_features(self) -> FeatureBuilder:
        """Features of the raw history."""
        return FeatureBuilder(self.raw, self.data)

    @property
    def _stores(self) -> pd.DataFrame:
        """Own attributes that are text know all their values, also those that no store of the panel has."""
        own = self.data.stores.columns.difference(["store", *PLACE])
        text = [name for name in own if not pd.api.types.is_numeric_dtype(self.data.stores[name])]
        return self.data.stores.astype(dict.fromkeys(text, "category"))

    def _matrix(self, panel: pd.DataFrame) -> PanelMatrix:
        wide = panel.pivot(index=KEYS, columns="week", values="turnover")
        weeks = pd.date_range(self.first_week, self.cutoff, freq="7D")
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
