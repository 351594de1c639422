"""Why a forecast is what it is, and why it is not what it was, in words."""

from __future__ import annotations

from collections.abc import Mapping

from sqlalchemy import RowMapping

from sales_forecast.forecasting.attribution import PARTS
from sales_forecast.forecasting.changes import CAUSES, MINOR
from sales_forecast.forecasting.intervals.conformal import QUANTILES

CHANCES = {
    name: probability
    for name, probability in QUANTILES.items()
    if name in ("q10", "q25", "q50", "q75", "q90")
}
"""Quantiles that are told -> probability that turnover is at most so much."""

BASE = "average_week"


def parts_of(row: RowMapping) -> dict[str, float]:
    """Name the attributions of a forecast: its base, then the others, the largest first.

    Parts below ``MINOR`` of the largest one are added up as "small parts".

    Args:
        row: Row of ``schema.forecasts``.

    Returns:
        Words -> currency units; they add up to the forecast.
    """
    return _largest_first({PARTS[name]: row[name] for name in PARTS}, first=PARTS[BASE])


def causes_of(row: RowMapping) -> dict[str, float]:
    """Name the causes of a change, the largest first; the small ones are added up.

    Args:
        row: Row of ``schema.forecast_changes``.

    Returns:
        Words -> currency units; they add up to the change.
    """
    return _largest_first({CAUSES[name]: row[name] for name in CAUSES})


def within_words(causes: Mapping[str, float]) -> str:
    """Tell the causes of a change in a sentence.

    >>> within_words({"the method was fitted again": -1200.0, "weeks that came since": 300.0})
    'the method was fitted again (-1,200), weeks that came since (+300)'
    """
    return ", ".join(f"{words} ({round(amount):+,})" for words, amount in causes.items())


def _largest_first(amounts: Mapping[str, float], first: str | None = None) -> dict[str, float]:
    largest = max(map(abs, amounts.values()), default=0.0)
    shown = {name: amount for name, amount in amounts.items() if amount and abs(amount) >= MINOR * largest}
    ordered = dict(sorted(shown.items(), key=lambda each: (each[0] != first, -abs(each[1]))))
    rest = sum(amounts.values()) - sum(ordered.values())
    return ordered | ({"all smaller parts together": rest} if round(rest) else {})
