"""Forecasts and turnover summed to the levels of the hierarchy: department, region, zone and total.

Sums of forecasts are coherent because they are sums. Their intervals are not sums of intervals, which would
be far too wide, because errors of stores partly cancel: half-widths of a level are learned from past errors
of its sums.
"""

from __future__ import annotations

from collections.abc import Sequence

import pandas as pd

from sales_forecast.forecasting.intervals.conformal import (
    INTERVAL_COLUMNS,
    HalfWidths,
    add_intervals,
    count_inside,
    learn_from_errors,
)
from sales_forecast.forecasting.intervals.windows import IntervalParams, window_weights
from sales_forecast.forecasting.panel.matrix import ROW_KEYS, SERIES_KEYS, WEEKS_PER_YEAR

HIERARCHY: dict[str, list[str]] = {
    "series": ["store", "department"],
    "department": ["department"],
    "region": ["region"],
    "region and department": ["region", "department"],
    "zone": ["zone"],
    "zone and department": ["zone", "department"],
    "total": [],
}
"""Level -> columns that identify one of its sums; stores without a region or zone form one of their own."""

AGGREGATE_LEVELS = [level for level in HIERARCHY if level != "series"]
"""All levels above the series."""

MIN_SUM_ERRORS = 40
"""A department with fewer errors of past sums uses the errors of all: there are fewer sums than series."""

MEAN_WEEK_SHARE = 0.03
"""Share of a sum's mean week that is added to its forecast in the nonconformity scale, so that weeks off
season have a half-width too; less than for series (``turnover.intervals.scale_share``), because the errors of
stores cancel more off season."""

LevelHalfWidths = dict[str, HalfWidths]
"""Level -> half-widths of the intervals of its sums."""


def levels_of(stores: pd.DataFrame) -> list[str]:
    """The levels of a retailer; one that knows no regions or zones has no levels of those."""
    absent = {place for place in ("region", "zone") if stores[place].isna().all()}
    return [level for level, keys in HIERARCHY.items() if not absent & set(keys)]


def aggregate_levels_of(stores: pd.DataFrame) -> list[str]:
    """The levels of a retailer above the series."""
    return [level for level in levels_of(stores) if level != "series"]


def sum_to_level(
    rows: pd.DataFrame, stores: pd.DataFrame, level: str, values: list[str], apart: Sequence[str] = ()
) -> pd.DataFrame:
    """Sum rows to a level of the hierarchy, per week.

    Args:
        rows: ``store, department, week`` and the values.
        stores: ``store, region, zone``.
        level: Level of ``HIERARCHY``.
        values: Columns to sum.
        apart: Columns whose values are not summed over, such as ``cutoff``.

    Returns:
        The columns kept apart, ``store, department, week`` and the values: ``store`` holds the level's key
        without the department (``"all"`` for all stores), ``department`` is ``"all"`` where the level sums
        over departments.
    """
    keys = HIERARCHY[level]
    placed = rows.merge(stores[["store", "region", "zone"]], on="store", how="left")
    placed = placed.fillna({"region": "none", "zone": "none"})
    place = [key for key in keys if key != "department"]
    placed["store"] = placed[place[0]].astype(str) if place else "all"
    placed["department"] = placed["department"].astype(str) if "department" in keys else "all"
    return placed.groupby([*apart, *ROW_KEYS], as_index=False)[values].sum()


def learn_level_half_widths(
    past: pd.DataFrame, panel: pd.DataFrame, stores: pd.DataFrame, intervals: IntervalParams
) -> LevelHalfWidths:
    """Learn the half-widths of intervals of sums from past forecasts.

    Args:
        past: ``cutoff, store, department, week, turnover, forecast`` of one method.
        panel: ``store, department, week, turnover``; gives the mean week before each cutoff.
        stores: ``store, region, zone``.
        intervals: How much each window counts.
    """
    windows = with_mean_weeks(past, panel)
    cutoff = panel["week"].max()
    return {
        level: _half_widths(_sums(windows, stores, level), cutoff, intervals)
        for level in aggregate_levels_of(stores)
    }


def _half_widths(sums: pd.DataFrame, cutoff: pd.Timestamp, intervals: IntervalParams) -> HalfWidths:
    weighted = sums.assign(weight=window_weights(sums["cutoff"], cutoff, intervals))
    return learn_from_errors(weighted, MEAN_WEEK_SHARE, MIN_SUM_ERRORS)


def _sums(windows: pd.DataFrame, stores: pd.DataFrame, level: str) -> pd.DataFrame:
    return sum_to_level(windows, stores, level, ["turnover", "forecast", "mean_week"], ["cutoff"])


def with_mean_weeks(past: pd.DataFrame, panel: pd.DataFrame) -> pd.DataFrame:
    """Add ``mean_week`` to past forecasts: the mean week of each series at the cutoff, currency units."""
    windows = [
        rows.assign(mean_week=_mean_week(rows, panel, pd.Timestamp(str(cutoff))))
        for cutoff, rows in past.groupby("cutoff")
    ]
    return pd.concat(windows, ignore_index=True)


def _mean_week(rows: pd.DataFrame, panel: pd.DataFrame, cutoff: pd.Timestamp) -> pd.Series[float]:
    """Mean turnover of each row's series in the year up to the cutoff; for a new series, its forecast."""
    year = panel[(panel["week"] <= cutoff) & (panel["week"] > cutoff - pd.Timedelta(weeks=WEEKS_PER_YEAR))]
    means = year.groupby(SERIES_KEYS)["turnover"].mean().clip(lower=0)
    own = means.reindex(pd.MultiIndex.from_frame(rows[SERIES_KEYS])).to_numpy()
    return pd.Series(own, rows.index).fillna(rows["forecast"])


def sum_forecasts(
    forecasts: pd.DataFrame,
    panel: pd.DataFrame,
    stores: pd.DataFrame,
    level_half_widths: LevelHalfWidths,
) -> pd.DataFrame:
    """Sum forecasts to every level, with intervals of their own; series keep theirs.

    Args:
        forecasts: ``store, department, week, forecast, lo_80, hi_80, lo_95, hi_95``; one row per series and
            week.
        panel: Weekly turnover up to the last week seen; gives the mean week.
        stores: ``store, region, zone``.
        level_half_widths: As ``learn_level_half_widths`` returns them.

    Returns:
        ``level, key, department, week, forecast, lo_80, hi_80, lo_95, hi_95``: ``key`` is the store, region
        or zone as text, or ``"all"``; ``department`` is text, or ``"all"``. Currency units per week.
    """
    own = forecasts[[*ROW_KEYS, "forecast", *INTERVAL_COLUMNS]].sort_values(ROW_KEYS)
    levels = [own.astype(dict.fromkeys(SERIES_KEYS, str)).assign(level="series")]
    rows = forecasts.assign(mean_week=_mean_week(forecasts, panel, panel["week"].max()))
    for level in aggregate_levels_of(stores):
        sums = sum_to_level(rows, stores, level, ["forecast", "mean_week"])
        levels.append(add_intervals(sums, sums["mean_week"], level_half_widths[level]).assign(level=level))
    table = pd.concat(levels, ignore_index=True).rename(columns={"store": "key"})
    return table[["level", "key", "department", "week", "forecast", *INTERVAL_COLUMNS]]


def sum_to_stores(
    forecasts: pd.DataFrame, panel: pd.DataFrame, past: pd.DataFrame, intervals: IntervalParams
) -> pd.DataFrame:
    """Sum forecasts of all departments of a store, with intervals learned from past errors of such sums.

    Stores are no level of the hierarchy: models carry no half-widths of them, so these are learned here.

    Args:
        forecasts: ``store, department, week, forecast``; one row per series and week.
        panel: Weekly turnover up to the last week seen; gives the mean week.
        past: ``cutoff, store, department, week, turnover, forecast`` of the same method.
        intervals: How much each window counts.

    Returns:
        ``store, week, forecast, lo_80, hi_80, lo_95, hi_95``; currency units per week.
    """
    cutoff = panel["week"].max()
    windows = with_mean_weeks(past, panel)
    sums = _of_stores(windows, ["turnover", "forecast", "mean_week"], ["cutoff"])
    rows = forecasts.assign(mean_week=_mean_week(forecasts, panel, cutoff))
    own = _of_stores(rows, ["forecast", "mean_week"])
    table = add_intervals(own, own["mean_week"], _half_widths(sums, cutoff, intervals))
    return table[["store", "week", "forecast", *INTERVAL_COLUMNS]]


def _of_stores(rows: pd.DataFrame, values: list[str], apart: Sequence[str] = ()) -> pd.DataFrame:
    sums = rows.groupby([*apart, "store", "week"], as_index=False)[values].sum()
    return sums.assign(department="all")


def measure_level_coverage(
    past: pd.DataFrame, panel: pd.DataFrame, stores: pd.DataFrame, intervals: IntervalParams
) -> pd.DataFrame:
    """Count how many past sums fell into their intervals, with half-widths learned from other windows.

    Windows that overlap are no other windows: they share the weeks that are to be judged.

    Args:
        past: ``cutoff, store, department, week, turnover, forecast`` of one method.
        panel: ``store, department, week, turnover``; gives the mean week before each cutoff.
        stores: ``store, region, zone``.
        intervals: How much each window counts.

    Returns:
        ``level`` and the columns of ``conformal.count_inside``; empty where all windows overlap.
    """
    windows = with_mean_weeks(past, panel)
    with_intervals = []
    for level in aggregate_levels_of(stores):
        sums = _sums(windows, stores, level)
        for label, window in sums.groupby("cutoff"):
            cutoff = pd.Timestamp(str(label))
            others = sums[(sums["cutoff"] - cutoff).abs() >= window["week"].max() - cutoff]
            if len(others):
                own = add_intervals(window, window["mean_week"], _half_widths(others, cutoff, intervals))
                with_intervals.append(own.assign(level=pd.Categorical([level] * len(own), AGGREGATE_LEVELS)))
    return count_inside(pd.concat(with_intervals), ["level"]) if with_intervals else pd.DataFrame()
