"""The plan of a week, such as promotions, prices and opening days, and what past weeks like it have sold."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np

from sales_forecast.forecasting.panel.matrix import WEEKS_PER_YEAR, FloatArray, Positions

BANDWIDTH = 0.5
"""Weeks count as alike within about so many standard deviations of each covariate within its series."""

PRIOR_WEEKS = 1.0
"""So many mean weeks are added, which decide where no past week was alike."""

PAST_WEEKS = 2 * WEEKS_PER_YEAR
"""Only so many latest weeks are compared: what a promotion brings changes with the years."""

UNKNOWN = 1.0
"""Squared distance, in variances, from a covariate that is not known."""


def covariates_of_weeks(covariates: Mapping[str, FloatArray], weeks: Positions) -> dict[str, FloatArray]:
    """Covariates of the weeks, and how they differ from the same week of last year.

    Args:
        covariates: One row per series, one column per week, by name.
        weeks: Positions of the weeks to be forecast.

    Returns:
        Shape ``(series, len(weeks))`` each; NaN where unknown.
    """
    features = {}
    for column, values in covariates.items():
        year_before = values[:, np.maximum(weeks - WEEKS_PER_YEAR, 0)]
        last_year = np.where(weeks >= WEEKS_PER_YEAR, year_before, np.nan)
        features[f"future_covariates.{column}"] = values[:, weeks]
        features[f"future_covariates.{column}_moved"] = values[:, weeks] - last_year
    return features


def mean_of_like_weeks(
    turnover: FloatArray, covariates: Sequence[FloatArray], weeks: Positions, origin: int
) -> FloatArray:
    """Mean turnover of past weeks of the same series, weighted by how much their covariates are alike.

    Args:
        turnover: One row per series, one column per week, without gaps.
        covariates: The same for each covariate, reaching to the last of the weeks; NaN where unknown.
        weeks: Positions of the weeks whose plan is compared with that of past ones.
        origin: Position of the last week whose turnover may be used.

    Returns:
        Currency units per week, shape ``(series, len(weeks))``.

    Source:
        Nadaraya (1964), On Estimating Regression, Theory of Probability and its Applications 9(1), 141-142,
        with a Gaussian kernel.
    """
    past = np.arange(max(0, origin + 1 - PAST_WEEKS), origin + 1)
    distance = np.zeros((len(turnover), len(weeks), len(past)), dtype=np.float32)
    for values in covariates:
        known, wanted = values[:, past].astype(np.float32), values[:, weeks].astype(np.float32)
        spread = _spread_within_series(values[:, past])
        if spread > 0:
            apart = (wanted[:, :, None] - known[:, None, :]) / spread
            distance += np.where(np.isnan(apart), UNKNOWN, np.square(apart))
    weight = np.exp(-distance / (2 * BANDWIDTH**2))
    sold = np.einsum("swp,sp->sw", weight, turnover[:, past].astype(np.float32))
    prior = PRIOR_WEEKS * turnover[:, past].mean(axis=1)[:, None]
    return np.asarray((sold + prior) / (weight.sum(axis=2) + PRIOR_WEEKS), dtype=float)


def _spread_within_series(values: FloatArray) -> float:
    """Root mean squared deviation of known values from the mean of their series; 0 where none is known."""
    known = ~np.isnan(values)
    mean = np.where(known, values, 0).sum(axis=1) / np.maximum(known.sum(axis=1), 1)
    squares = np.where(known, np.square(values - mean[:, None]), 0)
    return float(np.sqrt(squares.sum() / max(1, known.sum())))
