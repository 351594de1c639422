"""Is one method better than another, or was it luck? A paired bootstrap over stores."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pandas as pd


@dataclass(frozen=True)
class Difference:
    """WAPE of a method less that of another, mean over windows; negative: the method is better.

    Args:
        wape: As measured.
        low: Lower end of the 95 % interval.
        high: Its upper end.
    """

    wape: float
    low: float
    high: float

    @property
    def verdict(self) -> str:
        """``better``, ``worse``, or ``open`` where the interval holds zero."""
        return "better" if self.high < 0 else "worse" if self.low > 0 else "open"


def compare(backtest: pd.DataFrame, method: str, other: str, draws: int, seed: int) -> Difference:
    """Draw stores with replacement, the same ones for both methods and all windows.

    Stores and not rows, because the weeks and departments of a store err together.

    Args:
        backtest: ``method, cutoff, store, turnover, forecast`` of both methods, on the same rows.
        method: Whose WAPE counts.
        other: Whose WAPE is subtracted.
        draws: How many times the stores are drawn.
        seed: Of the draws.

    Source:
        Efron and Tibshirani (1993), An Introduction to the Bootstrap, chapters 8 and 13: percentile interval,
        resampling whole clusters.
    """
    errors = backtest.assign(error=(backtest["turnover"] - backtest["forecast"]).abs())
    stores = np.sort(errors["store"].unique())
    counts = np.random.default_rng(seed).multinomial(
        len(stores), np.full(len(stores), 1 / len(stores)), draws
    )
    drawn = np.vstack([np.ones(len(stores)), counts])  # the first row is the measurement itself

    gaps = []
    for _, window in errors.groupby("cutoff"):
        error = window.pivot_table(index="store", columns="method", values="error", aggfunc="sum")
        error = error.reindex(stores, fill_value=0).fillna(0)
        sold = window.loc[window["method"] == method, ["store", "turnover"]].set_index("store")["turnover"]
        sold = sold.abs().groupby(level=0).sum().reindex(stores, fill_value=0)
        gap = drawn @ (error[method] - error[other]).to_numpy()
        gaps.append(gap / np.maximum(drawn @ sold.to_numpy(), 1e-9))
    mean = np.mean(gaps, axis=0)
    low, high = np.quantile(mean[1:], [0.025, 0.975])
    return Difference(float(mean[0]), float(low), float(high))
