"""Turnover: why the forecasts are what they are."""

from __future__ import annotations

import math

import pandas as pd
import plotly.graph_objects as go

from sales_forecast.forecasting.attribution import PARTS
from sales_forecast.forecasting.panel.model_input import ModelInput
from sales_forecast.forecasting.steadiness import attribute_steadiness
from sales_forecast.models.turnover import TurnoverPackage
from sales_forecast.registry.serving import ServingModel
from sales_forecast.reporting import COLOURS, Chart, Section, Table, small_multiples


def explain_forecasts(
    serving: ServingModel[TurnoverPackage],
    model_forecasts: pd.DataFrame,
    forecasts: pd.DataFrame,
    model_input: ModelInput,
) -> pd.DataFrame:
    """Split each forecast into parts in business words that add up to it.

    Args:
        serving: The model that made the forecasts.
        model_forecasts: ``store, department, week, forecast`` as the model makes them.
        forecasts: The same as they are published.
        model_input: Past turnover, and what is known of stores and weeks.

    Returns:
        ``store, department, week, forecast`` and the columns of ``forecasting.attribution.PARTS``; currency
        units per week.
    """
    model = serving.package.model
    explained = model.explain(model.context(model_input), model_forecasts)
    return attribute_steadiness(explained, forecasts)


MOST_DATES = 5
"""So many fit side by side below a chart on a phone; tilted, they would run over the next panel's heading."""


def chart_attributions(attributions: pd.DataFrame) -> go.Figure:
    """Draw for each department how the parts add up to the forecast, week by week.

    Args:
        attributions: As ``explain_forecasts`` returns it.
    """
    sums = attributions.groupby(["department", "week"])[["forecast", *PARTS]].sum()
    departments = list(sums.index.unique("department"))
    figure = small_multiples(
        "Why these forecasts",
        [f"Department {department}" for department in departments],
        "week",
        "turnover per week",
        row_height=260,
    )
    shown = [part for part in PARTS if (sums[part].abs() > 1e-6 * sums["forecast"].max()).any()]
    for row, department in enumerate(departments, start=1):
        own = sums.loc[department]
        for position, part in enumerate(shown):
            figure.add_bar(
                x=own.index,
                y=own[part],
                name=PARTS[part],
                legendgroup=part,
                showlegend=row == 1,
                marker_color=COLOURS[position % len(COLOURS)],
                row=row,
                col=1,
            )
        figure.add_scatter(
            x=own.index,
            y=own["forecast"],
            name="forecast",
            legendgroup="forecast",
            showlegend=row == 1,
            mode="markers",
            marker={"color": "black", "symbol": "diamond", "size": 8},
            row=row,
            col=1,
        )
    figure.update_layout(barmode="relative")
    weeks = list(sums.index.unique("week"))
    shown = weeks[:: math.ceil(len(weeks) / MOST_DATES)]
    figure.update_xaxes(tickvals=shown, tickformat="%d %b", tickangle=0)
    return figure


def describe_attributions(attributions: pd.DataFrame) -> pd.DataFrame:
    """Sum the parts over the weeks ahead, as shares of each department's forecast.

    Args:
        attributions: As ``explain_forecasts`` returns it.

    Returns:
        ``department`` and the parts in words, without those that play no role anywhere.
    """
    sums = attributions.groupby("department")[["forecast", *PARTS]].sum()
    shares = sums[list(PARTS)].div(sums["forecast"].where(sums["forecast"] > 0), axis=0)
    shown = [part for part in PARTS if (shares[part].abs() > 0.0005).any()]
    return shares[shown].rename(columns=PARTS).reset_index()


def report_attributions(attributions: pd.DataFrame, attributions_chart: go.Figure) -> Section:
    """Say in business words what the forecasts are made of.

    Args:
        attributions: As ``explain_forecasts`` returns it.
        attributions_chart: How parts add up to the forecasts.
    """
    shares = describe_attributions(attributions)
    return Section(
        title="Turnover: why these forecasts",
        lead="Each forecast is split into parts that add up to it: an average week, and what makes the weeks "
        "ahead differ from one.",
        blocks=(
            Chart(
                attributions_chart,
                "The parts of a week add up to its forecast, the diamond; parts below zero take away.",
            ),
            Table(
                shares,
                "The same over all weeks ahead, as shares of the forecast. An average week is that of the "
                "last year, as it was sold. One store and department: notebooks/why_this_forecast.ipynb.",
                dict.fromkeys(shares.columns[1:], "+.0%"),
            ),
        ),
    )
