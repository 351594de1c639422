"""Gradient boosting on the rows of a direct method."""

from __future__ import annotations

import base64
from collections.abc import Mapping
from typing import Generic

import lightgbm as lgb
import numpy as np
import pandas as pd
from pydantic import Field
from sklearn.ensemble import HistGradientBoostingRegressor

from sales_forecast.forecasting.features.feature_groups import FeatureGroup, sum_by_group
from sales_forecast.forecasting.methods.direct import DirectMethod, Part
from sales_forecast.forecasting.panel.matrix import FloatArray

ROWS_FOR_BINS = 20_000
"""Rows that LightGBM samples to find at most 255 bins; its default of ten times as many doubles the time."""


class BoostedTrees(DirectMethod[Part], Generic[Part], frozen=True):
    """The parameters that both libraries have in common."""

    trees: int = Field(gt=0)
    learning_rate: float = Field(gt=0, le=1)
    leaves: int = Field(gt=1)
    min_rows_per_leaf: int = Field(gt=0)
    feature_fraction: float = Field(gt=0, le=1)
    lambda_l2: float = Field(ge=0)
    max_bin: int = Field(gt=1, le=255)
    seed: int = 42


class LightGBM(BoostedTrees[list[str]], frozen=True):
    """LightGBM; fitted boosters are stored as the lines of its own text format."""

    bagging_fraction: float = Field(gt=0, le=1)

    def fit_rows(self, features: pd.DataFrame, target: FloatArray, weight: FloatArray) -> list[str]:
        """Fit one booster."""
        parameters = {
            "objective": "regression",
            "learning_rate": self.learning_rate,
            "num_leaves": self.leaves,
            "min_data_in_leaf": self.min_rows_per_leaf,
            "feature_fraction": self.feature_fraction,
            "bagging_fraction": self._bagging_fraction(len(target)),
            "bagging_freq": 1,
            "lambda_l2": self.lambda_l2,
            "max_bin": self.max_bin,
            "bin_construct_sample_cnt": ROWS_FOR_BINS,
            "seed": self.seed,
            "num_threads": 1,
            "deterministic": True,
            "force_col_wise": True,
            "verbosity": -1,
        }
        names = list(features.columns)
        rows = lgb.Dataset(features.to_numpy(), target, weight=weight, feature_name=names, params=parameters)
        text: str = lgb.train(parameters, rows, num_boost_round=self.trees).model_to_string()
        return text.splitlines()

    def _bagging_fraction(self, rows: int) -> float:
        """Leave out bagging where not one row would remain, which LightGBM refuses."""
        return self.bagging_fraction if int(self.bagging_fraction * rows) else 1.0

    def predict_rows(self, fitted: list[str], features: pd.DataFrame) -> FloatArray:
        """Predict with one booster."""
        booster = lgb.Booster(model_str="\n".join(fitted) + "\n")
        known = _known_features(booster, features)
        return np.asarray(booster.predict(known.to_numpy(), num_threads=1), dtype=float)

    def contribute_rows(
        self, fitted: list[str], features: pd.DataFrame, groups: Mapping[str, FeatureGroup]
    ) -> FloatArray:
        """SHAP values of one booster."""
        booster = lgb.Booster(model_str="\n".join(fitted) + "\n")
        known = _known_features(booster, features)
        shap = booster.predict(known.to_numpy(), pred_contrib=True, num_threads=1)
        return sum_by_group(np.asarray(shap, dtype=float), list(known.columns), groups)


def _known_features(booster: lgb.Booster, features: pd.DataFrame) -> pd.DataFrame:
    """Select the features that a booster was fitted on: a model may be older than some of the others.

    LightGBM's names have underscores instead of spaces.
    """
    position = {str(name).replace(" ", "_"): at for at, name in enumerate(features.columns)}
    return features.iloc[:, [position[name] for name in booster.feature_name()]]


class HistGradientBoosting(BoostedTrees[str], frozen=True):
    """scikit-learn's histogram gradient boosting; fitted models are stored as skops files in base64."""

    def fit_rows(self, features: pd.DataFrame, target: FloatArray, weight: FloatArray) -> str:
        """Fit one model; without weights, because scikit-learn 1.9 bins five times as slowly with them."""
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
        model.fit(features.fillna({name: 0 for name in features if features[name].isna().all()}), target)
        return base64.b64encode(skops.io.dumps(model)).decode("ascii")

    def predict_rows(self, fitted: str, features: pd.DataFrame) -> FloatArray:
        """Predict with one model."""
        import skops.io

        # Its node indices are not bounds-checked, so a hostile file could crash the process, not run code.
        trusted = ["sklearn.ensemble._hist_gradient_boosting.predictor.TreePredictor"]
        model = skops.io.loads(base64.b64decode(fitted), trusted=trusted)
        ratio: FloatArray = model.predict(features[list(model.feature_names_in_)])
        return ratio
