"""A straight line through the features, drawn close to what is usual for the week."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
from pydantic import Field
from sklearn import linear_model
from sklearn.preprocessing import StandardScaler

from sales_forecast.forecasting.direct import DirectMethod
from sales_forecast.forecasting.grid import Matrix


class Ridge(DirectMethod, frozen=True):
    """Ridge regression of the difference to the usual: the same week of past years, grown.

    Few coefficients, held back strongly: where trees learn the weather of single weeks by heart, this cannot.
    """

    penalty: float = Field(gt=0)
    """Ridge penalty in units of the rows' weight; features are scaled to a standard deviation of one."""

    def fit_rows(self, features: pd.DataFrame, target: Matrix, weight: Matrix) -> dict[str, Any]:
        """Draw the line of one part; a feature that is never known is left out."""
        known = features.dropna(axis="columns", how="all")
        scaler = StandardScaler()
        scaled = np.nan_to_num(scaler.fit_transform(known.to_numpy(dtype=float)))
        line = linear_model.Ridge(self.penalty)
        line.fit(scaled, target - _usual(features), sample_weight=weight / weight.sum())
        return {
            "features": list(known.columns),
            "mean": scaler.mean_.tolist(),
            "spread": scaler.scale_.tolist(),
            "slopes": line.coef_.tolist(),
            "intercept": float(line.intercept_),
        }

    def predict_rows(self, fitted: dict[str, Any], features: pd.DataFrame) -> Matrix:
        """Read the line."""
        values = features[fitted["features"]].to_numpy(dtype=float)
        scaled = (values - np.array(fitted["mean"])) / np.array(fitted["spread"])
        line = np.nan_to_num(scaled) @ np.array(fitted["slopes"]) + fitted["intercept"]
        return np.asarray(_usual(features) + line, dtype=float)


def _usual(features: pd.DataFrame) -> Matrix:
    """What is usual for the week; an average week where no year is known."""
    return np.asarray(features["usual"].fillna(1.0), dtype=float)
