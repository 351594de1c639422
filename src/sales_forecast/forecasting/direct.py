"""Learning from ratios to a series' own scale, one direct model for all weeks ahead.

The target is sqrt(turnover / scale), weighted by the scale: the model learns shapes, and errors count by the
money they stand for. Rows come from past origins in the season that is to be forecast.
"""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import cached_property
from itertools import count, takewhile
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd
from joblib import Parallel, delayed
from pydantic import Field
from threadpoolctl import threadpool_limits

from sales_forecast.forecasting.errors import InputError, ShortHistoryError
from sales_forecast.forecasting.features import FeatureSource, Rows
from sales_forecast.forecasting.grid import WEEKS_PER_YEAR, Matrix
from sales_forecast.forecasting.market import Market, weeks_ahead
from sales_forecast.forecasting.method import Fitted, Method, Needs
from sales_forecast.forecasting.reasons import OTHER, ROOTS


class DirectMethod(Method, frozen=True):
    """Everything but the regressor itself, which subclasses bring."""

    partition: tuple[str, ...] = ("department",)
    """One model for each combination of these columns; empty: one model for all."""

    max_horizon_weeks: int = Field(gt=0, le=50)
    origin_spacing_weeks: int = Field(gt=0)
    season_width_weeks: int = Field(ge=0, le=26)
    """Origins lie within so many weeks of the cutoff's place in the year, in every past year."""

    def problems(self, needs: Needs) -> Iterator[tuple[str, str]]:
        """A horizon beyond the trained one, and a partition by a column that is not there."""
        for who, weeks in needs.horizon_weeks.items():
            if weeks > self.max_horizon_weeks:
                yield "max_horizon_weeks", f"{self.max_horizon_weeks} is too few, {who} wants {weeks}"
        if unknown := sorted(set(self.partition) - set(needs.columns)):
            there = ", ".join(needs.columns)
            yield "partition", f"{', '.join(unknown)} is no column of the series; there are {there}"
        yield from super().problems(needs)

    def learners(self, weeks: int) -> Iterator[Method]:
        """Itself."""
        yield self

    @abstractmethod
    def fit_rows(self, features: pd.DataFrame, target: Matrix, weight: Matrix) -> Any:
        """Fit one regressor; return it as JSON can hold it."""

    @abstractmethod
    def predict_rows(self, fitted: Any, features: pd.DataFrame) -> Matrix:
        """Predict with one regressor."""

    def fit(self, market: Market) -> Fitted:
        """Fit one regressor a part."""
        source = market.features
        part = self._part_of(source.grid.series)
        origins = self._training_origins(source)
        trained = np.any([origin.known.any(axis=1) for origin in origins], axis=0)
        names = sorted(set(part[trained]))
        # Parts in parallel, each on one thread: a part is too small to share, and threads that wait for
        # each other take twenty times as long on a busy machine. The result does not depend on the cores.
        with threadpool_limits(1):
            fitted = Parallel(n_jobs=-1, prefer="threads")(
                delayed(self._fit_part)(origins, part == name, source.names) for name in names
            )
        return dict(zip(names, fitted, strict=True))

    def _fit_part(self, origins: list[Origin], members: npt.NDArray[np.bool_], names: list[str]) -> Any:
        rows = [origin.rows_of(members) for origin in origins]
        features, target, weight = (np.concatenate(column) for column in zip(*rows, strict=True))
        return self.fit_rows(pd.DataFrame(features, columns=names, copy=False), target, weight)

    def forecast(self, market: Market, targets: pd.DataFrame, fitted: Fitted) -> Matrix:
        """Forecast each target with its part's regressor."""
        root = self._roots(market, targets, fitted, lambda *asked: self.predict_rows(*asked)[:, None], 1)
        return np.maximum(root[:, 0], 0) ** 2

    def reasons(self, market: Market, targets: pd.DataFrame, fitted: Fitted) -> Matrix:
        """Split each forecast's root by feature, as the regressor counts them."""
        roots = self._roots(market, targets, fitted, self.contribute_rows, ROOTS)
        return np.where(roots.sum(axis=1, keepdims=True) < 0, 0, roots)

    def contribute_rows(self, fitted: Any, features: pd.DataFrame) -> Matrix:
        """Split predictions as ``reasons.gather`` does; a regressor that cannot leaves all to ``OTHER``."""
        roots = np.zeros((len(features), ROOTS))
        roots[:, OTHER] = self.predict_rows(fitted, features)
        return roots

    def _roots(
        self,
        market: Market,
        targets: pd.DataFrame,
        fitted: Fitted,
        ask: Callable[[Any, pd.DataFrame], Matrix],
        width: int,
    ) -> Matrix:
        """Square roots of turnover, by each target's regressor; shape ``(len(targets), width)``."""
        source = market.features
        origin = len(source.grid.weeks) - 1
        ahead = weeks_ahead(targets, market.cutoff)
        self._refuse_beyond(int(ahead.max()))
        features = source.rows(origin, int(ahead.max()))
        scale = source.scale(origin)
        part = self._part_of(source.grid.series)

        roots = np.full((*features.shape[:2], width), np.nan)
        for name, model in fitted.items():
            members = np.flatnonzero((part == name) & ~np.isnan(scale))
            if members.size:
                rows = features[members].reshape(-1, features.shape[2])
                with threadpool_limits(1):
                    said = ask(model, pd.DataFrame(rows, columns=source.names))
                roots[members] = said.reshape(len(members), -1, width)
        roots *= np.sqrt(scale)[:, None, None]
        roots[source.asleep(origin)] = 0
        series = source.grid.position_of(targets)
        return np.where((series >= 0)[:, None], roots[series, ahead - 1], np.nan)

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

    def _gaps(self) -> Iterator[int]:
        """Weeks from each training origin to the cutoff, nearest first."""
        for gap in count(self.origin_spacing_weeks, self.origin_spacing_weeks):
            from_season = gap % WEEKS_PER_YEAR
            if min(from_season, WEEKS_PER_YEAR - from_season) <= self.season_width_weeks:
                yield gap

    def _origins(self, weeks: int) -> list[int]:
        """Positions of training origins, newest first, whose last target is already known."""
        reach = weeks - 1 - WEEKS_PER_YEAR  # before an origin lies a year
        return [weeks - 1 - gap for gap in takewhile(lambda gap: gap <= reach, self._gaps())]

    def _training_origins(self, source: FeatureSource) -> list[Origin]:
        """What was sold after each past origin, newest first.

        Raises:
            ShortHistoryError: There is not a single row to learn from.
        """
        last = len(source.grid.weeks) - 1
        origins = []
        for position in self._origins(last + 1):
            horizons = np.arange(1, min(self.max_horizon_weeks, last - position) + 1)
            sold = source.grid.turnover[:, position + horizons]
            origins.append(Origin(source.rows(position, len(horizons)), sold, source.scale(position)))
        if not origins:
            needed = WEEKS_PER_YEAR + 1 + next(self._gaps())
            raise ShortHistoryError(
                f"{last + 1} weeks of history are too few: the direct methods need {needed} with these "
                "options, to learn from a week with a year before it "
                "(turnover.methods: origin_spacing_weeks, season_width_weeks)"
            )
        return origins


@dataclass(frozen=True)
class Origin:
    """A past week, what was known at it and what came true.

    Args:
        features: Shape ``(series, horizons, features)``.
        sold: Currency units per week, NaN where unknown, shape ``(series, horizons)``.
        scale: Of each series at that week.
    """

    features: Rows
    sold: Matrix
    scale: Matrix

    @cached_property
    def known(self) -> npt.NDArray[np.bool_]:
        """Where a row can be learnt from."""
        return ~np.isnan(self.sold) & ~np.isnan(self.scale)[:, None]

    def rows_of(self, members: npt.NDArray[np.bool_]) -> tuple[Rows, Matrix, Matrix]:
        """Features, target and weight of some series."""
        chosen = self.known & members[:, None]
        scale = np.broadcast_to(self.scale[:, None], chosen.shape)[chosen]
        return self.features[chosen], np.sqrt(np.maximum(self.sold[chosen], 0) / scale), scale
