"""Marketing: the questions about TV budgets and sales, answered.

Budgets and sales stay in the units of the file, which states none.
"""

from __future__ import annotations

from typing import Literal, TypedDict

import numpy as np
import pandas as pd

from sales_forecast.pipelines.eda_reporting.params import HighSpendLowSalesParams

Column = Literal["tv", "sales"]
NAMES: dict[Column, str] = {"tv": "TV budget", "sales": "Sales"}


class Facts(TypedDict):
    """What is known of one column; ``densest`` is the shortest interval that holds half of the campaigns."""

    mean: float
    min: float
    max: float
    densest: list[float]


class Campaign(TypedDict):
    """One campaign."""

    tv: float
    sales: float


class Limits(TypedDict):
    """The quantiles beyond which spending is high and sales are low."""

    spending_above: float
    sales_below: float


class MarketingAnswers(TypedDict):
    """The answers; ``correlation`` is Pearson's, and the campaign with the highest budget comes first."""

    tv: Facts
    sales: Facts
    correlation: float
    high_spend_low_sales: list[Campaign]
    limits: Limits


def answer_marketing(
    budgets: pd.DataFrame, high_spend_low_sales: HighSpendLowSalesParams
) -> MarketingAnswers:
    """Answer the questions about budgets and sales.

    The densest range is the shortest interval that holds half of the campaigns: unlike the fullest bar
    of a histogram it does not depend on where somebody put the bars' edges.

    Args:
        budgets: One row a campaign, ``tv, sales`` in the units of the file.
        high_spend_low_sales: From which quantiles a budget is high and sales are low.
    """
    spent = float(budgets["tv"].quantile(high_spend_low_sales.spending_above_quantile))
    sold = float(budgets["sales"].quantile(high_spend_low_sales.sales_below_quantile))
    weak = budgets[(budgets["tv"] > spent) & (budgets["sales"] < sold)]
    return {
        "tv": _describe(budgets["tv"]),
        "sales": _describe(budgets["sales"]),
        "correlation": float(budgets["tv"].corr(budgets["sales"])),
        "high_spend_low_sales": [
            {"tv": float(tv), "sales": float(sales)}
            for tv, sales in weak.sort_values("tv", ascending=False)[["tv", "sales"]].to_numpy()
        ],
        "limits": {"spending_above": spent, "sales_below": sold},
    }


def _describe(values: pd.Series[float]) -> Facts:
    return {
        "mean": float(values.mean()),
        "min": float(values.min()),
        "max": float(values.max()),
        "densest": densest_range(values),
    }


def densest_range(values: pd.Series[float]) -> list[float]:
    """Find the shortest interval that holds half of the values; of equally short ones the lowest.

    >>> densest_range(pd.Series([0.0, 5.0, 6.0, 7.0, 20.0]))
    [5.0, 7.0]
    """
    ordered = np.sort(values.to_numpy(float))
    half = (len(ordered) + 1) // 2
    lengths = ordered[half - 1 :] - ordered[: len(ordered) - half + 1]
    first = int(lengths.argmin())
    return [float(ordered[first]), float(ordered[first + half - 1])]
