"""Turnover: forecasts for departments, regions, zones and the whole chain."""

from __future__ import annotations

import pandas as pd
import plotly.graph_objects as go

from sales_forecast.reporting import COLOURS, new_figure

RECENT_WEEKS = 78
"""How much of the past a chart shows."""


def chart_total(forecasts_by_level: pd.DataFrame, panel: pd.DataFrame) -> go.Figure:
    """Draw the whole chain's last year and a half, and the weeks ahead with their intervals.

    Args:
        forecasts_by_level: As ``sum_forecasts`` returns it.
        panel: Gap-free weekly turnover.
    """
    figure = new_figure("The whole chain", "week", "turnover per week", height=380)
    recent = panel[panel["week"] > panel["week"].max() - pd.Timedelta(weeks=RECENT_WEEKS)]
    sold = recent.groupby("week")["turnover"].sum()
    ahead = forecasts_by_level[forecasts_by_level["level"] == "total"].sort_values("week")
    for coverage, strength in ((95, 0.15), (80, 0.3)):
        figure.add_scatter(
            x=[*ahead["week"], *ahead["week"][::-1]],
            y=[*ahead[f"hi_{coverage}"], *ahead[f"lo_{coverage}"][::-1]],
            fill="toself",
            fillcolor=f"rgba(213, 94, 0, {strength})",
            line={"width": 0},
            mode="lines",
            name=f"{coverage} % range",
            hoverinfo="skip",
        )
    figure.add_scatter(x=sold.index, y=sold, name="sold", line={"color": COLOURS[-1], "width": 1.5})
    figure.add_scatter(
        x=ahead["week"], y=ahead["forecast"], name="forecast", line={"color": COLOURS[1], "width": 3}
    )
    figure.update_layout(yaxis_rangemode="tozero")
    return figure


def add_up(forecasts_by_level: pd.DataFrame) -> pd.DataFrame:
    """Mean week of the chain and each department, and what 80 % of weeks should lie between.

    Args:
        forecasts_by_level: As ``sum_forecasts`` returns it.

    Returns:
        ``what, forecast, lo_80, hi_80`` in currency units per week, the chain first, then by size.
    """
    shown = forecasts_by_level[forecasts_by_level["level"].isin(["total", "department"])]
    means = shown.groupby("department", as_index=False)[["forecast", "lo_80", "hi_80"]].mean()
    means = means.sort_values("forecast", ascending=False, ignore_index=True)
    what = means["department"].where(means["department"] == "all", "department " + means["department"])
    return means.assign(what=what.replace("all", "all stores"))[["what", "forecast", "lo_80", "hi_80"]]
