"""A straight line through the features, drawn close to what is usual for the week."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
from pydantic import Field

from sales_forecast.forecasting.direct import DirectMethod
from sales_forecast.forecasting.grid import Matrix


class Ridge(DirectMethod, frozen=True):
    """Ridge regression of the difference to the usual: the same week of past years, grown.

    Few coefficients, held back strongly: where trees learn the weather of single weeks by heart, this cannot.
    """

    penalty: float = Field(gt=0)
    """Ridge penalty in units of the rows' weight; features are scaled to a standard deviation of one."""

    def fit_rows(self, features: pd.DataFrame, target: Matrix, weight: Matrix) -> dict[str, Any]:
        """Solve the normal equations of one part."""
        values = features.to_numpy(dtype=float)
        known = ~np.isnan(values)
        count = np.maximum(known.sum(axis=0), 1)
        mean = np.where(known, values, 0).sum(axis=0) / count
        spread = np.sqrt(np.where(known, (values - mean) ** 2, 0).sum(axis=0) / count)
        spread[spread < 1e-6] = 1.0
        scaled = np.where(known, (values - mean) / spread, 0)
        difference = target - _usual(features)
        share = weight / weight.sum()
        intercept = float(share @ difference)
        weighted = scaled * share[:, None]
        gram = weighted.T @ scaled + self.penalty * np.eye(scaled.shape[1])
        slopes = np.linalg.solve(gram, weighted.T @ (difference - intercept))
        return {
            "features": list(features.columns),
            "mean": mean.tolist(),
            "spread": spread.tolist(),
            "slopes": slopes.tolist(),
            "intercept": intercept,
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
