"""Features of a forecast: past turnover of the series and its peers, the calendar, and the store.

Turnover is divided by the scale of its series, so that one model can learn from small and large stores, and
given as the square root of that ratio, as the target is. A feature at an origin uses no week after it.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import cached_property
from threading import RLock

import numpy as np
import numpy.typing as npt
import pandas as pd

from sales_forecast.forecasting.features.exogenous import ExogenousData
from sales_forecast.forecasting.features.feature_groups import FeatureGroup
from sales_forecast.forecasting.features.history import SeriesHistory
from sales_forecast.forecasting.features.lags import (
    lagged,
    log_growth,
    mean_known,
    same_week_grown,
    smoothed_season,
    window_mean,
)
from sales_forecast.forecasting.features.plan import covariates_of_weeks, mean_of_like_weeks
from sales_forecast.forecasting.panel.matrix import (
    WEEKS_PER_YEAR,
    FloatArray,
    PanelMatrix,
    Positions,
)
from sales_forecast.forecasting.panel.model_input import ModelInput

RECENT_WEEKS = (1, 2, 4, 8, 13, 26)
"""Numbers of latest weeks that are averaged."""

GROWTH_WEEKS = (4, 8, 13, 26)
"""Numbers of latest weeks that are compared with the same weeks of the year before."""

FEATURE_LAGS = (50, 51, 52, 53, 54, 103, 104, 105, 156)
"""Lags of the series' own turnover, in weeks."""

YEARLY_LAGS = (52, 104, 156)
"""Lags of the same week of past years, in weeks."""

SAME_WEEK_GROWTH_WEEKS = (8, 26, 52)
"""Numbers of latest weeks that the growth of a past year's same week is measured over."""

MAX_RATIO = 25
"""A week of more than 25 average weeks counts as one of 25."""

Rows = npt.NDArray[np.float32]
Features = dict[str, FloatArray]
"""Name -> values; every shape broadcasts to ``(series, weeks)``."""


@dataclass(frozen=True)
class FeatureBuilder:
    """Features of all series at any origin of a panel matrix.

    Args:
        matrix: Turnover, raw or level-adjusted.
        data: Calendar and future covariates, both reaching beyond the last week to be forecast.
    """

    matrix: PanelMatrix
    data: ModelInput
    _rows: dict[tuple[int, tuple[int, ...]], Rows] = field(default_factory=dict, init=False, repr=False)
    _lock: RLock = field(default_factory=RLock, init=False, repr=False)

    @cached_property
    def history(self) -> SeriesHistory:
        """Past turnover, prepared for features."""
        return SeriesHistory(self.matrix)

    @cached_property
    def exogenous(self) -> ExogenousData:
        """Calendar, future covariates and attributes as matrices."""
        return ExogenousData(self.matrix, self.data)

    def rows(self, origin: int, horizons: Positions) -> Rows:
        """Features of weeks after an origin as one array, shape ``(series, horizons, features)``.

        Their order is that of ``names``. They are cached: several methods use the same origins.
        """
        key = origin, tuple(horizons.tolist())
        with self._lock:  # the members of a blend are fitted in parallel
            if key not in self._rows:
                features = self.at(origin, horizons)
                stacked = np.stack(list(features.values()), axis=-1, dtype=np.float32, casting="unsafe")
                self._rows[key] = stacked
            return self._rows[key]

    def at(self, origin: int, horizons: Positions) -> Features:
        """All features of all series for weeks after one origin.

        Args:
            origin: Position in ``matrix.weeks`` of the last week that may be used.
            horizons: Weeks after the origin, each at least 1 and at most 52.

        Returns:
            Name -> matrix, each of shape ``(series, horizons)``.
        """
        shape = (len(self.matrix.series), len(horizons))
        return {
            name: np.broadcast_to(values, shape)
            for _, block in self._blocks(origin, horizons)
            for name, values in block.items()
        }

    @property
    def names(self) -> list[str]:
        """Names of the features, in the order of the model's columns."""
        return list(self.groups)

    @cached_property
    def groups(self) -> dict[str, FeatureGroup]:
        """Group of each feature, in the order of the model's columns."""
        with self._lock:
            blocks = self._blocks(self.matrix.last, np.array([1]))
            return {name: group for group, block in blocks for name in block}

    def _blocks(self, origin: int, horizons: Positions) -> Iterator[tuple[FeatureGroup, Features]]:
        """Yield all features with the group they belong to; their order is that of the model's columns."""
        scale = self.history.scale(origin)[:, None]
        weeks = origin + horizons
        lags, growth = self._lags(origin, weeks, scale), self._growth(origin)
        same_weeks = _square_roots(self._same_weeks(origin, weeks, scale))
        yield FeatureGroup.SEASON, {"horizon": horizons[None, :].astype(float)}
        yield FeatureGroup.RECENT, _square_roots(self._recent(origin, scale))
        yield FeatureGroup.SAME_WEEK, _square_roots(lags)
        yield FeatureGroup.SEASON, _square_roots(self._profiles(origin, weeks))
        yield FeatureGroup.SAME_WEEK, _square_roots(_last_year_grown(lags, growth))
        yield FeatureGroup.SAME_WEEK, same_weeks
        yield FeatureGroup.SEASON, _square_roots(self._seasons(origin, weeks))
        yield FeatureGroup.SAME_WEEK, _seasonal_reference(same_weeks)
        yield FeatureGroup.RECENT, growth
        yield FeatureGroup.SEASON, self._calendar(weeks)
        yield FeatureGroup.PLACE, self._place(origin)
        yield FeatureGroup.FUTURE_COVARIATES, covariates_of_weeks(self.exogenous.covariates, weeks)
        yield FeatureGroup.FUTURE_COVARIATES, self._like_plan(origin, weeks, scale, same_weeks)

    def _recent(self, origin: int, scale: FloatArray) -> Features:
        """Means of the latest weeks, and the spread of the last year."""
        filled = self.history.filled
        recent = {f"mean_{n}": window_mean(filled, origin, n)[:, None] / scale for n in RECENT_WEEKS}
        year = filled[:, max(0, origin + 1 - WEEKS_PER_YEAR) : origin + 1]
        return recent | {"spread": year.std(axis=1)[:, None] / scale}

    def _lags(self, origin: int, weeks: Positions, scale: FloatArray) -> Features:
        return {f"lag_{n}": lagged(self.history.filled, weeks, n, origin) / scale for n in FEATURE_LAGS}

    def _growth(self, origin: int) -> Features:
        """Log growth of the series and of its peers over the latest weeks."""
        groups = {"series": self.history.filled} | self.history.peers
        return {
            f"growth_{n}_{name}": log_growth(values, origin, n)[:, None]
            for name, values in groups.items()
            for n in GROWTH_WEEKS
        }

    def _profiles(self, origin: int, weeks: Positions) -> Features:
        """The week of one and two years ago in the department and the region, over their last year's mean."""
        peers = self.history.peers
        return {
            f"{name}_lag_{lag}": lagged(peers[name], weeks, lag, origin)
            / np.maximum(window_mean(peers[name], origin, WEEKS_PER_YEAR), 1e-9)[:, None]
            for name in ("department", "region")
            for lag in (52, 104)
        }

    def _same_weeks(self, origin: int, weeks: Positions, scale: FloatArray) -> Features:
        """The same week of each past year, grown as the weeks before it have grown since."""
        filled = self.history.filled
        grown = {
            f"same_week_{lag}_{n}": same_week_grown(filled, weeks, lag, origin, n) / scale
            for lag in YEARLY_LAGS
            for n in SAME_WEEK_GROWTH_WEEKS
        }
        means = {
            f"same_week_{n}": mean_known([grown[f"same_week_{lag}_{n}"] for lag in YEARLY_LAGS])
            for n in SAME_WEEK_GROWTH_WEEKS
        }
        return grown | means

    def _seasons(self, origin: int, weeks: Positions) -> Features:
        """The week and its neighbours in past years, over the mean of the year before them, of all peers."""
        peers = self.history.peers
        return {
            f"{name}_season": smoothed_season(values, weeks, YEARLY_LAGS, origin)
            for name, values in peers.items()
        }

    def _calendar(self, weeks: Positions) -> Features:
        """Calendar of the week, and how it differs from that of the same week of last year."""
        calendar = self.exogenous.calendar
        own = {column: days[:, weeks] for column, days in calendar.items()}
        moved = {
            f"{column}_moved": days[:, weeks] - days[:, np.maximum(weeks - WEEKS_PER_YEAR, 0)]
            for column, days in calendar.items()
            if column != "weeks_from_christmas"
        }
        first_days = self.matrix.weeks[0] + pd.to_timedelta(weeks * 7, unit="D")
        return own | moved | {"day_of_year": first_days.dayofyear.to_numpy(dtype=float)[None, :]}

    def _place(self, origin: int) -> Features:
        """Location, age and attributes of the store."""
        series = self.matrix.series
        return {
            "latitude": series["latitude"].to_numpy(dtype=float)[:, None],
            "longitude": series["longitude"].to_numpy(dtype=float)[:, None],
            "age_weeks": (origin - self.history.first_week + 1).astype(float)[:, None],
            **{name: values[:, None] for name, values in self.exogenous.attributes.items()},
        }

    def _like_plan(self, origin: int, weeks: Positions, scale: FloatArray, same_weeks: Features) -> Features:
        """Past weeks with covariates like those of the week, and the seasonal reference scaled by them."""
        if not (covariates := list(self.exogenous.covariates.values())):
            return {}
        year_before, filled = np.maximum(weeks - WEEKS_PER_YEAR, 0), self.history.filled
        like = mean_of_like_weeks(filled, covariates, weeks, origin)
        effect = (like + 1e-9) / (mean_of_like_weeks(filled, covariates, year_before, origin) + 1e-9)
        reference = _seasonal_reference(same_weeks)["seasonal_reference"]
        scaled = {"like_plan": like / scale, "seasonal_reference_like_plan": reference**2 * effect}
        return _square_roots(scaled)


def _last_year_grown(lags: Features, growth: Features) -> Features:
    """Last year's week, times the growth of the series or of its department."""
    return {
        "last_year_grown": lags["lag_52"] * np.exp(growth["growth_8_series"]),
        "last_year_grown_department": lags["lag_52"] * np.exp(growth["growth_8_department"]),
    }


def _seasonal_reference(same_weeks: Features) -> Features:
    """The mean of the same weeks of past years, over all ways to measure their growth."""
    means = [same_weeks[f"same_week_{n}"] for n in SAME_WEEK_GROWTH_WEEKS]
    return {"seasonal_reference": mean_known(means)}


def _square_roots(ratios: Features) -> Features:
    """Square roots of ratios to the series' scale, as the target of the regression is one."""
    return {
        name: np.asarray(np.sqrt(np.clip(values, 0, MAX_RATIO)), dtype=float)
        for name, values in ratios.items()
    }
