"""Marketing: the charts of TV budgets and sales.

Budgets and sales stay in the units of the file, which states none.
"""

from __future__ import annotations

import numpy as np
import pandas as pd
import plotly.graph_objects as go

from sales_forecast.pipelines.eda_reporting.marketing_answers import NAMES, Column, MarketingAnswers
from sales_forecast.reporting import COLOURS, new_figure


def draw_distributions(budgets: pd.DataFrame, answers: MarketingAnswers) -> tuple[go.Figure, go.Figure]:
    """Draw how many campaigns had which budget, and which sales.

    Args:
        budgets: One row a campaign.
        answers: For the densest intervals, shaded.

    Returns:
        The histogram of TV budgets and that of sales.
    """
    return _histogram(budgets, answers, "tv"), _histogram(budgets, answers, "sales")


def _histogram(budgets: pd.DataFrame, answers: MarketingAnswers, column: Column) -> go.Figure:
    name = NAMES[column]
    figure = new_figure(f"{name}: how many campaigns", f"{name}, units of the file", "campaigns", height=280)
    figure.add_histogram(x=budgets[column].tolist(), nbinsx=20, marker_color=COLOURS[0], name="campaigns")
    low, high = answers[column]["densest"]
    figure.add_vrect(x0=low, x1=high, fillcolor=COLOURS[4], opacity=0.25, line_width=0, layer="below")
    return figure.update_layout(bargap=0.05)


def draw_scatter(budgets: pd.DataFrame, answers: MarketingAnswers) -> go.Figure:
    """Draw sales over TV budget with the straight line that fits best, and mark the weak campaigns.

    Args:
        budgets: One row a campaign.
        answers: For the campaigns that spent much and sold little.
    """
    weak = pd.DataFrame(answers["high_spend_low_sales"], columns=list(NAMES))
    slope, intercept = np.polyfit(budgets["tv"], budgets["sales"], 1)
    ends = np.array([budgets["tv"].min(), budgets["tv"].max()])
    figure = new_figure(
        "Sales over TV budget", "TV budget, units of the file", "Sales, units of the file", height=420
    )
    figure.add_scatter(
        x=budgets["tv"].tolist(),
        y=budgets["sales"].tolist(),
        mode="markers",
        marker={"color": COLOURS[0], "opacity": 0.6},
        name="campaign",
    )
    figure.add_scatter(
        x=ends.tolist(),
        y=(intercept + slope * ends).tolist(),
        mode="lines",
        line={"color": COLOURS[-1], "width": 2},
        name="straight line",
    )
    figure.add_scatter(
        x=weak["tv"].tolist(),
        y=weak["sales"].tolist(),
        mode="markers",
        marker={"color": COLOURS[1], "symbol": "diamond", "size": 9},
        name="high spending, low sales",
    )
    return figure.update_xaxes(rangemode="tozero").update_yaxes(rangemode="tozero")
