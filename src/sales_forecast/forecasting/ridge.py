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
from sales_forecast.forecasting.reasons import SAME_WEEK, gather

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

    def fit_rows(self, features: pd.DataFrame, target: Matrix, weight: Matrix) -> dict[str, Any]:
        """Draw the line of one part; a feature that is never known is left out."""
        known = features.dropna(axis="columns", how="all")
        scaler = StandardScaler()
        scaled: Matrix = np.nan_to_num(scaler.fit_transform(known.to_numpy(dtype=float)))
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
        line = _scaled(fitted, features) @ np.array(fitted["slopes"]) + fitted["intercept"]
        return np.asarray(_usual(features) + line, dtype=float)

    def contribute_rows(self, fitted: dict[str, Any], features: pd.DataFrame) -> Matrix:
        """Slope times feature, beside an average week and how far the usual of this week is from it."""
        known = _scaled(fitted, features) * np.array(fitted["slopes"])
        average = np.full((len(features), 1), AVERAGE + fitted["intercept"])
        roots = gather(np.hstack([known, average]), fitted["features"])
        roots[:, SAME_WEEK] += _usual(features) - AVERAGE
        return roots


def _scaled(fitted: dict[str, Any], features: pd.DataFrame) -> Matrix:
    """What is unknown counts as average, and what is far out as far out."""
    values = features[fitted["features"]].to_numpy(dtype=float)
    scaled: Matrix = np.nan_to_num((values - np.array(fitted["mean"])) / np.array(fitted["spread"]))
    return scaled.clip(-FARTHEST, FARTHEST)


def _usual(features: pd.DataFrame) -> Matrix:
    """What is usual for the week; an average week where no year is known."""
    return np.asarray(features["usual"].fillna(AVERAGE), dtype=float)
