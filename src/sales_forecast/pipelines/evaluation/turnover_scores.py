"""Turnover: how good every method was in the backtest."""

from __future__ import annotations

import pandas as pd

from sales_forecast.forecasting.evaluation.metrics import rmsse, score, seasonal_scale, wql

METRICS = ["wape", "wql", "rmse", "mae", "rmsse", "bias"]


def score_backtest(backtest: pd.DataFrame, panel: pd.DataFrame) -> pd.DataFrame:
    """Score every method per window, and within it per department and per week ahead.

    Args:
        backtest: ``method, cutoff, store, department, week, horizon, turnover, forecast, crps``.
        panel: Gap-free weekly turnover; its past gives RMSSE its seasonal scale.

    Returns:
        ``method, cutoff, department, horizon, rows, wape, rmse, mae, bias, rmsse, wql``. ``department`` is
        ``"all"`` and ``horizon`` 0 where the row pools over them; units as in ``evaluation.metrics``.
    """
    scores: list[dict[str, object]] = []
    for cutoff, window in backtest.groupby("cutoff"):
        scale = seasonal_scale(panel, pd.Timestamp(str(cutoff)))
        for method, rows in window.groupby("method"):
            labels = {"method": method, "cutoff": cutoff}
            scores.append(labels | _scored("all", 0, rows, scale))
            scores += [labels | _scored(str(d), 0, part, scale) for d, part in rows.groupby("department")]
            scores += [
                labels | _scored("all", int(str(h)), part, scale) for h, part in rows.groupby("horizon")
            ]
    return pd.DataFrame(scores)


def _scored(department: str, horizon: int, rows: pd.DataFrame, scale: pd.Series[float]) -> dict[str, object]:
    return {
        "department": department,
        "horizon": horizon,
        "rows": len(rows),
        **score(rows),
        "rmsse": rmsse(rows, scale),
        "wql": wql(rows["turnover"].to_numpy(float), rows["crps"].to_numpy(float)),
    }


def per_window(scores: pd.DataFrame) -> pd.DataFrame:
    """Return the scores that pool over departments and weeks ahead: one row per method and window."""
    return scores[(scores["department"] == "all") & (scores["horizon"] == 0)]


def mean_scores(scores: pd.DataFrame) -> pd.DataFrame:
    """Mean over windows of each metric, best method first."""
    return per_window(scores).groupby("method")[METRICS].mean().sort_values("wape")
