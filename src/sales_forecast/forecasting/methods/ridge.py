"""A straight line through the features, drawn close to what is usual for the week."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import pandas as pd
from pydantic import Field
from sklearn import linear_model
from sklearn.preprocessing import StandardScaler

from sales_forecast.forecasting.features.groups import FeatureGroup, sum_by_group
from sales_forecast.forecasting.methods.direct import DirectMethod
from sales_forecast.forecasting.panel.matrix import FloatArray

FARTHEST = 10.0
"""A feature counts as no farther from its mean than so many standard deviations: where few weeks were seen,
such as those of one season, the line is not drawn out to the next."""

AVERAGE = 1.0
"""An average week, as a ratio to the series' own scale."""


class Ridge(DirectMethod, frozen=True):
    """Ridge regression of the difference to the usual: the same week of past years, grown.

    Few coefficients, held back strongly: where trees learn the weather of single weeks by heart, this cannot.
    """

    penalty: float = Field(gt=0)
    """Ridge penalty in units of the rows' weight; features are scaled to a standard deviation of one."""

    def fit_rows(self, features: pd.DataFrame, target: FloatArray, weight: FloatArray) -> dict[str, Any]:
        """Draw the line of one part; a feature that is never known is left out."""
        known = features.dropna(axis="columns", how="all")
        scaler = StandardScaler()
        scaled: FloatArray = np.nan_to_num(scaler.fit_transform(known.to_numpy(dtype=float)))
        line = linear_model.Ridge(self.penalty)
        line.fit(scaled, target - _seasonal_reference(features), sample_weight=weight / weight.sum())
        return {
            "features": list(known.columns),
            "mean": scaler.mean_.tolist(),
            "spread": scaler.scale_.tolist(),
            "slopes": line.coef_.tolist(),
            "intercept": float(line.intercept_),
        }

    def predict_rows(self, fitted: dict[str, Any], features: pd.DataFrame) -> FloatArray:
        """Read the line."""
        line = _scaled(fitted, features) @ np.array(fitted["slopes"]) + fitted["intercept"]
        return np.asarray(_seasonal_reference(features) + line, dtype=float)

    def contribute_rows(
        self, fitted: dict[str, Any], features: pd.DataFrame, groups: Mapping[str, FeatureGroup]
    ) -> FloatArray:
        """Slope times feature, beside an average week and how far the usual of this week is from it."""
        known = _scaled(fitted, features) * np.array(fitted["slopes"])
        average = np.full((len(features), 1), AVERAGE + fitted["intercept"])
        contributions = sum_by_group(np.hstack([known, average]), fitted["features"], groups)
        contributions[:, FeatureGroup.SAME_WEEK] += _seasonal_reference(features) - AVERAGE
        return contributions


def _scaled(fitted: dict[str, Any], features: pd.DataFrame) -> FloatArray:
    """What is unknown counts as average, and what is far out as far out."""
    values = features[fitted["features"]].to_numpy(dtype=float)
    scaled: FloatArray = np.nan_to_num((values - np.array(fitted["mean"])) / np.array(fitted["spread"]))
    return scaled.clip(-FARTHEST, FARTHEST)


def _seasonal_reference(features: pd.DataFrame) -> FloatArray:
    """What is usual for the week; an average week where no year is known."""
    return np.asarray(features["seasonal_reference"].fillna(AVERAGE), dtype=float)
