"""What a planner should know of an override; no reason to refuse it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd

from sales_forecast.forecasting.panel.matrix import Positions
from sales_forecast.planning.overrides import Override
from sales_forecast.planning.planned import Series

SMALL_SHARE = 0.05
"""A change by less of the forecast is small: Fildes, Goodwin, Lawrence and Nikolopoulos (2009), Effective
Forecasting and Judgmental Adjustments, International Journal of Forecasting 25(1), 3-23, find that small
adjustments often damage accuracy."""

SMALL_HALF_WIDTHS = 1 / 3
"""So is a change by less of the half-width of the 80 % interval, which is within the noise."""


@dataclass(frozen=True)
class Warned:
    """Something that a planner should know; no reason to refuse.

    Args:
        kind: ``small``, ``large`` or ``overlapping``.
        detail: In words.
    """

    kind: str
    detail: str


def warn(
    weeks: pd.DataFrame, series: Series, rows: Positions, active: Sequence[Override]
) -> tuple[Warned, ...]:
    """Say where a change is small or very large, and which earlier overrides it overlaps.

    Args:
        weeks: ``week, forecast, planned`` and the ends of the intervals of the forecast, of the whole scope.
        series: Rows of the publication.
        rows: Positions of those that are changed.
        active: Overrides that are active.
    """
    return (*_small(weeks), *_large(weeks), *_overlapping(series, rows, active))


def _small(weeks: pd.DataFrame) -> list[Warned]:
    change = (weeks["planned"] - weeks["forecast"]).abs()
    within_noise = change < SMALL_HALF_WIDTHS * (weeks["hi_80"] - weeks["lo_80"]) / 2
    count = int((within_noise | (change < SMALL_SHARE * weeks["forecast"])).sum())
    if not count:
        return []
    return [
        Warned(
            "small",
            f"in {count} of {len(weeks)} weeks the change is below a third of the usual error, or below "
            f"{SMALL_SHARE:.0%}: such small corrections often make forecasts worse",
        )
    ]


def _large(weeks: pd.DataFrame) -> list[Warned]:
    outside = (weeks["planned"] < weeks["lo_95"]) | (weeks["planned"] > weeks["hi_95"])
    if not outside.any():
        return []
    row = weeks[outside].iloc[0]
    return [
        Warned(
            "large",
            f"in {int(outside.sum())} of {len(weeks)} weeks the number is outside the 95 % range, such as "
            f"{row['planned']:,.0f} in the week of {row['week']:%Y-%m-%d}, where {row['lo_95']:,.0f} to "
            f"{row['hi_95']:,.0f} is expected",
        )
    ]


def _overlapping(series: Series, rows: Positions, active: Sequence[Override]) -> list[Warned]:
    touched = np.zeros(len(series.week), dtype=bool)
    touched[rows] = True
    counts = {
        one.id: int(touched[series.rows_of(asked.scope, asked.week_from, asked.week_to, one.stores)].sum())
        for one in active
        for asked in [one.correction]
    }
    earlier = {number: count for number, count in counts.items() if count}
    if not earlier:
        return []
    numbers = ", ".join(map(str, sorted(earlier)[:3])) + (
        f" and {len(earlier) - 3} more" * (len(earlier) > 3)
    )
    are = "overrides {} are" if len(earlier) > 1 else "override {} is"
    detail = f"{are.format(numbers)} for the same weeks, at least in part: there, the newest one counts"
    return [Warned("overlapping", detail)]
