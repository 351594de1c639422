"""Forecasts and turnover summed to what a planner, a region or the whole chain looks at.

Sums of forecasts add up because they are sums. Their ranges are not sums of ranges, which would be far too
wide: good and bad stores even out. A sum's range is as wide as past errors of that sum were.
"""

from __future__ import annotations

import pandas as pd

from sales_forecast.forecasting.ranges import (
    COVERAGES,
    RANGE_COLUMNS,
    RangeParams,
    Widths,
    put_around,
    widths_of,
)

LEVELS: dict[str, list[str]] = {
    "series": ["store", "department"],
    "department": ["department"],
    "region": ["region", "department"],
    "zone": ["zone", "department"],
    "total": [],
}
"""Level -> what one sum is made for; a store without a region or zone counts in its own."""

SUMS = [level for level in LEVELS if level != "series"]

MIN_ROWS = 40
"""A department with fewer past sums takes the errors of all: there are fewer sums than series."""

LevelWidths = dict[str, Widths]
"""Level -> how wide ranges are, as ``ranges.Widths``."""


def sum_to_level(rows: pd.DataFrame, stores: pd.DataFrame, level: str, values: list[str]) -> pd.DataFrame:
    """Sum per week.

    Args:
        rows: ``store, department, week`` and the values.
        stores: ``store, region, zone``.
        level: One of ``LEVELS``.
        values: Columns to sum.

    Returns:
        ``store, department, week`` and the values: ``store`` holds the level's key without the department
        (``"all"`` for all stores), ``department`` is ``"all"`` where the level sums over departments.
    """
    keys = LEVELS[level]
    placed = rows.merge(stores[["store", "region", "zone"]], on="store", how="left")
    placed = placed.fillna({"region": "none", "zone": "none"})
    place = [key for key in keys if key != "department"]
    placed["store"] = placed[place[0]].astype(str) if place else "all"
    placed["department"] = placed["department"].astype(str) if "department" in keys else "all"
    return placed.groupby(["store", "department", "week"], as_index=False)[values].sum()


def learn_level_widths(past: pd.DataFrame, stores: pd.DataFrame, ranges: RangeParams) -> LevelWidths:
    """Learn how wide the ranges of sums must be from forecasts made in the past.

    Args:
        past: ``cutoff, store, department, week, turnover, forecast`` of one method.
        stores: Region and zone.
        ranges: How much of a mean week counts beside the forecast.
    """
    return {level: widths_of(_past_errors(past, stores, level, ranges), MIN_ROWS) for level in SUMS}


def _past_errors(past: pd.DataFrame, stores: pd.DataFrame, level: str, ranges: RangeParams) -> pd.DataFrame:
    errors = []
    for _, window in past.groupby("cutoff"):
        sums = sum_to_level(window, stores, level, ["turnover", "forecast"])
        error = (sums["turnover"] - sums["forecast"]).abs() / _yardstick(sums, ranges)
        errors.append(sums[["department"]].assign(error=error))
    return pd.concat(errors)


def _yardstick(sums: pd.DataFrame, ranges: RangeParams) -> pd.Series[float]:
    """Forecast plus a share of the sum's mean week, so that weeks off season have a width too."""
    mean = sums.groupby(["store", "department"])["forecast"].transform("mean")
    return sums["forecast"] + ranges.scale_share * mean + 1e-9


def sum_forecasts(
    forecasts: pd.DataFrame, stores: pd.DataFrame, widths: LevelWidths, ranges: RangeParams
) -> pd.DataFrame:
    """Sum forecasts to every level, with ranges of their own; series keep theirs.

    Args:
        forecasts: ``store, department, week, forecast, lo_80, hi_80, lo_95, hi_95``; one row a week of each
            series.
        stores: Region and zone.
        widths: As ``learn_level_widths`` returns them.
        ranges: The same parameters.

    Returns:
        ``level, key, department, week, forecast, lo_80, hi_80, lo_95, hi_95``: ``key`` is the store, region
        or zone as text, or ``"all"``; ``department`` is text, or ``"all"``. Currency units per week.
    """
    own = forecasts[["store", "department", "week", "forecast", *RANGE_COLUMNS]]
    levels = [own.astype({"store": str, "department": str}).assign(level="series")]
    for level in SUMS:
        sums = sum_to_level(forecasts, stores, level, ["forecast"])
        levels.append(put_around(sums, _yardstick(sums, ranges), widths[level]).assign(level=level))
    table = pd.concat(levels, ignore_index=True).rename(columns={"store": "key"})
    return table[["level", "key", "department", "week", "forecast", *RANGE_COLUMNS]]


def measure_level_coverage(past: pd.DataFrame, stores: pd.DataFrame, ranges: RangeParams) -> pd.DataFrame:
    """Count how many past sums fell into their range, each window with widths learnt from the others.

    Args:
        past: As for ``learn_level_widths``.
        stores: Region and zone.
        ranges: The same parameters.

    Returns:
        ``level, rows, coverage_80, width_80, coverage_95, width_95``: coverage as a share of rows, width as
        the sum of ranges over the sum of turnover. Empty where there is but one window.
    """
    found = []
    for cutoff, window in past.groupby("cutoff"):
        others = past[past["cutoff"] != cutoff]
        if others.empty:
            continue
        widths = learn_level_widths(others, stores, ranges)
        for level in SUMS:
            sums = sum_to_level(window, stores, level, ["turnover", "forecast"])
            found.append(put_around(sums, _yardstick(sums, ranges), widths[level]).assign(level=level))
    if not found:
        return pd.DataFrame(columns=["level", "rows", "coverage_80", "width_80", "coverage_95", "width_95"])
    rows = pd.concat(found, ignore_index=True)
    grouped = rows.groupby("level", sort=False)
    table = grouped.size().rename("rows").to_frame()
    for coverage in COVERAGES:
        low, high = rows[f"lo_{coverage}"], rows[f"hi_{coverage}"]
        inside = rows["turnover"].between(low, high).groupby(rows["level"]).mean()
        width = (high - low).groupby(rows["level"]).sum() / rows.groupby("level")["turnover"].sum()
        table[f"coverage_{coverage}"], table[f"width_{coverage}"] = inside, width
    return table.reset_index()
