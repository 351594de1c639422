"""Direct methods: one regression for all weeks ahead, on ratios to each series' own scale.

The target is sqrt(turnover / scale), weighted by the scale: the model learns shapes, and errors count by the
turnover that they stand for. Rows come from past origins in the season that is to be forecast.
"""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property
from math import ceil
from typing import Any, Generic

import numpy as np
import numpy.typing as npt
import pandas as pd
from joblib import Parallel, delayed
from pydantic import Field
from threadpoolctl import threadpool_limits
from typing_extensions import TypeVar

from sales_forecast.errors import InputError, ShortHistoryError
from sales_forecast.forecasting.features.builder import FeatureBuilder, Rows
from sales_forecast.forecasting.features.context import ForecastContext, weeks_ahead
from sales_forecast.forecasting.features.feature_groups import FeatureGroup
from sales_forecast.forecasting.methods.base import Method, Requirements
from sales_forecast.forecasting.panel.matrix import WEEKS_PER_YEAR, BoolArray, FloatArray
from sales_forecast.forecasting.panel.windows import weeks_since_grid

HORIZONS_PER_ORIGIN = 13
"""Of a longer horizon, every second week is learned from after one origin, or every third, and so on, each
origin beginning with another one: neighbouring weeks teach much the same."""

Part = TypeVar("Part", default=Any)
"""The fitted regressor of one part of the series, as JSON can hold it."""


class DirectMethod(Method[dict[str, Part]], Generic[Part], frozen=True):
    """A direct method without its regressor, which subclasses add."""

    partition: tuple[str, ...] = ("department",)
    """One model for each combination of these columns; empty: one model for all."""

    max_horizon_weeks: int = Field(gt=0, le=WEEKS_PER_YEAR)
    origin_spacing_weeks: int = Field(gt=0)
    refit_every_weeks: int = Field(default=1, gt=0)
    """New weeks are learned from in steps of so many, on a fixed grid; features are always of today. A
    refit moves forecasts by its noise too."""

    season_width_weeks: int = Field(ge=0, le=26)
    """Training origins lie within so many weeks of the cutoff's place in the year, in every past year."""

    min_origins: int = Field(default=0, ge=0)
    """Where there are fewer training origins in the season, those of all seasons are used."""

    max_origins: int | None = Field(default=None, gt=0)
    """Where there are more training origins, they are thinned out evenly."""

    max_rows: int | None = Field(default=None, gt=0)
    """A part with more rows learns from about so many of them, drawn at random."""

    def problems(self, requirements: Requirements) -> Iterator[tuple[str, str]]:
        """Name a horizon beyond the trained one, and a partition by a column that does not exist."""
        for parameter, weeks in requirements.horizon_weeks.items():
            if weeks > self.max_horizon_weeks:
                yield "max_horizon_weeks", f"{self.max_horizon_weeks} is too few, {parameter} wants {weeks}"
        if unknown := sorted(set(self.partition) - set(requirements.columns)):
            available = ", ".join(requirements.columns)
            yield "partition", f"{', '.join(unknown)} is no column of the series; there are {available}"
        yield from super().problems(requirements)

    def learners(self, weeks: int) -> Iterator[Method]:
        """Itself."""
        yield self

    @abstractmethod
    def fit_rows(self, features: pd.DataFrame, target: FloatArray, weight: FloatArray) -> Part:
        """Fit the regressor of one part; return it as JSON can hold it."""

    @abstractmethod
    def predict_rows(self, fitted: Part, features: pd.DataFrame) -> FloatArray:
        """Predict with the regressor of one part."""

    def contribute_rows(
        self, fitted: Part, features: pd.DataFrame, groups: Mapping[str, FeatureGroup]
    ) -> FloatArray:
        """Split predictions by feature group; by default all of them belong to ``OTHER``.

        Returns:
            Shape ``(len(features), len(FeatureGroup))``; each row adds up to the prediction.
        """
        contributions = np.zeros((len(features), len(FeatureGroup)))
        contributions[:, FeatureGroup.OTHER] = self.predict_rows(fitted, features)
        return contributions

    def fit(self, context: ForecastContext) -> dict[str, Part]:
        """Fit one regressor per part."""
        builder = context.features
        part = self._part_of(builder.matrix.series)
        origins = self._training_origins(builder)
        trained = np.any([origin.known.any(axis=1) for origin in origins], axis=0)
        names = sorted(set(part[trained]))
        # Parts run in parallel, each on one thread: a part is too small to share, and threads that wait for
        # each other take twenty times as long on a busy machine. The result does not depend on the cores.
        with threadpool_limits(1):
            fitted = Parallel(n_jobs=-1, prefer="threads")(
                delayed(self._fit_part)(origins, part == name, builder.names) for name in names
            )
        return dict(zip(names, fitted, strict=True))

    def _fit_part(self, origins: list[TrainingOrigin], members: BoolArray, names: list[str]) -> Part:
        known = sum(np.count_nonzero(origin.known[members]) for origin in origins)
        share = min(1.0, self.max_rows / known) if self.max_rows else 1.0
        rows = [origin.rows_of(members, share) for origin in origins]
        features, target, weight = (np.concatenate(column) for column in zip(*rows, strict=True))
        return self.fit_rows(pd.DataFrame(features, columns=names, copy=False), target, weight)

    def forecast(
        self, context: ForecastContext, forecast_index: pd.DataFrame, fitted: dict[str, Part]
    ) -> FloatArray:
        """Forecast each row with the regressor of its part."""

        def predict(regressor: Part, features: pd.DataFrame) -> FloatArray:
            return self.predict_rows(regressor, features)[:, None]

        roots = self._per_part(context, forecast_index, fitted, predict, 1)
        return np.maximum(roots[:, 0], 0) ** 2

    def contributions(
        self, context: ForecastContext, forecast_index: pd.DataFrame, fitted: dict[str, Part]
    ) -> FloatArray:
        """Split the square root of each forecast by feature group, as the regressor attributes it."""
        groups = context.features.groups

        def contribute(regressor: Part, features: pd.DataFrame) -> FloatArray:
            return self.contribute_rows(regressor, features, groups)

        contributions = self._per_part(context, forecast_index, fitted, contribute, len(FeatureGroup))
        return np.where(contributions.sum(axis=1, keepdims=True) < 0, 0, contributions)

    def _per_part(
        self,
        context: ForecastContext,
        forecast_index: pd.DataFrame,
        fitted: dict[str, Part],
        apply: Callable[[Part, pd.DataFrame], FloatArray],
        columns: int,
    ) -> FloatArray:
        """Apply the regressor of each row's part; square roots of turnover, shape ``(rows, columns)``."""
        builder = context.features
        horizon = weeks_ahead(forecast_index, context.cutoff)
        self._refuse_beyond(int(horizon.max()))
        features = builder.rows(builder.matrix.last, np.arange(1, horizon.max() + 1))
        scale = context.scale
        series = builder.matrix.position_of(forecast_index)
        able = np.unique(series[(series >= 0) & ~np.isnan(scale[series])])
        part = self._part_of(builder.matrix.series.iloc[able])

        roots = np.full((*features.shape[:2], columns), np.nan)
        with threadpool_limits(1):
            for name in sorted(fitted.keys() & set(part)):
                members = able[part == name]
                rows = features[members].reshape(-1, features.shape[2])
                applied = apply(fitted[name], pd.DataFrame(rows, columns=builder.names))
                roots[members] = applied.reshape(len(members), -1, columns)
        roots *= np.sqrt(scale)[:, None, None]
        roots[builder.history.inactive(builder.matrix.last)] = 0
        return np.where((series >= 0)[:, None], roots[series, horizon - 1], np.nan)

    def _refuse_beyond(self, horizon: int) -> None:
        if horizon > self.max_horizon_weeks:
            raise InputError(
                f"a forecast {horizon} weeks ahead is wanted, but the method was trained for "
                f"max_horizon_weeks: {self.max_horizon_weeks} (turnover.methods)"
            )

    def _part_of(self, series: pd.DataFrame) -> npt.NDArray[np.str_]:
        if not self.partition:
            return np.full(len(series), "all")
        if unknown := [column for column in self.partition if column not in series.columns]:
            raise InputError(f"turnover.methods: partition: {', '.join(unknown)} is no column of the series")
        columns = [series[column].astype(str) for column in self.partition]
        return np.array(["/".join(values) for values in zip(*columns, strict=True)])

    def _gaps(self, reach: int) -> list[int]:
        """Weeks from each training origin to the last week learned from, nearest first, up to a reach."""
        gaps = range(self.origin_spacing_weeks, reach + 1, self.origin_spacing_weeks)
        in_season = [
            gap for gap in gaps if min(gap % WEEKS_PER_YEAR, -gap % WEEKS_PER_YEAR) <= self.season_width_weeks
        ]
        chosen = in_season if len(in_season) >= self.min_origins else list(gaps)
        return chosen[:: max(1, ceil(len(chosen) / (self.max_origins or len(chosen) or 1)))]

    def _training_origins(self, builder: FeatureBuilder) -> list[TrainingOrigin]:
        """Features and turnover of each past origin, newest first.

        Raises:
            ShortHistoryError: There is not a single row to learn from.
        """
        last = builder.matrix.last
        on_grid = last - weeks_since_grid(builder.matrix.weeks[-1], self.refit_every_weeks)
        last = on_grid if self._gaps(on_grid - WEEKS_PER_YEAR) else last
        step = ceil(self.max_horizon_weeks / HORIZONS_PER_ORIGIN)
        origins = []
        for gap in self._gaps(last - WEEKS_PER_YEAR):
            position, reach = last - gap, min(self.max_horizon_weeks, gap)
            horizons = np.arange(1 + position % min(step, reach), reach + 1, step)
            turnover = builder.matrix.turnover[:, position + horizons]
            features = builder.rows(position, horizons)
            origins.append(TrainingOrigin(position, features, turnover, builder.history.scale(position)))
        if not origins:
            needed = WEEKS_PER_YEAR + 1 + self._gaps(WEEKS_PER_YEAR * self.origin_spacing_weeks)[0]
            raise ShortHistoryError(
                f"{last + 1} weeks of history are too few: the direct methods need {needed} with these "
                "options, to learn from a week with a year before it (turnover.methods: "
                "origin_spacing_weeks, season_width_weeks, min_origins)"
            )
        return origins


@dataclass(frozen=True)
class TrainingOrigin:
    """A past week with its features and the turnover of the weeks after it.

    Args:
        position: Of the week in the history; it seeds the draw, so that a refit draws the same rows again.
        features: Shape ``(series, horizons, features)``.
        turnover: Currency units per week, NaN where unknown, shape ``(series, horizons)``.
        scale: Scale of each series at that week.
    """

    position: int
    features: Rows
    turnover: FloatArray
    scale: FloatArray

    @cached_property
    def known(self) -> BoolArray:
        """Rows that can be learned from."""
        return ~np.isnan(self.turnover) & ~np.isnan(self.scale)[:, None]

    def rows_of(self, members: BoolArray, share: float) -> tuple[Rows, FloatArray, FloatArray]:
        """Features, target and weight of a share of the rows of some series."""
        selected = self.known & members[:, None]
        if share < 1:
            selected &= np.random.default_rng(self.position).random(selected.shape) < share
        scale = np.broadcast_to(self.scale[:, None], selected.shape)[selected]
        return self.features[selected], np.sqrt(np.maximum(self.turnover[selected], 0) / scale), scale
