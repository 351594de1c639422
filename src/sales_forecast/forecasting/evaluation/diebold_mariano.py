"""The Diebold-Mariano test, with the variance of Newey and West."""

from __future__ import annotations

from dataclasses import dataclass
from math import nan

import numpy as np

from sales_forecast.forecasting.evaluation.significance import PairedErrors
from sales_forecast.forecasting.panel.matrix import FloatArray


@dataclass(frozen=True)
class DieboldMariano:
    """Test of the hypothesis that the mean difference in loss is zero.

    Args:
        statistic: Test statistic; negative: the method is better.
        p_value: Two-sided p-value.
    """

    statistic: float
    p_value: float


def diebold_mariano(errors: PairedErrors) -> DieboldMariano:
    """Test the weekly difference in the sum of absolute errors, which is autocorrelated.

    The forecasts of a week that were made at several cutoffs count together. Weeks less than a horizon apart
    may depend on each other, less than two where windows overlap, unless weeks between them were not
    forecast. NaN where all weeks have the same difference.

    Args:
        errors: Errors of both methods.

    Source:
        Diebold and Mariano (1995), Comparing Predictive Accuracy, Journal of Business & Economic Statistics
        13(3), 253-263; variance with the weights of Newey and West (1987), Econometrica 55(3), 703-708.
    """
    from scipy import stats

    weeks = np.unique(errors.week)
    differences = np.bincount(errors.week, errors.own - errors.other)[weeks]
    centred = differences - differences.mean()
    runs = np.split(centred, np.flatnonzero(np.diff(weeks) > 1) + 1)
    spans = errors.spans
    horizon_weeks = max((last - first + 1 for first, last in spans), default=1)
    bandwidth = horizon_weeks * (1 if errors.apart == len(spans) else 2)
    variance = sum(_newey_west(run, bandwidth) for run in runs) / len(weeks)
    statistic = nan
    if variance > 0:
        statistic = float(differences.mean() / np.sqrt(variance / len(weeks)))
    return DieboldMariano(statistic, float(2 * stats.t.sf(abs(statistic), df=max(len(weeks) - 1, 1))))


def _newey_west(run: FloatArray, bandwidth: int) -> float:
    """Sum of squares and, with falling weights, of lagged products."""
    lags = min(len(run), bandwidth)
    products = [float(run[lag:] @ run[: len(run) - lag]) for lag in range(lags)]
    return products[0] + 2 * sum((1 - lag / lags) * products[lag] for lag in range(1, lags))
