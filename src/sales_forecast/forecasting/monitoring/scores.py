"""What signals are found in: errors of forecasts by week, those that were published and those of the past."""

from __future__ import annotations

import pandas as pd

from sales_forecast.forecasting.monitoring.levels import log_ratios, long_table
from sales_forecast.forecasting.monitoring.signals import SUMS
from sales_forecast.forecasting.panel.matrix import KEYS, WEEKS_PER_YEAR

SCORE_COLUMNS = [
    "week",
    "horizon",
    "department",
    *SUMS,
    "median_log_ratio",
    "naive_absolute_error",
    "compared_absolute_error",
]


def with_log_ratios(rows: pd.DataFrame, panel: pd.DataFrame) -> pd.DataFrame:
    """Add ``log_ratio``, of turnover over forecast, to rows of forecasts whose weeks have come.

    Args:
        rows: ``store, department, week, forecast, turnover``, among others, in currency units; rows without
            turnover are left out.
        panel: ``store, department, week, turnover``.

    Returns:
        The rows with ``log_ratio``, and with ``usual``, what a store of the department sold in a mean week of
        the year before.
    """
    known = rows[rows["turnover"].notna()]
    by_week = panel.groupby(["department", "week"])["turnover"].mean().unstack("department")
    usual = by_week.rolling(WEEKS_PER_YEAR, min_periods=1).mean().shift()
    usual = long_table(usual, "usual", "department").astype({"department": known["department"].dtype})
    joined = known.merge(usual, on=["week", "department"], how="left")
    usual_sales = joined["usual"].fillna(0.0)
    ratios = log_ratios(joined["turnover"], joined["forecast"], usual_sales)
    return known.assign(usual=usual_sales.to_numpy(), log_ratio=ratios.to_numpy())


def score_backtest(rows: pd.DataFrame) -> pd.DataFrame:
    """Add up the errors of forecasts of the past, as the database does with those that were published.

    Args:
        rows: ``cutoff, store, department, week, forecast, lo_80, hi_80, lo_95, hi_95, turnover, log_ratio``.

    Returns:
        ``SCORE_COLUMNS``; nothing is known of naive forecasts.
    """
    turnover = rows["turnover"]
    each = rows.assign(
        horizon=(rows["week"] - rows["cutoff"]).dt.days // 7,
        count=1,
        absolute_error=(rows["forecast"] - turnover).abs(),
        **{
            f"inside_{level}": turnover.between(rows[f"lo_{level}"], rows[f"hi_{level}"]).astype(float)
            for level in (80, 95)
        },
    )
    by = each.groupby(["week", "horizon", "department"])
    sums = by[SUMS].sum().assign(median_log_ratio=by["log_ratio"].median())
    return sums.reset_index().reindex(columns=SCORE_COLUMNS)


def newer_first(published: pd.DataFrame, past: pd.DataFrame, keys: list[str]) -> pd.DataFrame:
    """Complete what was published with what would have been, in weeks that nothing was published for.

    Args:
        published: Scores, or log ratios of stores, of forecasts that were published.
        past: The same of a backtest.
        keys: What identifies a row beside its week.
    """
    own = set(published["week"])
    rows = [table for table in (past[~past["week"].isin(own)], published) if len(table)]
    if not rows:
        return published
    return pd.concat(rows).sort_values(["week", *keys], ignore_index=True)


STORE_COLUMNS = [*KEYS, "week", "log_ratio"]


def store_log_ratios(rows: pd.DataFrame) -> pd.DataFrame:
    """Mean over horizons of ``log_ratio``, by store, department and week."""
    means = rows.groupby([*KEYS, "week"])[["log_ratio"]].mean()
    return means.reset_index()[STORE_COLUMNS]
