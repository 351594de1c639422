"""Marketing: how sales change with the TV budget, and how certain that is."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import pandas as pd

CLEAR = 2
"""Standard errors that a difference must exceed before it is called more than chance."""


class _Half(NamedTuple):
    slope: float  # sales per unit of budget
    error: float  # standard error of the slope
    noise: float  # standard deviation of sales about the half's own line


def describe_relation(budgets: pd.DataFrame, correlation: float) -> list[str]:
    """Say what slope, curvature and noise allow to be said, a sentence each.

    Args:
        budgets: One row a campaign.
        correlation: Correlation of budgets and sales.
    """
    words = []
    if correlation > 0:
        slope = np.polyfit(budgets["tv"], budgets["sales"], 1)[0]
        words.append(
            f"Over all campaigns, one more unit of budget goes with **{slope:.3g}** more units of sales."
        )
    else:
        words.append("Over all campaigns, more budget does not go with more sales.")
    middle = budgets["tv"].median()
    parts = [budgets[budgets["tv"] <= middle], budgets[budgets["tv"] > middle]]
    if all(len(part) >= 4 and part["tv"].nunique() > 1 for part in parts):
        lower, upper = (_line(part) for part in parts)
        words += [_curvature_words(lower, upper, middle), _noise_words(lower, upper)]
    words += _smallest_words(budgets)
    return words


def _line(part: pd.DataFrame) -> _Half:
    (slope, intercept), covariance = np.polyfit(part["tv"], part["sales"], 1, cov=True)
    noise = (part["sales"] - intercept - slope * part["tv"]).std()
    return _Half(float(slope), float(np.sqrt(covariance[0, 0])), float(noise))


def _curvature_words(lower: _Half, upper: _Half, middle: float) -> str:
    difference = upper.slope - lower.slope
    clear = abs(difference) > CLEAR * np.hypot(lower.error, upper.error)
    if not clear:
        verdict = "a difference that chance alone can produce, so no proof of diminishing returns"
    elif difference < 0:
        verdict = "more than chance: the return diminishes"
    else:
        verdict = "more than chance: the return grows"
    return (
        f"Below the median budget of {middle:,.1f} one more unit goes with {lower.slope:.3g}, above it with "
        f"{upper.slope:.3g}: {verdict}."
    )


def _noise_words(lower: _Half, upper: _Half) -> str:
    if upper.noise > 1.2 * lower.noise:
        consequence = "so the larger the budget, the less certain its sales"
    else:
        consequence = "so large budgets are no less certain than small ones"
    return (
        f"Sales scatter about their line by {lower.noise:,.2f} (standard deviation) in the lower half of the "
        f"budgets and by {upper.noise:,.2f} in the upper, {consequence}."
    )


def _smallest_words(budgets: pd.DataFrame) -> list[str]:
    """Warn if the straight line is wrong for the smallest tenth of the budgets."""
    slope, intercept = np.polyfit(budgets["tv"], budgets["sales"], 1)
    smallest = budgets[budgets["tv"] <= budgets["tv"].quantile(0.1)]
    off = smallest["sales"] - intercept - slope * smallest["tv"]
    if len(off) < 4 or abs(off.mean()) <= CLEAR * off.sem():
        return []
    side, promise = ("below", "much") if off.mean() < 0 else ("above", "little")
    return [
        f"In the smallest tenth of the budgets (up to {smallest['tv'].max():,.1f}) sales lie "
        f"{abs(off.mean()):,.1f} {side} the line on average: there it promises too {promise}."
    ]
