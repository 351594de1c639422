"""Gradient boosting on ratios to a series' own scale, one direct model for all weeks ahead.

The target is sqrt(turnover / scale), weighted by the scale: the model learns shapes, and errors count by the
money they stand for. Rows come from past origins in the season that is to be forecast.
"""

from __future__ import annotations

import base64
from abc import abstractmethod
from collections.abc import Iterator
from itertools import count, takewhile
from typing import Any

import lightgbm as lgb
import numpy as np
import numpy.typing as npt
import pandas as pd
from joblib import Parallel, delayed
from pydantic import Field
from sklearn.ensemble import HistGradientBoostingRegressor
from threadpoolctl import threadpool_limits

from sales_forecast.forecasting.errors import InputError
from sales_forecast.forecasting.features import FeatureSource
from sales_forecast.forecasting.market import Market, Matrix, weeks_ahead
from sales_forecast.forecasting.method import Fitted, Method

Rows = npt.NDArray[np.float32]
YEAR = 52


class DirectMethod(Method, frozen=True):
    """Everything but the regressor itself, which subclasses bring."""

    partition: tuple[str, ...] = ("department",)
    """One model for each combination of these columns; empty: one model for all."""

    max_horizon_weeks: int = Field(gt=0, le=50)
    origin_spacing_weeks: int = Field(gt=0)
    season_width_weeks: int = Field(ge=0, le=26)
    """Origins lie within so many weeks of the cutoff's place in the year, in every past year."""

    trees: int = Field(gt=0)
    learning_rate: float = Field(gt=0, le=1)
    leaves: int = Field(gt=1)
    min_rows_per_leaf: int = Field(gt=0)
    feature_fraction: float = Field(gt=0, le=1)
    lambda_l2: float = Field(ge=0)
    max_bin: int = Field(gt=1, le=255)
    seed: int = 42

    @abstractmethod
    def fit_rows(self, features: Rows, target: Matrix, weight: Matrix) -> Any:
        """Fit one regressor; return it as JSON can hold it."""

    @abstractmethod
    def predict_rows(self, fitted: Any, features: Rows) -> Matrix:
        """Predict with one regressor."""

    def fit(self, market: Market) -> Fitted:
        """Fit one regressor a part."""
        source = FeatureSource(market.at_todays_level, market.calendar)
        part = self._part_of(source.grid.series)
        features, target, weight, series = self._training_rows(source)
        row_part = part[series]
        names = [name for name in sorted(set(part)) if (row_part == name).any()]
        # Parts in parallel, each on one thread: a part is too small to share, and threads that wait for
        # each other take twenty times as long on a busy machine. The result does not depend on the cores.
        fitted = Parallel(n_jobs=-1, prefer="threads")(
            delayed(self._fit_part)(features, target, weight, row_part == name) for name in names
        )
        return dict(zip(names, fitted, strict=True))

    def _fit_part(self, features: Rows, target: Matrix, weight: Matrix, rows: npt.NDArray[np.bool_]) -> Any:
        with threadpool_limits(1, user_api="openmp"):
            return self.fit_rows(features[rows], target[rows], weight[rows])

    def forecast(self, market: Market, targets: pd.DataFrame, fitted: Fitted) -> Matrix:
        """Forecast each target with its part's regressor."""
        source = FeatureSource(market.at_todays_level, market.calendar)
        origin = len(source.grid.weeks) - 1
        ahead = weeks_ahead(targets, market.cutoff)
        self._refuse_beyond(int(ahead.max()))
        horizons = np.arange(1, ahead.max() + 1)
        features = _stack(source.at(origin, horizons))
        scale = source.scale(origin)
        part = self._part_of(source.grid.series)

        ratio = np.full(features.shape[:2], np.nan)
        for name, model in fitted.items():
            members = np.flatnonzero((part == name) & ~np.isnan(scale))
            if members.size:
                rows = features[members].reshape(-1, features.shape[2])
                with threadpool_limits(1, user_api="openmp"):
                    ratio[members] = self.predict_rows(model, rows).reshape(len(members), -1)
        forecast = np.maximum(ratio, 0) ** 2 * scale[:, None]
        series = source.grid.position_of(targets)
        return np.where(series >= 0, forecast[series, ahead - 1], np.nan)

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
            raise InputError(
                f"partition: {', '.join(unknown)} (turnover.methods) is no column of the series; there are "
                f"{', '.join(series.columns)}"
            )
        columns = [series[column].astype(str) for column in self.partition]
        return np.array(["/".join(values) for values in zip(*columns, strict=True)])

    def _gaps(self) -> Iterator[int]:
        """Weeks from each training origin to the cutoff, nearest first."""
        for gap in count(self.origin_spacing_weeks, self.origin_spacing_weeks):
            from_season = gap % YEAR
            if min(from_season, YEAR - from_season) <= self.season_width_weeks:
                yield gap

    def _origins(self, weeks: int) -> list[int]:
        """Positions of training origins, newest first, whose last target is already known."""
        reach = weeks - 1 - YEAR  # before an origin lies a year
        return [weeks - 1 - gap for gap in takewhile(lambda gap: gap <= reach, self._gaps())]

    def _training_rows(self, source: FeatureSource) -> tuple[Rows, Matrix, Matrix, npt.NDArray[np.intp]]:
        """Rows of all origins: features, target, weight, and the series each row belongs to.

        Raises:
            InputError: History is too short for a single row.
        """
        last = len(source.grid.weeks) - 1
        parts = []
        for origin in self._origins(last + 1):
            horizons = np.arange(1, min(self.max_horizon_weeks, last - origin) + 1)
            scale = np.broadcast_to(source.scale(origin)[:, None], (len(source.sold), len(horizons)))
            sold = source.grid.turnover[:, origin + horizons]
            known = ~np.isnan(sold) & ~np.isnan(scale)
            features = _stack(source.at(origin, horizons))[known]
            target = np.sqrt(np.maximum(sold[known], 0) / scale[known])
            parts.append((features, target, scale[known], np.nonzero(known)[0]))
        if not parts:
            needed = YEAR + 1 + next(self._gaps())
            raise InputError(
                f"{last + 1} weeks of history are too few: the direct methods need {needed} with these "
                "options, to learn from a week with a year before it "
                "(turnover.methods: origin_spacing_weeks, season_width_weeks)"
            )
        features, target, weight, series = (np.concatenate(columns) for columns in zip(*parts, strict=True))
        return features, target, weight, series


def _stack(features: dict[str, Matrix]) -> Rows:
    return np.stack(list(features.values()), axis=-1, dtype=np.float32, casting="unsafe")


class LightGBM(DirectMethod, frozen=True):
    """LightGBM; fitted boosters are kept as its own text format."""

    bagging_fraction: float = Field(gt=0, le=1)

    def fit_rows(self, features: Rows, target: Matrix, weight: Matrix) -> list[str]:
        """Fit one booster."""
        parameters = {
            "objective": "regression",
            "learning_rate": self.learning_rate,
            "num_leaves": self.leaves,
            "min_data_in_leaf": self.min_rows_per_leaf,
            "feature_fraction": self.feature_fraction,
            "bagging_fraction": self.bagging_fraction,
            "bagging_freq": 1,
            "lambda_l2": self.lambda_l2,
            "max_bin": self.max_bin,
            "seed": self.seed,
            "num_threads": 1,
            "deterministic": True,
            "force_col_wise": True,
            "verbosity": -1,
        }
        rows = lgb.Dataset(features, target, weight=weight, params=parameters)
        text: str = lgb.train(parameters, rows, num_boost_round=self.trees).model_to_string()
        return text.splitlines()

    def predict_rows(self, fitted: list[str], features: Rows) -> Matrix:
        """Predict with one booster."""
        booster = lgb.Booster(model_str="\n".join(fitted) + "\n")
        return np.asarray(booster.predict(features, num_threads=1), dtype=float)


class HistGradientBoosting(DirectMethod, frozen=True):
    """scikit-learn's histogram gradient boosting; fitted models are kept as skops files."""

    def fit_rows(self, features: Rows, target: Matrix, weight: Matrix) -> str:
        """Fit one model; without weights, with which scikit-learn 1.9 takes five times as long to bin."""
        import skops.io

        model = HistGradientBoostingRegressor(
            max_iter=self.trees,
            learning_rate=self.learning_rate,
            max_leaf_nodes=self.leaves,
            min_samples_leaf=self.min_rows_per_leaf,
            max_features=self.feature_fraction,
            max_bins=self.max_bin,
            l2_regularization=self.lambda_l2,
            early_stopping=False,
            random_state=self.seed,
        )
        # A lag beyond the first week is missing everywhere; scikit-learn cannot bin an empty column.
        model.fit(np.where(np.isnan(features).all(axis=0), 0, features), target)
        return base64.b64encode(skops.io.dumps(model)).decode("ascii")

    def predict_rows(self, fitted: str, features: Rows) -> Matrix:
        """Predict with one model."""
        import skops.io

        # Its node indices are not bounds-checked, so a hostile file could crash the process, not run code.
        trusted = ["sklearn.ensemble._hist_gradient_boosting.predictor.TreePredictor"]
        model = skops.io.loads(base64.b64decode(fitted), trusted=trusted)
        ratio: Matrix = model.predict(features)
        return ratio
