"""Turnover: the charts of the evaluation."""

from __future__ import annotations

import pandas as pd
import plotly.graph_objects as go

from sales_forecast.pipelines.evaluation.turnover_scores import mean_scores, per_window
from sales_forecast.pipelines.handovers import SelectedMethod
from sales_forecast.reporting import COLOURS, new_figure


def chart_windows(scores: pd.DataFrame) -> go.Figure:
    """Draw WAPE per window and method.

    Args:
        scores: As ``score_backtest`` returns them.
    """
    figure = new_figure("Error per backtest window", "last week seen", "WAPE", height=380)
    for method, rows in _in_order(scores):
        windows = rows.sort_values("cutoff")
        last_week = windows["cutoff"].dt.strftime("%Y-%m-%d")
        figure.add_scatter(x=last_week, y=windows["wape"], name=method, mode="lines+markers")
    figure.update_layout(xaxis_type="date", yaxis_tickformat=".0%", yaxis_rangemode="tozero")
    return figure


def chart_horizons(scores: pd.DataFrame) -> go.Figure:
    """Draw WAPE against weeks ahead, mean over windows.

    Args:
        scores: As ``score_backtest`` returns them.
    """
    figure = new_figure("Error by weeks ahead", "weeks ahead", "WAPE, mean over windows")
    ahead = scores[(scores["department"] == "all") & (scores["horizon"] > 0)]
    for method in mean_scores(scores).index:
        mean = ahead[ahead["method"] == method].groupby("horizon")["wape"].mean()
        figure.add_scatter(x=mean.index, y=mean, name=method, mode="lines+markers")
    figure.update_layout(yaxis_tickformat=".0%", yaxis_rangemode="tozero", xaxis_dtick=1)
    return figure


def chart_departments(scores: pd.DataFrame) -> go.Figure:
    """Draw WAPE per department and method, mean over windows.

    Args:
        scores: As ``score_backtest`` returns them.
    """
    figure = new_figure("Error by department", "department", "WAPE, mean over windows")
    parts = scores[(scores["department"] != "all") & (scores["horizon"] == 0)]
    for method in mean_scores(scores).index:
        mean = parts[parts["method"] == method].groupby("department")["wape"].mean()
        figure.add_bar(x=mean.index, y=mean, name=method)
    figure.update_layout(barmode="group", xaxis_type="category", yaxis_tickformat=".0%")
    return figure


def _in_order(scores: pd.DataFrame) -> list[tuple[str, pd.DataFrame]]:
    """Rows per window of each method, best method first, so that colours mean the same everywhere."""
    windows = per_window(scores)
    return [(str(method), windows[windows["method"] == method]) for method in mean_scores(scores).index]


def chart_backtest(backtest: pd.DataFrame, panel: pd.DataFrame, selected_method: SelectedMethod) -> go.Figure:
    """Draw the sum over all series: what was sold, and what the selected method had forecast.

    Of windows that overlap, the newest are drawn.

    Args:
        backtest: Every forecast of the past.
        panel: Gap-free weekly turnover.
        selected_method: Whose forecasts are drawn.
    """
    figure = new_figure(
        "What the selected method would have forecast", "week", "turnover, all series, per week"
    )
    sold = panel.groupby("week")["turnover"].sum()
    figure.add_scatter(x=sold.index, y=sold, name="sold", line={"color": COLOURS[-1], "width": 1})
    own = backtest[backtest["method"] == selected_method.method]
    drawn = own["week"].max()
    windows: list[pd.DataFrame] = []
    for _, window in sorted(own.groupby("cutoff"), reverse=True):
        if window["week"].max() <= drawn:
            windows.insert(0, window)
            drawn = window["week"].min() - pd.Timedelta(weeks=1)
    for position, window in enumerate(windows):
        total = window.groupby("week")["forecast"].sum()
        figure.add_scatter(
            x=total.index,
            y=total,
            name=f"forecast ({selected_method.method})",
            legendgroup="forecast",
            showlegend=position == 0,
            line={"color": COLOURS[1], "width": 3},
        )
    return figure
