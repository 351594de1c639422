"""Is one method better than another, or was it luck? Two paired tests on the same past forecasts."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
import numpy.typing as npt
import pandas as pd

from sales_forecast.forecasting.panel.matrix import FloatArray

SEEN_EIGHT_TIMES_IN_TEN = 1.96 + 0.84
"""Standard errors between no difference and one that a 95 % interval tells from zero with 80 % power."""


MIN_STORES = 5
"""With fewer stores, or other observations that are drawn, draws say nothing about chance."""


Verdict = Literal["better", "worse", "open"]
"""On a method against another; open where chance cannot be ruled out."""


@dataclass(frozen=True)
class Difference:
    """WAPE of a method less that of another, mean over windows; negative: the method is better.

    Args:
        wape: As measured.
        own: WAPE of the method, mean over windows.
        other: WAPE of the other.
        low: Lower end of the 95 % interval.
        high: Its upper end.
        deviation: Standard deviation of the difference over draws: its standard error.
        detectable: The smallest true difference that would have been found eight times in ten.
        stores: Number of stores, or of other observations, that were drawn from.
    """

    wape: float
    own: float
    other: float
    low: float
    high: float
    deviation: float
    detectable: float
    stores: int = MIN_STORES

    @property
    def verdict(self) -> Verdict:
        """``better``, ``worse``, or ``open`` where the interval holds zero or rests on next to no stores."""
        if self.stores < MIN_STORES:
            return "open"
        return "better" if self.high < 0 else "worse" if self.low > 0 else "open"


def compare(
    backtest: pd.DataFrame, method: str, other: str, draws: int, seed: int, by: list[str] | None = None
) -> Difference:
    """Draw stores with replacement, the same ones for both methods and all windows.

    Stores and not rows, because the weeks and departments of a store err together.

    Args:
        backtest: ``method, cutoff, store, department, week, turnover, forecast`` of both methods, on the same
            rows, and the columns of ``by``.
        method: Whose WAPE counts.
        other: Whose WAPE is subtracted.
        draws: How many times the stores are drawn.
        seed: Of the draws.
        by: Errors are those of weekly sums over the drawn stores by these columns; without it, of series.

    Source:
        Efron and Tibshirani (1993), An Introduction to the Bootstrap, chapters 8 and 13: percentile interval,
        resampling whole clusters.
    """
    stores = np.sort(backtest["store"].unique())
    drawn = _draw(len(stores), draws, seed)
    own, others = (
        np.mean(
            [_drawn_wape(rows, stores, drawn, by) for _, rows in asked.groupby("cutoff")],
            axis=0,
        )
        for asked in (backtest[backtest["method"] == name] for name in (method, other))
    )
    return _difference(own, others, len(stores))


def compare_errors(
    own_errors: FloatArray, other_errors: FloatArray, actuals: FloatArray, draws: int, seed: int
) -> Difference:
    """Draw observations with replacement, the same ones for both methods, as ``compare`` draws stores.

    Args:
        own_errors: Actual less forecast of the method, one for each observation.
        other_errors: The same of the other method.
        actuals: What came true.
        draws: How many times the observations are drawn.
        seed: Seed of the draws.
    """
    drawn = _draw(len(actuals), draws, seed)
    total = np.maximum(drawn @ actuals, 1e-9)
    own, others = ((drawn @ np.abs(errors)) / total for errors in (own_errors, other_errors))
    return _difference(own, others, len(actuals))


def _draw(count: int, draws: int, seed: int) -> FloatArray:
    """How often each observation counts, shape ``(1 + draws, count)``; the first row is the measurement itself."""
    counts = np.random.default_rng(seed).multinomial(count, np.full(count, 1 / count), draws)
    return np.vstack([np.ones(count), counts])


def _difference(own: FloatArray, others: FloatArray, observations: int) -> Difference:
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
        detectable=SEEN_EIGHT_TIMES_IN_TEN * deviation,
        stores=observations,
    )


def _drawn_wape(
    rows: pd.DataFrame, stores: npt.NDArray[Any], drawn: FloatArray, by: list[str] | None
) -> FloatArray:
    """WAPE of one method in one window, for each draw."""

    def per_store(values: pd.Series[float], columns: list[str]) -> FloatArray:
        keys = [rows["store"], *(rows[column] for column in columns)]
        table = values.groupby(keys).sum()
        wide = table.unstack(columns) if columns else table.to_frame()
        return wide.reindex(stores).fillna(0).to_numpy(dtype=float)

    missed = rows["turnover"] - rows["forecast"]
    if by is None:
        error, sold = (drawn @ per_store(part.abs(), [])[:, 0] for part in (missed, rows["turnover"]))
    else:
        error, sold = (
            np.abs(drawn @ per_store(part, [*by, "week"])).sum(axis=1) for part in (missed, rows["turnover"])
        )
    ratio: FloatArray = error / np.maximum(sold, 1e-9)
    return ratio


@dataclass(frozen=True)
class DieboldMariano:
    """Whether the mean difference in loss is zero.

    Args:
        statistic: Negative: the method is better.
        p_value: Of so large a statistic, either way, if there were no difference.
    """

    statistic: float
    p_value: float


def diebold_mariano(backtest: pd.DataFrame, method: str, other: str) -> DieboldMariano:
    """Test the weekly difference in the sum of absolute errors, whose neighbours in time are alike.

    Windows lie apart, so weeks are compared with their neighbours of the same window only. NaN where every
    week says the same.

    Args:
        backtest: ``method, cutoff, week, turnover, forecast`` of both methods, on the same rows.
        method: Whose losses count.
        other: Whose losses are subtracted.

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
    """Sum of squares and, with falling weights, of products of neighbours."""
    weeks = len(window)
    products = [float(window[lag:] @ window[: weeks - lag]) for lag in range(weeks)]
    return products[0] + 2 * sum((1 - lag / weeks) * products[lag] for lag in range(1, weeks))
