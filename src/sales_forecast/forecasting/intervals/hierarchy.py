"""Forecasts and turnover summed to what a planner, a region or the whole chain looks at.

Sums of forecasts add up because they are sums. Their intervals are not sums of intervals, which would be far too
wide: good and bad stores even out. A sum's range is as wide as past errors of that sum were.
"""

from __future__ import annotations

import pandas as pd

from sales_forecast.forecasting.intervals.conformal import (
    INTERVAL_COLUMNS,
    HalfWidths,
    conformal_half_widths,
    count_inside,
    intervals_around,
)
from sales_forecast.forecasting.panel.matrix import KEYS, WEEKS_PER_YEAR

LEVELS: dict[str, list[str]] = {
    "series": ["store", "department"],
    "department": ["department"],
    "region": ["region"],
    "region and department": ["region", "department"],
    "zone": ["zone"],
    "zone and department": ["zone", "department"],
    "total": [],
}
"""Level -> what one sum is made for; a store without a region or zone counts in its own."""

SUMS = [level for level in LEVELS if level != "series"]


def levels_of(stores: pd.DataFrame) -> list[str]:
    """The levels of a retailer; one that knows no regions or zones has none of those."""
    absent = {place for place in ("region", "zone") if stores[place].isna().all()}
    return [level for level, keys in LEVELS.items() if not absent & set(keys)]


def _sums_of(stores: pd.DataFrame) -> list[str]:
    return [level for level in levels_of(stores) if level != "series"]


MIN_ROWS = 40
"""A department with fewer past sums takes the errors of all: there are fewer sums than series."""

MEAN_WEEK_SHARE = 0.03
"""How much of a sum's mean week counts beside its forecast, so that weeks off season have a half-width too; less
than for series (``turnover.intervals.scale_share``), because off season the errors of stores even out."""

LevelHalfWidths = dict[str, HalfWidths]
"""Level -> how wide intervals are, as ``intervals.HalfWidths``."""


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


def learn_level_half_widths(past: pd.DataFrame, panel: pd.DataFrame, stores: pd.DataFrame) -> LevelHalfWidths:
    """Learn how wide the intervals of sums must be from forecasts made in the past.

    Args:
        past: ``cutoff, store, department, week, turnover, forecast`` of one method.
        panel: ``store, department, week, turnover``, for the mean week before each cutoff.
        stores: Region and zone.
    """
    windows = _with_mean_weeks(past, panel)
    return {level: _half_widths(_sums(windows, stores, level)) for level in _sums_of(stores)}


def _half_widths(sums: pd.DataFrame) -> HalfWidths:
    error = (sums["turnover"] - sums["forecast"]).abs() / _nonconformity_scale(sums)
    return conformal_half_widths(sums[["department"]].assign(error=error), MIN_ROWS)


def _sums(windows: pd.DataFrame, stores: pd.DataFrame, level: str) -> pd.DataFrame:
    sums = [
        sum_to_level(rows, stores, level, ["turnover", "forecast", "mean_week"]).assign(cutoff=cutoff)
        for cutoff, rows in windows.groupby("cutoff")
    ]
    return pd.concat(sums, ignore_index=True)


def _with_mean_weeks(past: pd.DataFrame, panel: pd.DataFrame) -> pd.DataFrame:
    windows = [
        rows.assign(mean_week=_mean_week(rows, panel, pd.Timestamp(str(cutoff))))
        for cutoff, rows in past.groupby("cutoff")
    ]
    return pd.concat(windows, ignore_index=True)


def _mean_week(rows: pd.DataFrame, panel: pd.DataFrame, cutoff: pd.Timestamp) -> pd.Series[float]:
    """Mean turnover of each row's series in the year up to the cutoff; of a new series, its forecast."""
    year = panel[(panel["week"] <= cutoff) & (panel["week"] > cutoff - pd.Timedelta(weeks=WEEKS_PER_YEAR))]
    means = year.groupby(KEYS)["turnover"].mean().clip(lower=0)
    own = means.reindex(pd.MultiIndex.from_frame(rows[KEYS])).to_numpy()
    return pd.Series(own, rows.index).fillna(rows["forecast"])


def _nonconformity_scale(sums: pd.DataFrame) -> pd.Series[float]:
    """What errors of sums are measured in."""
    return sums["forecast"] + MEAN_WEEK_SHARE * sums["mean_week"] + 1e-9


def sum_forecasts(
    forecasts: pd.DataFrame,
    panel: pd.DataFrame,
    stores: pd.DataFrame,
    level_half_widths: LevelHalfWidths,
) -> pd.DataFrame:
    """Sum forecasts to every level, with intervals of their own; series keep theirs.

    Args:
        forecasts: ``store, department, week, forecast, lo_80, hi_80, lo_95, hi_95``; one row a week of each
            series.
        panel: Weekly turnover up to the last week seen, for the mean week.
        stores: Region and zone.
        level_half_widths: As ``learn_level_half_widths`` returns them.

    Returns:
        ``level, key, department, week, forecast, lo_80, hi_80, lo_95, hi_95``: ``key`` is the store, region
        or zone as text, or ``"all"``; ``department`` is text, or ``"all"``. Currency units per week.
    """
    own = forecasts[[*KEYS, "week", "forecast", *INTERVAL_COLUMNS]].sort_values([*KEYS, "week"])
    levels = [own.astype(dict.fromkeys(KEYS, str)).assign(level="series")]
    rows = forecasts.assign(mean_week=_mean_week(forecasts, panel, panel["week"].max()))
    for level in _sums_of(stores):
        sums = sum_to_level(rows, stores, level, ["forecast", "mean_week"])
        levels.append(
            intervals_around(sums, _nonconformity_scale(sums), level_half_widths[level]).assign(level=level)
        )
    table = pd.concat(levels, ignore_index=True).rename(columns={"store": "key"})
    return table[["level", "key", "department", "week", "forecast", *INTERVAL_COLUMNS]]


def measure_level_coverage(past: pd.DataFrame, panel: pd.DataFrame, stores: pd.DataFrame) -> pd.DataFrame:
    """Count how many past sums fell into their range, each window with half-widths learnt from the others.

    Args:
        past: As for ``learn_level_half_widths``.
        panel: The same.
        stores: Region and zone.

    Returns:
        ``level`` and what ``intervals.count_inside`` returns. Empty where there is but one window.
    """
    windows = _with_mean_weeks(past, panel)
    with_intervals = []
    for level in _sums_of(stores):
        sums = _sums(windows, stores, level)
        for cutoff, window in sums.groupby("cutoff"):
            others = sums[sums["cutoff"] != cutoff]
            if len(others):
                own = intervals_around(window, _nonconformity_scale(window), _half_widths(others))
                with_intervals.append(own.assign(level=pd.Categorical([level] * len(own), SUMS)))
    return count_inside(pd.concat(with_intervals), ["level"]) if with_intervals else pd.DataFrame()
