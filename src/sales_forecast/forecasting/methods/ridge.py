"""Ridge regression around the seasonal reference of the week."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TypedDict

import numpy as np
import pandas as pd
from pydantic import Field
from sklearn import linear_model
from sklearn.preprocessing import StandardScaler

from sales_forecast.forecasting.features.feature_groups import FeatureGroup, sum_by_group
from sales_forecast.forecasting.methods.direct import DirectMethod
from sales_forecast.forecasting.panel.matrix import FloatArray

AVERAGE_WEEK = 1.0
"""An average week, as a ratio to the series' own scale."""


class RidgeFit(TypedDict):
    """The regression of one part."""

    features: list[str]
    lowest: list[float]
    highest: list[float]
    mean: list[float]
    spread: list[float]
    slopes: list[float]
    intercept: float


class Ridge(DirectMethod[RidgeFit], frozen=True):
    """Ridge regression of the difference to the seasonal reference: the same week of past years, grown.

    It has few coefficients, strongly penalised, so that it cannot fit the noise of single weeks as trees can.
    """

    penalty: float = Field(gt=0)
    """Ridge penalty in units of the rows' weight; features are scaled to a standard deviation of one."""

    def fit_rows(self, features: pd.DataFrame, target: FloatArray, weight: FloatArray) -> RidgeFit:
        """Fit the regression of one part; a feature that is never known is left out."""
        known = features.dropna(axis="columns", how="all")
        values = known.to_numpy(dtype=float)
        scaler = StandardScaler()
        scaled: FloatArray = np.nan_to_num(scaler.fit_transform(values))
        regression = linear_model.Ridge(self.penalty)
        regression.fit(scaled, target - _seasonal_reference(features), sample_weight=weight / weight.sum())
        return {
            "features": list(known.columns),
            "lowest": np.nanmin(values, axis=0).tolist(),
            "highest": np.nanmax(values, axis=0).tolist(),
            "mean": scaler.mean_.tolist(),
            "spread": scaler.scale_.tolist(),
            "slopes": regression.coef_.tolist(),
            "intercept": float(regression.intercept_),
        }

    def predict_rows(self, fitted: RidgeFit, features: pd.DataFrame) -> FloatArray:
        """Predict with the regression of one part."""
        difference = _scaled(fitted, features) @ np.array(fitted["slopes"]) + fitted["intercept"]
        return np.asarray(_seasonal_reference(features) + difference, dtype=float)

    def contribute_rows(
        self, fitted: RidgeFit, features: pd.DataFrame, groups: Mapping[str, FeatureGroup]
    ) -> FloatArray:
        """Slope times feature; the seasonal reference counts as the same week of past years."""
        known = _scaled(fitted, features) * np.array(fitted["slopes"])
        average = np.full((len(features), 1), AVERAGE_WEEK + fitted["intercept"])
        contributions = sum_by_group(np.hstack([known, average]), fitted["features"], groups)
        contributions[:, FeatureGroup.SAME_WEEK] += _seasonal_reference(features) - AVERAGE_WEEK
        return contributions


def _scaled(fitted: RidgeFit, features: pd.DataFrame) -> FloatArray:
    """Standardise features; an unknown one counts as its mean.

    A feature beyond the values that were seen counts as the nearest of them: where the rows are those of one
    season, or of half a year, the regression does not extrapolate to the rest.
    """
    values = features[fitted["features"]].to_numpy(dtype=float)
    seen = values.clip(np.array(fitted["lowest"]), np.array(fitted["highest"]))
    scaled: FloatArray = np.nan_to_num((seen - np.array(fitted["mean"])) / np.array(fitted["spread"]))
    return scaled


def _seasonal_reference(features: pd.DataFrame) -> FloatArray:
    """The seasonal reference of each row; an average week where no year is known."""
    return np.asarray(features["seasonal_reference"].fillna(AVERAGE_WEEK), dtype=float)
