"""Features of one forecast: the series' own past, its department's and region's, and the calendar.

Turnover is divided by the series' own scale, so that one model can learn from small and large stores, and
given as the square root of that ratio, as the target is. A feature at an origin uses no week after it.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import cached_property
from threading import RLock

import numpy as np
import numpy.typing as npt
import pandas as pd

from sales_forecast.forecasting.features.groups import FeatureGroup
from sales_forecast.forecasting.features.lags import (
    Positions,
    log_growth,
    mean_known,
    same_week_grown,
    window_mean,
    years_back,
)
from sales_forecast.forecasting.panel.matrix import (
    KEYS,
    WEEKS_PER_YEAR,
    FloatArray,
    PanelMatrix,
)
from sales_forecast.forecasting.panel.model_input import ModelInput

RECENT_WEEKS = (1, 2, 4, 8, 13, 26)
GROWTH_WEEKS = (4, 8, 13, 26)
LAGS = (50, 51, 52, 53, 54, 103, 104, 105, 156)
SAME_WEEKS = (52, 104, 156)
SINCE_WEEKS = (8, 26, 52)
MAX_RATIO = 25
"""A week of more than 25 average weeks is one of 25."""

_AROUND = ((-1, 0.25), (0, 0.5), (1, 0.25))

MIN_WEEKS = 5
"""A series needs so many weeks before its scale means anything."""

PLACE = ("postcode", "latitude", "longitude", "region", "zone", "school_zone")
"""Attributes of stores that every retailer's table has, be they known or not."""

_WORDLESS = re.compile(r"\W+")
"""LightGBM takes no brackets, quotes or colons in names."""

_CALENDAR = ("public_holiday_days", "school_holiday_days", "weeks_from_easter", "weeks_from_christmas")

Rows = npt.NDArray[np.float32]


@dataclass(frozen=True)
class FeatureBuilder:
    """Features of all series at any origin of a panel matrix.

    Args:
        matrix: Turnover, raw or level-adjusted.
        data: Calendar and future covariates, both reaching beyond the last week to be forecast.
    """

    matrix: PanelMatrix
    data: ModelInput
    _rows: dict[tuple[int, int], Rows] = field(default_factory=dict, init=False, repr=False)
    _one_at_a_time: RLock = field(default_factory=RLock, init=False, repr=False)

    @cached_property
    def sold(self) -> FloatArray:
        """Turnover with returns counted as zero, and unknown weeks filled from the department's profile.

        A store that opened last month gets a made-up last year: its department's, at its own size.
        """
        turnover = np.maximum(self.matrix.turnover, 0)
        filled = turnover.copy()
        for members in _groups(self.matrix.series, ["department"]):
            own = turnover[members]
            profile = np.nanmean(np.where(np.isnan(own).all(axis=0), 0, own), axis=0)
            known = np.where(np.isnan(own), 0, profile).sum(axis=1)
            share = np.nansum(own, axis=1) / np.where(known > 0, known, np.nan)
            filled[members] = np.where(np.isnan(own), np.nan_to_num(share)[:, None] * profile, own)
        return filled

    @cached_property
    def first_week(self) -> Positions:
        """Position of each series' first known week."""
        return np.asarray(np.argmax(~np.isnan(self.matrix.turnover), axis=1), dtype=np.intp)

    @cached_property
    def peers(self) -> dict[str, FloatArray]:
        """Turnover of the groups that each series belongs to, one row a series."""
        return {
            "department": self._summed(["department"]),
            "region": self._summed(["department", "region"]),
            "zone": self._summed(["department", "zone"]),
        }

    def _summed(self, columns: list[str]) -> FloatArray:
        total = np.empty_like(self.sold)
        for members in _groups(self.matrix.series, columns):
            total[members] = self.sold[members].sum(axis=0)
        return total

    @cached_property
    def days(self) -> dict[str, FloatArray]:
        """Each calendar column as a matrix: series x all weeks of the calendar from the matrix's first."""
        zones, zone_of = np.unique(self.matrix.series["school_zone"].to_numpy(str), return_inverse=True)
        known = self.data.calendar[self.data.calendar["week"] >= self.matrix.weeks[0]]
        return {
            column: known.pivot(index="school_zone", columns="week", values=column)
            .reindex(index=zones)
            .to_numpy(dtype=float)[zone_of]
            for column in _CALENDAR
        }

    @cached_property
    def covariates(self) -> dict[str, FloatArray]:
        """Each future covariate as a matrix, series x weeks from the matrix's first; NaN if unknown."""
        table, columns = self.data.future_covariates, self.data.covariate_columns
        if not columns:
            return {}
        row = self.matrix.position_of(table)
        week = ((table["week"] - self.matrix.weeks[0]).dt.days // 7).to_numpy()
        ours = (row >= 0) & (week >= 0)
        shape = (len(self.matrix.series), max(len(self.matrix.weeks), week.max() + 1) + WEEKS_PER_YEAR)
        covariates = {}
        for column in columns:
            covariates[column] = np.full(shape, np.nan)
            covariates[column][row[ours], week[ours]] = table[column].to_numpy(dtype=float)[ours]
        return covariates

    @cached_property
    def attributes(self) -> dict[str, FloatArray]:
        """The retailer's own attributes of stores: numbers as they are, each text as one of its values."""
        own = self.matrix.series.drop(columns=[*KEYS, *PLACE], errors="ignore")
        found = {}
        for column in own:
            values = own[column]
            if pd.api.types.is_numeric_dtype(values):
                found[f"attribute.{column}"] = values.to_numpy(dtype=float)
            else:
                for value in values.astype("category").cat.categories:
                    name = f"attribute.{column}.{_WORDLESS.sub('_', str(value))}"
                    found[name] = found.get(name, 0) + (values == value).to_numpy(dtype=float)
        return found

    def scale(self, origin: int) -> FloatArray:
        """Mean weekly turnover of each series over its last year; NaN before ``MIN_WEEKS``, or at 0."""
        mean, count = self._last_year(origin)
        return np.where((count >= MIN_WEEKS) & (mean > 0), mean, np.nan)

    def inactive(self, origin: int) -> npt.NDArray[np.bool_]:
        """Which series have sold nothing for a year: there is no scale to measure them by."""
        mean, count = self._last_year(origin)
        return (count >= MIN_WEEKS) & (mean <= 0)

    def _last_year(self, origin: int) -> tuple[FloatArray, Positions]:
        window = np.maximum(self.matrix.turnover[:, max(0, origin + 1 - WEEKS_PER_YEAR) : origin + 1], 0)
        known = ~np.isnan(window)
        count = np.asarray(known.sum(axis=1), dtype=np.intp)
        return np.where(known, window, 0).sum(axis=1) / np.maximum(count, 1), count

    def at(self, origin: int, horizons: Positions) -> dict[str, FloatArray]:
        """All features of all series for the weeks ahead of one origin.

        Args:
            origin: Position in ``matrix.weeks`` of the last week that may be seen.
            horizons: Weeks ahead, each at least 1 and at most 50.

        Returns:
            Name -> matrix, each of shape ``(series, horizons)``.
        """
        shape = (len(self.matrix.series), len(horizons))
        return {
            name: np.broadcast_to(values, shape)
            for _, block in self._blocks(origin, horizons)
            for name, values in block.items()
        }

    def _blocks(
        self, origin: int, horizons: Positions
    ) -> Iterator[tuple[FeatureGroup, dict[str, FloatArray]]]:
        """Yield all features with the group they belong to; their order is that of the model's columns."""
        scale = self.scale(origin)[:, None]
        target = origin + horizons
        lags, growth = self._lags(origin, target, scale), self._growth(origin)
        same_weeks = _roots(self._same_weeks(origin, target, scale))
        grown = {
            "last_year_grown": _grown(lags["lag_52"], growth["growth_8_series"]),
            "last_year_grown_department": _grown(lags["lag_52"], growth["growth_8_department"]),
        }
        reference = mean_known([same_weeks[f"same_week_{n}"] for n in SINCE_WEEKS])
        yield FeatureGroup.SEASON, {"horizon": horizons[None, :].astype(np.float64)}
        yield FeatureGroup.RECENT, _roots(self._recent(origin, scale))
        yield FeatureGroup.SAME_WEEK, _roots(lags)
        yield FeatureGroup.SEASON, _roots(self._profiles(origin, target))
        yield FeatureGroup.SAME_WEEK, _roots(grown) | same_weeks
        yield FeatureGroup.SEASON, _roots(self._seasons(origin, target))
        yield FeatureGroup.SAME_WEEK, {"seasonal_reference": reference}
        yield FeatureGroup.RECENT, growth
        yield FeatureGroup.SEASON, self._calendar_days(target)
        yield FeatureGroup.PLACE, self._place(origin)
        yield FeatureGroup.FUTURE_COVARIATES, self._covariates(target)

    def rows(self, origin: int, max_horizon: int) -> Rows:
        """Features of the weeks 1 to ``max_horizon`` ahead, shape ``(series, max_horizon, features)``.

        Their order is that of ``names``. They are kept: several methods ask for the same origins.
        """
        with self._one_at_a_time:  # methods of a blend ask in parallel
            if (origin, max_horizon) not in self._rows:
                features = self.at(origin, np.arange(1, max_horizon + 1))
                stacked = np.stack(list(features.values()), axis=-1, dtype=np.float32, casting="unsafe")
                self._rows[origin, max_horizon] = stacked
            return self._rows[origin, max_horizon]

    @cached_property
    def groups(self) -> dict[str, FeatureGroup]:
        """Group of each feature, in the order of the model's columns."""
        with self._one_at_a_time:
            blocks = self._blocks(len(self.matrix.weeks) - 1, np.array([1]))
            return {name: group for group, block in blocks for name in block}

    @property
    def names(self) -> list[str]:
        """Names of the features, in the order of the model's columns."""
        return list(self.groups)

    def _recent(self, origin: int, scale: FloatArray) -> dict[str, FloatArray]:
        recent = {f"mean_{n}": window_mean(self.sold, origin, n)[:, None] / scale for n in RECENT_WEEKS}
        year = self.sold[:, max(0, origin + 1 - WEEKS_PER_YEAR) : origin + 1]
        return recent | {"spread": year.std(axis=1)[:, None] / scale}

    def _lags(self, origin: int, target: Positions, scale: FloatArray) -> dict[str, FloatArray]:
        return {f"lag_{lag}": years_back(self.sold, target, lag, origin) / scale for lag in LAGS}

    def _growth(self, origin: int) -> dict[str, FloatArray]:
        groups = {"series": self.sold} | self.peers
        return {
            f"growth_{n}_{name}": log_growth(values, origin, n)[:, None]
            for name, values in groups.items()
            for n in GROWTH_WEEKS
        }

    def _profiles(self, origin: int, target: Positions) -> dict[str, FloatArray]:
        """How the week stood out in the department and the region one and two years ago."""
        return {
            f"{name}_lag_{lag}": years_back(self.peers[name], target, lag, origin)
            / np.maximum(window_mean(self.peers[name], origin, WEEKS_PER_YEAR), 1e-9)[:, None]
            for name in ("department", "region")
            for lag in (52, 104)
        }

    def _same_weeks(self, origin: int, target: Positions, scale: FloatArray) -> dict[str, FloatArray]:
        """The same week of each year before, grown as the weeks before it have grown since."""
        grown = {
            f"same_week_{lag}_{n}": same_week_grown(self.sold, target, lag, origin, n) / scale
            for lag in SAME_WEEKS
            for n in SINCE_WEEKS
        }
        means = {
            f"same_week_{n}": mean_known([grown[f"same_week_{lag}_{n}"] for lag in SAME_WEEKS])
            for n in SINCE_WEEKS
        }
        return grown | means

    def _seasons(self, origin: int, target: Positions) -> dict[str, FloatArray]:
        """How the week and its neighbours usually stand out from the year before them."""
        return {f"{name}_season": self._season(values, origin, target) for name, values in self.peers.items()}

    def _season(self, values: FloatArray, origin: int, target: Positions) -> FloatArray:
        years = []
        for lag in SAME_WEEKS:
            if origin - lag - WEEKS_PER_YEAR // 2 + 1 < 0:
                break
            around = sum(weight * years_back(values, target, lag + d, origin) for d, weight in _AROUND)
            years.append(
                around / np.maximum(window_mean(values, origin - lag, WEEKS_PER_YEAR), 1e-9)[:, None]
            )
        return mean_known(years) if years else np.full((len(values), len(target)), np.nan)

    def _calendar_days(self, target: Positions) -> dict[str, FloatArray]:
        now = {column: days[:, target] for column, days in self.days.items()}
        moved = {
            f"{column}_moved": days[:, target] - days[:, np.maximum(target - WEEKS_PER_YEAR, 0)]
            for column, days in self.days.items()
            if column != "weeks_from_christmas"
        }
        weeks = self.matrix.weeks[0] + pd.to_timedelta(target * 7, unit="D")
        return now | moved | {"day_of_year": weeks.dayofyear.to_numpy(dtype=float)[None, :]}

    def _place(self, origin: int) -> dict[str, FloatArray]:
        return {
            "latitude": self.matrix.series["latitude"].to_numpy(dtype=float)[:, None],
            "longitude": self.matrix.series["longitude"].to_numpy(dtype=float)[:, None],
            "age_weeks": (origin - self.first_week + 1).astype(float)[:, None],
            **{name: values[:, None] for name, values in self.attributes.items()},
        }

    def _covariates(self, target: Positions) -> dict[str, FloatArray]:
        """Future covariates of the week, and how they differ from the same week of last year."""
        planned = {}
        for column, plan in self.covariates.items():
            last_year = np.where(
                target >= WEEKS_PER_YEAR, plan[:, np.maximum(target - WEEKS_PER_YEAR, 0)], np.nan
            )
            planned[f"future_covariates.{column}"] = plan[:, target]
            planned[f"future_covariates.{column}_moved"] = plan[:, target] - last_year
        return planned


def _groups(series: pd.DataFrame, columns: list[str]) -> list[Positions]:
    grouped = series.groupby(columns, sort=False, dropna=False)
    return [np.asarray(members, dtype=np.intp) for members in grouped.indices.values()]


def _roots(ratios: dict[str, FloatArray]) -> dict[str, FloatArray]:
    """Square roots of ratios to the series' scale, as the target of the regression is one."""
    return {
        name: np.asarray(np.sqrt(np.clip(values, 0, MAX_RATIO)), dtype=float)
        for name, values in ratios.items()
    }


def _grown(values: FloatArray, log_growth: FloatArray) -> FloatArray:
    return np.asarray(values * np.exp(log_growth), dtype=float)
