"""Forecasts and turnover summed to what a planner, a region or the whole chain looks at."""

from __future__ import annotations

import pandas as pd

LEVELS: dict[str, list[str]] = {
    "series": ["store", "department"],
    "department": ["department"],
    "region": ["region", "department"],
    "zone": ["zone", "department"],
    "total": [],
}
"""Level -> what one sum is made for; a store without a region or zone counts in its own."""


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
