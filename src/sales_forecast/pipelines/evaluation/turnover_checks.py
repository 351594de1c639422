"""Turnover: is the champion good at the sums people look at, honest in its ranges, and really better?"""

from __future__ import annotations

from typing import Any

import pandas as pd

from sales_forecast.forecasting.comparison import compare
from sales_forecast.forecasting.levels import (
    LEVELS,
    LevelWidths,
    learn_level_widths,
    measure_level_coverage,
    sum_to_level,
)
from sales_forecast.forecasting.metrics import rmsse, score, seasonal_scale
from sales_forecast.forecasting.ranges import COVERAGES, RangeParams
from sales_forecast.pipelines.evaluation.params import TurnoverEvaluationParams


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
    scores: list[dict[str, Any]] = []
    for level in LEVELS:
        history = sum_to_level(known, stores, level, ["turnover"])
        for cutoff, window in backtest.groupby("cutoff"):
            scale = seasonal_scale(history, pd.Timestamp(str(cutoff)))
            for method, rows in window.groupby("method"):
                sums = sum_to_level(rows, stores, level, ["turnover", "forecast"])
                labels = {"method": method, "cutoff": cutoff, "level": level}
                scores.append(labels | score(sums) | {"rmsse": rmsse(sums, scale)})
    return pd.DataFrame(scores)


def measure_coverage(backtest: pd.DataFrame) -> pd.DataFrame:
    """Count how many weeks fell into their range.

    Args:
        backtest: Every forecast of the past, with its ranges.

    Returns:
        ``method, by, value, rows, coverage_80, width_80, coverage_95, width_95``: ``by`` is all, window,
        department or horizon and ``value`` which one; coverage as a share of rows, width as the sum of ranges
        over the sum of turnover.
    """
    rows = backtest.assign(all="all", window=backtest["cutoff"].dt.strftime("%Y-%m-%d"))
    for coverage in COVERAGES:
        low, high = rows[f"lo_{coverage}"], rows[f"hi_{coverage}"]
        rows[f"coverage_{coverage}"] = rows["turnover"].between(low, high)
        rows[f"width_{coverage}"] = high - low
    tables = []
    for by in ("all", "window", "department", "horizon"):
        grouped = rows.groupby(["method", by])
        table = grouped.size().rename("rows").to_frame()
        for coverage in COVERAGES:
            table[f"coverage_{coverage}"] = grouped[f"coverage_{coverage}"].mean()
            table[f"width_{coverage}"] = grouped[f"width_{coverage}"].sum() / grouped["turnover"].sum()
        table = table.reset_index(names=["method", "value"])
        tables.append(table.assign(by=by, value=table["value"].astype(str)))
    columns = ["method", "by", "value", "rows"]
    return pd.concat(tables, ignore_index=True).set_index(columns).reset_index()


def learn_sums(
    backtest: pd.DataFrame, champion: dict[str, Any], stores: pd.DataFrame, ranges: RangeParams
) -> LevelWidths:
    """Learn from the champion's past forecasts how wide the ranges of sums must be.

    Args:
        backtest: Every forecast of the past.
        champion: Whose forecasts count.
        stores: Region and zone.
        ranges: What widths are measured in.

    Returns:
        Level -> coverage in per cent -> department -> width, as JSON can hold it.
    """
    return learn_level_widths(_own(backtest, champion), stores, ranges)


def measure_sums(
    backtest: pd.DataFrame, champion: dict[str, Any], stores: pd.DataFrame, ranges: RangeParams
) -> pd.DataFrame:
    """Count how many past sums fell into the range that the other windows would have given them.

    Args:
        backtest: Every forecast of the past.
        champion: Whose forecasts count.
        stores: Region and zone.
        ranges: What widths are measured in.

    Returns:
        See ``forecasting.levels.measure_level_coverage``.
    """
    return measure_level_coverage(_own(backtest, champion), stores, ranges)


def _own(backtest: pd.DataFrame, champion: dict[str, Any]) -> pd.DataFrame:
    own: pd.DataFrame = backtest[backtest["method"] == champion["method"]]
    return own


def compare_with_champion(
    backtest: pd.DataFrame, champion: dict[str, Any], evaluation: TurnoverEvaluationParams
) -> pd.DataFrame:
    """Say of each other method by how much the champion beats it, and whether that could be luck.

    Args:
        backtest: Every forecast of the past.
        champion: Whose errors are compared.
        evaluation: Draws and seed of the bootstrap.

    Returns:
        ``method, difference, low, high, verdict``: WAPE of the champion less that of the method, mean over
        windows, with its 95 % interval; the verdict on the champion is ``better``, ``worse`` or ``open``.
    """
    best = champion["method"]
    others = [name for name in sorted(backtest["method"].unique()) if name != best]
    rows: list[dict[str, Any]] = []
    for other in others:
        pair = backtest[backtest["method"].isin([best, other])]
        found = compare(pair, best, other, evaluation.bootstrap_draws, evaluation.seed)
        rows.append(
            {
                "method": other,
                "difference": found.wape,
                "low": found.low,
                "high": found.high,
                "verdict": found.verdict,
            }
        )
    return pd.DataFrame(rows, columns=["method", "difference", "low", "high", "verdict"])
