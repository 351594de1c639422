"""Whether one method is better than another beyond chance: two paired tests on the same past forecasts."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np
import pandas as pd

from sales_forecast.forecasting.panel.matrix import FloatArray

CHALLENGER, CHAMPION = "challenger", "champion"
"""Values of ``method`` where two models are compared."""

DETECTABLE_STANDARD_ERRORS = 1.96 + 0.84
"""Size of a difference, in standard errors, that a 95 % interval distinguishes from zero with 80 % power."""

MIN_CLUSTERS = 5
"""The bootstrap needs so many clusters (stores) to say anything about chance."""

Verdict = Literal["better", "worse", "open"]


@dataclass(frozen=True)
class Difference:
    """WAPE of a method minus that of another, mean over windows; negative: the method is better.

    Args:
        wape: Difference as measured.
        own: WAPE of the method, mean over windows.
        other: WAPE of the other method, mean over windows.
        low: Lower end of the 95 % interval of the difference.
        high: Upper end of the 95 % interval of the difference.
        deviation: Standard deviation of the difference over draws, which is its standard error.
        detectable: The smallest true difference that would be found with 80 % power.
        clusters: Number of clusters (stores) that were drawn from.
    """

    wape: float
    own: float
    other: float
    low: float
    high: float
    deviation: float
    detectable: float
    clusters: int = MIN_CLUSTERS

    @property
    def verdict(self) -> Verdict:
        """``better`` or ``worse``; ``open`` where the interval holds zero or there are too few clusters."""
        if self.clusters < MIN_CLUSTERS:
            return "open"
        return "better" if self.high < 0 else "worse" if self.low > 0 else "open"


def compare(
    backtest: pd.DataFrame,
    method: str,
    other: str,
    draws: int,
    seed: int,
    by: list[str] | None = None,
) -> Difference:
    """Compare the WAPE of two methods by a paired bootstrap over stores.

    Stores are drawn with replacement, the same ones for both methods and all windows. Stores are drawn and
    not rows, because the errors of the weeks and departments of a store depend on each other.

    Args:
        backtest: ``method, cutoff, store, turnover, forecast`` of both methods on the same rows and, if
            ``by`` is given, ``week`` and the columns of ``by``.
        method: Method whose WAPE counts.
        other: Method whose WAPE is subtracted.
        draws: Number of draws.
        seed: Seed of the draws.
        by: Errors are those of weekly sums over the drawn stores by these columns; without it, of series.

    Source:
        Efron and Tibshirani (1993), An Introduction to the Bootstrap, chapters 8 and 13: percentile interval,
        resampling whole clusters.
    """
    stores = pd.Index(np.sort(backtest["store"].unique()), name="store")
    drawn = _draw(len(stores), draws, seed)
    own, others = (
        np.mean([_drawn_wape(rows, stores, drawn, by) for _, rows in of_method.groupby("cutoff")], axis=0)
        for of_method in (backtest[backtest["method"] == name] for name in (method, other))
    )
    return _difference(own, others, len(stores))


def compare_errors(
    own_errors: FloatArray, other_errors: FloatArray, actuals: FloatArray, draws: int, seed: int
) -> Difference:
    """Compare two methods by a paired bootstrap over independent observations, each its own cluster.

    Args:
        own_errors: Actual minus forecast of the method, one per observation.
        other_errors: Actual minus forecast of the other method, for the same observations.
        actuals: What came true.
        draws: Number of draws.
        seed: Seed of the draws.
    """
    drawn = _draw(len(actuals), draws, seed)
    total = np.maximum(drawn @ actuals, 1e-9)
    own, others = ((drawn @ np.abs(errors)) / total for errors in (own_errors, other_errors))
    return _difference(own, others, len(actuals))


def _draw(count: int, draws: int, seed: int) -> FloatArray:
    """How often each cluster counts, shape ``(1 + draws, count)``; the first row is the measurement."""
    counts = np.random.default_rng(seed).multinomial(count, np.full(count, 1 / count), draws)
    return np.vstack([np.ones(count), counts])


def _difference(own: FloatArray, others: FloatArray, clusters: int) -> Difference:
    """Difference of two errors and its interval, from one value of each per draw."""
    gaps = own - others
    low, high = np.quantile(gaps[1:], [0.025, 0.975])
    deviation = float(gaps[1:].std())
    return Difference(
        wape=float(gaps[0]),
        own=float(own[0]),
        other=float(others[0]),
        low=float(low),
        high=float(high),
        deviation=deviation,
        detectable=DETECTABLE_STANDARD_ERRORS * deviation,
        clusters=clusters,
    )


def _drawn_wape(
    rows: pd.DataFrame, stores: pd.Index[str], drawn: FloatArray, by: list[str] | None
) -> FloatArray:
    """WAPE of one method in one window, for each draw."""

    def per_store(values: pd.Series[float], columns: list[str]) -> FloatArray:
        keys = [rows["store"], *(rows[column] for column in columns)]
        table = values.groupby(keys).sum()
        wide = table.unstack(columns) if columns else table.to_frame()
        return wide.reindex(stores).fillna(0).to_numpy(dtype=float)

    error, turnover = rows["turnover"] - rows["forecast"], rows["turnover"]
    if by is None:
        errors, sums = (drawn @ per_store(values.abs(), [])[:, 0] for values in (error, turnover))
    else:
        errors, sums = (
            np.abs(drawn @ per_store(values, [*by, "week"])).sum(axis=1) for values in (error, turnover)
        )
    ratio: FloatArray = errors / np.maximum(sums, 1e-9)
    return ratio


@dataclass(frozen=True)
class DieboldMariano:
    """Test of the hypothesis that the mean difference in loss is zero.

    Args:
        statistic: Test statistic; negative: the method is better.
        p_value: Two-sided p-value.
    """

    statistic: float
    p_value: float


def diebold_mariano(backtest: pd.DataFrame, method: str, other: str) -> DieboldMariano:
    """Test the weekly difference in the sum of absolute errors, which is autocorrelated.

    Windows lie apart, so autocovariances are taken within a window only. NaN where all weeks have the same
    difference.

    Args:
        backtest: ``method, cutoff, week, turnover, forecast`` of both methods, on the same rows.
        method: Method whose losses count.
        other: Method whose losses are subtracted.

    Source:
        Diebold and Mariano (1995), Comparing Predictive Accuracy, Journal of Business & Economic Statistics
        13(3), 253-263; variance with the weights of Newey and West (1987), Econometrica 55(3), 703-708.
    """
    from scipy import stats

    errors = backtest.assign(error=(backtest["turnover"] - backtest["forecast"]).abs())
    losses = errors.pivot_table(index=["cutoff", "week"], columns="method", values="error", aggfunc="sum")
    differences = losses[method] - losses[other]
    centred = differences - differences.mean()
    windows = [window.sort_index().to_numpy() for _, window in centred.groupby(level="cutoff")]
    variance = sum(_long_run_sum(window) for window in windows) / len(differences)
    statistic = float("nan")
    if variance > 0:
        statistic = float(differences.mean() / np.sqrt(variance / len(differences)))
    return DieboldMariano(statistic, float(2 * stats.t.sf(abs(statistic), df=max(len(differences) - 1, 1))))


def _long_run_sum(window: FloatArray) -> float:
    """Sum of squares and, with falling weights, of lagged products."""
    weeks = len(window)
    products = [float(window[lag:] @ window[: weeks - lag]) for lag in range(weeks)]
    return products[0] + 2 * sum((1 - lag / weeks) * products[lag] for lag in range(1, weeks))
