"""Why a forecast is not what the publication before said: causes that add up to the change.

Sums over series are summed up from these changes, and nothing reconciles them afterwards: no step is for it.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import pandas as pd

from sales_forecast.forecasting.panel.matrix import ROW_KEYS, SERIES_KEYS

CAUSES = {
    "restated": "earlier weeks were restated",
    "new_weeks": "weeks that came since",
    "future_covariates": "other plans for the weeks ahead",
    "level_shift": "a level shift was found, or is none any more",
    "refit": "the method was fitted again",
    "model": "another method serves",
    "steadiness": "the pull towards what was published before",
}
"""Column of the changes -> its name in texts, in the order in which they are found."""

MONEY = ["before", *CAUSES, "after"]
"""Columns of the changes in currency units per week."""

LEVELS = {
    "store and department": SERIES_KEYS,
    "department": ["department"],
    "store": ["store"],
    "all together": [],
}
"""Level at which changes are measured -> what is told apart there."""

ROUNDING = 1e-9
"""A cause below this share of the forecasts is a floating-point error."""

MINOR = 0.01
"""Causes below this share of the largest one are left out of sentences."""


def no_changes() -> pd.DataFrame:
    """Return the table of changes of a publication that nothing was published before."""
    kinds: dict[str, str] = {"store": "object", "department": "object", "week": "datetime64[ns]"}
    return pd.DataFrame(columns=[*ROW_KEYS, *MONEY]).astype(kinds | dict.fromkeys(MONEY, "float"))


def cycle_change(changes: pd.DataFrame, by: Sequence[str]) -> float:
    """Cycle-over-cycle change: how far forecasts of the same weeks moved since they were published last.

    The sum of ``|after - before|`` over the sum of ``before``, both summed to the level and week first and
    pooled over all of them; moves of series that cancel in a sum do not count at the level of that sum. What
    the weeks bring in the end plays no part: a move towards it counts like any other.

    Args:
        changes: ``store, department, week, before, after``, one row per series and week of both publications.
        by: What is told apart besides weeks: some of ``store, department``; nothing for the whole chain.

    Returns:
        A ratio without unit, ``>= 0``; NaN if nothing was forecast before.

    Source:
        Vertical stability in the sense of Godahewa, Bergmeir, Erkin Baz, Zhu, Song, Garcia and Benavides
        (2025), On Forecast Stability, International Journal of Forecasting 41(4), 1539-1558; pooled as WAPE.
    """
    sums = changes.groupby([*by, "week"])[["before", "after"]].sum()
    before = float(sums["before"].sum())
    return float((sums["after"] - sums["before"]).abs().sum()) / before if before else float("nan")


def effective_causes(total: pd.Series[float]) -> list[str]:
    """Name the causes that moved a forecast or a sum, in the order in which they are found.

    Args:
        total: The columns ``MONEY`` -> currency units.
    """
    negligible = ROUNDING * (1 + abs(total["before"]))
    return [cause for cause in CAUSES if abs(total[cause]) > negligible]


def largest_changes(changes: pd.DataFrame, count: int) -> pd.DataFrame:
    """Sum the changes of each series over its weeks, and select the largest ones in money.

    Args:
        changes: ``store, department, week`` and the columns ``MONEY``.
        count: Number of series.

    Returns:
        ``store, department, weeks, change`` and the columns ``MONEY``, the largest change up or down first;
        currency units, summed over ``weeks`` weeks.
    """
    series = changes.groupby(SERIES_KEYS, sort=True)
    sums = series[MONEY].sum()
    sums.insert(0, "weeks", series.size())
    sums.insert(1, "change", sums["after"] - sums["before"])
    order = sums["change"].abs().sort_values(ascending=False, kind="stable").index
    return sums.loc[order].head(count).reset_index()


def in_words(causes: Mapping[str, float]) -> str:
    """Name the causes of a change, the largest first.

    Args:
        causes: Some of ``CAUSES`` -> currency units.

    >>> in_words({"new_weeks": 300.0, "refit": -1200.0, "model": 0.0})
    'the method was fitted again: -1,200; weeks that came since: +300'
    """
    largest = max(map(abs, causes.values()), default=0.0)
    shown = [name for name, value in causes.items() if value and abs(value) >= MINOR * largest]
    shown.sort(key=lambda name: -abs(causes[name]))
    return "; ".join(f"{CAUSES[name]}: {round(causes[name]):+,}" for name in shown) or "nothing"
