"""Turnover: errors of sums, coverage of intervals, and comparisons of the selected method with the others."""

from __future__ import annotations

from collections.abc import Mapping
from math import isfinite, nan

import pandas as pd

from sales_forecast.forecasting.evaluation.metrics import rmsse, score, seasonal_scale
from sales_forecast.forecasting.evaluation.significance import compare
from sales_forecast.forecasting.intervals.conformal import count_inside
from sales_forecast.forecasting.intervals.hierarchy import (
    LevelHalfWidths,
    learn_level_half_widths,
    levels_of,
    measure_level_coverage,
    sum_to_level,
)
from sales_forecast.forecasting.intervals.windows import IntervalParams
from sales_forecast.pipelines.handovers import SelectedMethod


def score_levels(backtest: pd.DataFrame, panel: pd.DataFrame, stores: pd.DataFrame) -> pd.DataFrame:
    """Score the sums that others than department managers look at.

    Args:
        backtest: Every forecast of the past.
        panel: Gap-free weekly turnover, for RMSSE.
        stores: Region and zone.

    Returns:
        ``method, cutoff, level, wape, rmse, mae, rmsse, bias``.
    """
    known = panel.dropna(subset="turnover")
    scores: list[Mapping[str, object]] = []
    for level in levels_of(stores):
        history = sum_to_level(known, stores, level, ["turnover"])
        summed = sum_to_level(backtest, stores, level, ["turnover", "forecast"], ["cutoff", "method"])
        for cutoff, window in summed.groupby("cutoff"):
            scale = seasonal_scale(history, pd.Timestamp(str(cutoff)))
            for method, sums in window.groupby("method"):
                labels = {"method": method, "cutoff": cutoff, "level": level}
                scores.append(labels | score(sums) | {"rmsse": rmsse(sums, scale)})
    return pd.DataFrame(scores)


def measure_coverage(backtest: pd.DataFrame) -> pd.DataFrame:
    """Count how many weeks fell into their intervals.

    Args:
        backtest: Every forecast of the past, with its intervals.

    Returns:
        ``method, by, value, rows, coverage_80, width_80, coverage_95, width_95``: ``by`` is all, window,
        department or horizon and ``value`` which one; coverage as a share of rows, width as the sum of
        intervals over the sum of turnover.
    """
    rows = backtest.assign(all="all", window=backtest["cutoff"].dt.strftime("%Y-%m-%d"))
    tables = [
        count_inside(rows, ["method", by]).rename(columns={by: "value"}).astype({"value": str}).assign(by=by)
        for by in ("all", "window", "department", "horizon")
    ]
    columns = ["method", "by", "value", "rows"]
    return pd.concat(tables, ignore_index=True).set_index(columns).reset_index()


def learn_hierarchy_intervals(
    backtest: pd.DataFrame,
    selected_method: SelectedMethod,
    panel: pd.DataFrame,
    stores: pd.DataFrame,
    intervals: IntervalParams,
) -> tuple[LevelHalfWidths, pd.DataFrame]:
    """Learn from the selected method's past forecasts how wide the intervals of sums must be, and judge them.

    Args:
        backtest: Every forecast of the past.
        selected_method: Whose forecasts count.
        panel: Gap-free weekly turnover.
        stores: Region and zone.
        intervals: How much each window counts.

    Returns:
        Level -> half-widths; and how many past sums fell into the intervals that the other windows would have
        given them, see ``forecasting.intervals.hierarchy.measure_level_coverage``.
    """
    own = backtest[backtest["method"] == selected_method.method]
    return (
        learn_level_half_widths(own, panel, stores, intervals),
        measure_level_coverage(own, panel, stores, intervals),
    )


def compare_with_selected(backtest: pd.DataFrame, selected_method: SelectedMethod) -> pd.DataFrame:
    """Say of each other method by how much the selected method beats it, and whether that could be luck.

    Args:
        backtest: Every forecast of the past.
        selected_method: Whose errors are compared.

    Returns:
        ``method, difference, low, high, verdict``: WAPE of the selected method less that of the method, mean
        over windows, with its 95 % interval, NaN where there is one window; the verdict on the selected
        method is ``better``, ``worse`` or ``open``.
    """
    best = selected_method.method
    others = [name for name in sorted(backtest["method"].unique()) if name != best]
    rows: list[Mapping[str, object]] = []
    for other in others:
        pair = backtest[backtest["method"].isin([best, other])]
        found = compare(pair, best, other)
        rows.append(
            {
                "method": other,
                "difference": found.wape,
                "low": found.low if isfinite(found.low) else nan,
                "high": found.high if isfinite(found.high) else nan,
                "verdict": found.verdict,
            }
        )
    return pd.DataFrame(rows, columns=["method", "difference", "low", "high", "verdict"])
