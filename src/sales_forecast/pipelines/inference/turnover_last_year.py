"""Turnover: the weeks ahead against the same weeks of last year."""

from __future__ import annotations

import pandas as pd

from sales_forecast.forecasting.panel.level_shifts import (
    LevelShiftParams,
    adjust_levels,
    find_level_shifts,
)
from sales_forecast.forecasting.panel.matrix import ROW_KEYS, WEEKS_PER_YEAR


def compare_with_last_year(
    forecasts: pd.DataFrame, panel: pd.DataFrame, level_shifts: LevelShiftParams
) -> pd.DataFrame:
    """Put beside each forecast what was sold in the same week of last year.

    Args:
        forecasts: ``store, department, week, forecast``.
        panel: Gap-free weekly turnover.
        level_shifts: How level shifts are found.

    Returns:
        ``store, department, week, forecast, last_year_sold, last_year`` in currency units per week, in the
        order of the forecasts. ``last_year`` is brought to today's level where the level of a department has
        shifted since; both are missing where the series was not there, 52 weeks before.
    """
    adjusted = adjust_levels(panel, find_level_shifts(panel, level_shifts))
    raw = _a_year_later(panel, "last_year_sold")
    rows = forecasts[[*ROW_KEYS, "forecast"]].reset_index(drop=True)
    return rows.merge(raw, on=ROW_KEYS, how="left").merge(
        _a_year_later(adjusted, "last_year"), on=ROW_KEYS, how="left"
    )


def _a_year_later(panel: pd.DataFrame, name: str) -> pd.DataFrame:
    later = panel["week"] + pd.Timedelta(weeks=WEEKS_PER_YEAR)
    return panel.assign(week=later)[[*ROW_KEYS, "turnover"]].rename(columns={"turnover": name})


def against_last_year(last_year: pd.DataFrame, by: list[str]) -> pd.DataFrame:
    """Sum forecasts and last year to groups, and compare what was there in both.

    Args:
        last_year: As ``compare_with_last_year`` returns it, and the columns of ``by``.
        by: Columns that a sum is told by.

    Returns:
        ``by``, ``forecast, last_year`` in currency units and the relative ``change`` of the series and weeks
        that were there last year; missing where none was, or where they sold nothing.
    """
    comparable = last_year["forecast"].where(last_year["last_year"].notna())
    groups = last_year.assign(comparable=comparable).groupby(by, as_index=False, sort=True)
    sums = groups[["forecast", "last_year", "comparable"]].sum(min_count=1)
    sums["change"] = sums["comparable"] / sums["last_year"].where(sums["last_year"] > 0) - 1
    return sums[[*by, "forecast", "last_year", "change"]]
