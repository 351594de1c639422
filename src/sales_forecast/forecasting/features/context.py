"""What a forecasting method may use at a cutoff, as tables and as one matrix."""

from __future__ import annotations

from collections.abc import Callable, Hashable
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import Any

import numpy as np
import pandas as pd

from sales_forecast.forecasting.features.builder import FeatureBuilder
from sales_forecast.forecasting.features.history import SeriesHistory
from sales_forecast.forecasting.panel.level_shifts import (
    LevelShiftParams,
    find_level_shifts,
    level_factors,
)
from sales_forecast.forecasting.panel.matrix import (
    ROW_KEYS,
    SERIES_KEYS,
    WEEKS_PER_YEAR,
    FloatArray,
    PanelMatrix,
    Positions,
)
from sales_forecast.forecasting.panel.model_input import ModelInput, own_attributes


@dataclass(frozen=True)
class ForecastContext:
    """What a forecast may use at a cutoff: turnover up to it, and what is known of the weeks after it.

    Args:
        data: Tables with no turnover after the cutoff.
        level_shifts: How level shifts are found.
        cutoff: First day of the last week of turnover that may be used.
        first_week: First column of the matrices.
        forecaster: Fits a method and forecasts, as ``evaluation.forecaster.fit_and_forecast`` does; for
            methods that learn from how well others have forecast the past. Without it, they do so themselves.
    """

    data: ModelInput
    level_shifts: LevelShiftParams
    cutoff: pd.Timestamp
    first_week: pd.Timestamp
    forecaster: Callable[[Any, ForecastContext, pd.DataFrame], pd.DataFrame] | None = None
    past_errors: dict[Hashable, dict[str, float]] = field(
        default_factory=dict, init=False, repr=False, compare=False
    )
    """Errors at earlier cutoffs that methods have found out; ``changed`` hands them on."""

    past_forecasts: dict[Hashable, pd.DataFrame | None] = field(
        default_factory=dict, init=False, repr=False, compare=False
    )
    """Forecasts at earlier cutoffs, with the turnover that followed; None where there can be none. Handed on
    likewise: the same weeks were known then, whatever has come since."""

    @classmethod
    def latest(cls, data: ModelInput, level_shifts: LevelShiftParams) -> ForecastContext:
        """Return the context whose cutoff is the last week of the panel."""
        return cls(data, level_shifts, data.last_week, data.first_week)

    def as_of(self, cutoff: pd.Timestamp) -> ForecastContext:
        """Return the context of an earlier cutoff; future covariates stay as they are."""
        return self.changed(data=self.data.until(cutoff), cutoff=cutoff)

    def changed(self, **changes: Any) -> ForecastContext:
        """Return the context with other fields, and with what is known of earlier cutoffs."""
        context = replace(self, **changes)
        object.__setattr__(context, "past_errors", self.past_errors)
        object.__setattr__(context, "past_forecasts", self.past_forecasts)
        return context

    def with_shifts(self, shifts: pd.DataFrame) -> ForecastContext:
        """Return the context with level shifts that were found elsewhere, such as at an earlier cutoff."""
        context = self.changed()
        context.__dict__["shifts"] = shifts  # the cached property is filled before anybody asks
        return context

    @cached_property
    def shifts(self) -> pd.DataFrame:
        """Level shifts that can be seen at the cutoff."""
        return find_level_shifts(self.data.panel, self.level_shifts)

    @cached_property
    def raw(self) -> PanelMatrix:
        """Turnover as it was recorded."""
        weeks = pd.date_range(self.first_week, self.cutoff, freq="7D")
        matrix = PanelMatrix.of(self.data.panel, weeks)
        series = matrix.series.merge(_categorical(self.data.stores), on="store", how="left")
        return replace(matrix, series=series)

    @cached_property
    def level_adjusted(self) -> PanelMatrix:
        """Turnover with the weeks before each level shift brought to the level after it."""
        departments, weeks = self.raw.series["department"].to_numpy(), self.raw.weeks.to_numpy()
        factors = level_factors(departments[:, None], weeks, self.shifts)
        return replace(self.raw, turnover=self.raw.turnover * factors)

    @cached_property
    def features(self) -> FeatureBuilder:
        """Features of the level-adjusted history, cached so that several methods can share them."""
        return FeatureBuilder(self.level_adjusted, self.data)

    @property
    def scale(self) -> FloatArray:
        """Mean weekly turnover of each series over the last year, level-adjusted; NaN where it has none."""
        return self.features.history.scale(self.level_adjusted.last)

    @property
    def raw_scale(self) -> FloatArray:
        """The same, of turnover as it was recorded."""
        return SeriesHistory(self.raw).scale(self.raw.last)


def _categorical(stores: pd.DataFrame) -> pd.DataFrame:
    """The stores with own text attributes as categories, also of values that no store of the panel has."""
    texts = [name for name in own_attributes(stores) if not pd.api.types.is_numeric_dtype(stores[name])]
    return stores.astype(dict.fromkeys(texts, "category"))


def actuals_after(panel: pd.DataFrame, cutoff: pd.Timestamp, horizon_weeks: int) -> pd.DataFrame:
    """Select the actual turnover after a cutoff, of series that had a history at it.

    Args:
        panel: ``store, department, week, turnover``, of weeks before and after the cutoff.
        cutoff: First day of the last week that a forecast may use.
        horizon_weeks: Number of weeks after it.

    Returns:
        ``store, department, week, turnover``; weeks that fell in a gap are left out.
    """
    end = cutoff + pd.Timedelta(weeks=horizon_weeks)
    known = panel.loc[panel["week"] <= cutoff, SERIES_KEYS].drop_duplicates()
    future = panel[(panel["week"] > cutoff) & (panel["week"] <= end) & panel["turnover"].notna()]
    return future[[*ROW_KEYS, "turnover"]].merge(known, on=SERIES_KEYS)


def weeks_ahead(forecast_index: pd.DataFrame, cutoff: pd.Timestamp) -> Positions:
    """Horizon of each row in weeks: 1 is the week after the cutoff."""
    return np.asarray((forecast_index["week"] - cutoff).dt.days // 7, dtype=np.intp)


def repeat_last_year(matrix: PanelMatrix, forecast_index: pd.DataFrame, cutoff: pd.Timestamp) -> FloatArray:
    """Turnover 52 weeks before each row; the series' latest known week where that is unknown.

    Beyond a horizon of a year, the same season of the latest year that is known is repeated.
    """
    series = matrix.position_of(forecast_index)
    horizon = weeks_ahead(forecast_index, cutoff)
    lag = WEEKS_PER_YEAR * np.ceil(horizon / WEEKS_PER_YEAR).astype(np.intp)
    week = matrix.last + horizon - lag
    latest = pd.DataFrame(matrix.turnover).ffill(axis=1).to_numpy()[:, -1]
    value = np.where(week >= 0, matrix.turnover[series, np.maximum(week, 0)], np.nan)
    value = np.where(np.isnan(value), latest[series], value)
    return np.where(series >= 0, value, np.nan)


def mean_weeks(forecasts: pd.DataFrame, context: ForecastContext) -> pd.Series[float]:
    """Mean week of each row's series over the last year, level-adjusted.

    A series without a mean week has that of its department, or of all series.

    Args:
        forecasts: ``store, department``.
        context: What was known when they were made.

    Returns:
        Currency units per week, one value per row of ``forecasts``.
    """
    matrix = context.level_adjusted
    scale = pd.Series(context.scale, index=matrix.series.index)
    scale = scale.fillna(scale.groupby(matrix.series["department"]).transform("mean"))
    scale = scale.fillna(scale.mean()).fillna(context.features.history.filled.mean())
    position = matrix.position_of(forecasts)
    own = np.where(position >= 0, scale.to_numpy()[position], float(scale.mean()))
    return pd.Series(own, index=forecasts.index)
