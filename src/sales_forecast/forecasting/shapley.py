"""The Shapley value: what each of several causes adds, averaged over all orders in which they take effect.

Source:
    Shapley (1953), A Value for n-Person Games, in Contributions to the Theory of Games II, Princeton
    University Press, 307-317.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from itertools import combinations
from math import factorial

import pandas as pd

Coalition = frozenset[str]
"""Causes that have taken effect; everything else is as it was before."""


def shapley(causes: Sequence[str], value: Callable[[Coalition], float]) -> pd.DataFrame:
    """Split ``value`` of all causes less ``value`` of none, averaged over all orders of the causes.

    Args:
        causes: Names, in the fixed order.
        value: What a coalition of them is worth.

    Returns:
        ``cause, fixed_order, shapley, lowest, highest``, a row for each cause.
    """
    rows = []
    for place, cause in enumerate(causes):
        others = [name for name in causes if name != cause]
        average, added = 0.0, []
        for size in range(len(others) + 1):
            share = factorial(size) * factorial(len(others) - size) / factorial(len(causes))
            for some in map(frozenset, combinations(others, size)):
                added.append(value(some | {cause}) - value(some))
                average += share * added[-1]
        first = frozenset(causes[:place])
        fixed = value(first | {cause}) - value(first)
        rows.append((cause, fixed, average, min(added), max(added)))
    return pd.DataFrame(rows, columns=["cause", "fixed_order", "shapley", "lowest", "highest"])
