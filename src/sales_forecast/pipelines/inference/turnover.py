"""Turnover: the weeks that are wanted, for machines and for planners."""

from __future__ import annotations

from typing import Any

import pandas as pd
import plotly.graph_objects as go

from sales_forecast.forecasting.level_shifts import (
    LevelShiftParams,
    find_level_shifts,
    to_todays_level,
)
from sales_forecast.forecasting.market import Market
from sales_forecast.forecasting.method import Methods, forecast_all
from sales_forecast.reporting import COLOURS, Chart, Section, Table, Text, new_figure

RECENT_WEEKS = 78
"""How much of the past the chart shows."""


def _today(
    panel: pd.DataFrame, stores: pd.DataFrame, calendar: pd.DataFrame, level_shifts: LevelShiftParams
) -> Market:
    return Market.at(panel["week"].max(), panel, stores, calendar, level_shifts)


def fit_champion(
    panel: pd.DataFrame,
    stores: pd.DataFrame,
    calendar: pd.DataFrame,
    champion: dict[str, Any],
    methods: Methods,
    level_shifts: LevelShiftParams,
) -> dict[str, Any]:
    """Fit the chosen method on everything there is.

    Args:
        panel: Gap-free weekly turnover.
        stores: Attributes.
        calendar: Holidays of past and future weeks.
        champion: The evaluation's choice.
        methods: Candidates.
        level_shifts: How level shifts are found.

    Returns:
        ``method``, ``cutoff`` (ISO date of the last week seen) and ``fitted``, all as JSON can hold it.
    """
    market = _today(panel, stores, calendar, level_shifts)
    method = methods.root[champion["method"]]
    return {
        "method": champion["method"],
        "cutoff": f"{market.cutoff:%Y-%m-%d}",
        "fitted": method.fit(market),
    }


def forecast_targets(
    model: dict[str, Any],
    targets: pd.DataFrame,
    panel: pd.DataFrame,
    stores: pd.DataFrame,
    calendar: pd.DataFrame,
    methods: Methods,
    level_shifts: LevelShiftParams,
) -> pd.DataFrame:
    """Forecast every store, department and week that is wanted.

    Args:
        model: As ``fit_champion`` returns it.
        targets: ``store, department, week``.
        panel: Gap-free weekly turnover.
        stores: Attributes.
        calendar: Holidays of past and future weeks.
        methods: Candidates.
        level_shifts: How level shifts are found.

    Returns:
        ``store, department, week, horizon, forecast, method``; forecast in currency units per week.

    Raises:
        InputError: A wanted week is not after the last week seen, or too far ahead.
    """
    market = _today(panel, stores, calendar, level_shifts)
    method = methods.root[model["method"]]
    forecasts = forecast_all(method, market, targets, model["fitted"])
    return forecasts.assign(method=model["method"])


def lay_out_for_planners(forecasts: pd.DataFrame) -> pd.DataFrame:
    """One row a store and department, one column a week, whole currency units.

    Args:
        forecasts: ``store, department, week, forecast``.

    Returns:
        ``store, department``, a column for each week's first day, and ``total``.
    """
    sheet = forecasts.pivot(index=["store", "department"], columns="week", values="forecast").round()
    sheet.columns = pd.Index([f"{week:%Y-%m-%d}" for week in sheet.columns])
    return sheet.assign(total=sheet.sum(axis=1)).reset_index()


def chart_forecasts(forecasts: pd.DataFrame, panel: pd.DataFrame) -> go.Figure:
    """Draw each department's last year and a half, and the weeks ahead.

    Args:
        forecasts: ``store, department, week, forecast``.
        panel: Gap-free weekly turnover.
    """
    figure = new_figure("The weeks ahead", "week", "turnover, all stores, per week", height=420)
    recent = panel[panel["week"] > panel["week"].max() - pd.Timedelta(weeks=RECENT_WEEKS)]
    sold = recent.groupby(["department", "week"])["turnover"].sum()
    ahead = forecasts.groupby(["department", "week"])["forecast"].sum()
    for position, department in enumerate(ahead.index.unique("department")):
        colour = COLOURS[position % len(COLOURS)]
        past, future = sold.get(department, sold.iloc[:0]), ahead[department]
        joined = pd.concat([past.tail(1), future])
        figure.add_scatter(
            x=past.index,
            y=past,
            name=f"department {department}",
            line={"color": colour, "width": 1.5},
            legendgroup=str(department),
        )
        figure.add_scatter(
            x=joined.index,
            y=joined,
            name=f"department {department}, forecast",
            line={"color": colour, "width": 3, "dash": "dot"},
            legendgroup=str(department),
            showlegend=False,
        )
    return figure


def write_outlook(
    forecasts: pd.DataFrame,
    panel: pd.DataFrame,
    champion: dict[str, Any],
    forecasts_chart: go.Figure,
    level_shifts: LevelShiftParams,
) -> Section:
    """Say what the coming weeks bring, per department, against last year at today's level.

    Args:
        forecasts: ``store, department, week, forecast``.
        panel: Gap-free weekly turnover.
        champion: Which method forecast, and how wrong it was in the past.
        forecasts_chart: Last year and the weeks ahead.
        level_shifts: How level shifts are found.
    """
    weeks = sorted(forecasts["week"].unique())
    shifts = find_level_shifts(panel, level_shifts)
    totals = _against_last_year(forecasts, to_todays_level(panel, shifts))
    total = totals["forecast"].sum()
    largest, its_sales = totals.loc[0, "department"], totals.loc[0, "forecast"]
    return Section(
        title="Turnover: the weeks ahead",
        lead=(
            f"{len(forecasts):,} forecasts for {len(weeks)} weeks, {weeks[0]:%Y-%m-%d} to "
            f"{weeks[-1]:%Y-%m-%d} (first days), made by {champion['method']} from data up to "
            f"{panel['week'].max():%Y-%m-%d}."
        ),
        answers=(
            f"All stores together will sell about **{total:,.0f}** in these {len(weeks)} weeks.",
            f"The largest part is department {largest} with about {its_sales:,.0f}.",
            f"In the backtest a single store and department's week was wrong by {champion['wape']:.1%} of "
            "turnover on average; place people with that in mind.",
        ),
        blocks=(
            Chart(forecasts_chart, "Solid: sold. Dotted: forecast."),
            Table(
                totals.rename(columns={"last_year": "same weeks last year", "series": "stores"}),
                "Sum over the weeks ahead, in currency units, for the stores that are forecast. Where a "
                "department's level has shifted since, last year is brought to today's level; "
                "the change is that of the stores and weeks that were there last year.",
                {"forecast": ",.0f", "same weeks last year": ",.0f", "change": "+.1%", "stores": ",d"},
            ),
            Text(
                "One row a store and department: data/07_model_output/turnover/planner_sheet.xlsx. "
                "For machines: forecasts.parquet beside it."
            ),
        ),
    )


def _against_last_year(forecasts: pd.DataFrame, panel: pd.DataFrame) -> pd.DataFrame:
    """Forecast and last year's turnover per department, largest first; the change of series known in both."""
    past = panel[["store", "department", "week", "turnover"]].assign(
        week=panel["week"] + pd.Timedelta(weeks=52)
    )
    both = forecasts.merge(past, on=["store", "department", "week"], how="left")
    totals = both.groupby("department", as_index=False).agg(
        forecast=("forecast", "sum"), last_year=("turnover", "sum"), series=("store", "nunique")
    )
    comparable = both.dropna(subset="turnover").groupby("department")["forecast"].sum()
    now = totals["department"].map(comparable)
    totals["change"] = now / totals["last_year"].where(totals["last_year"] > 0) - 1
    return totals.sort_values("forecast", ascending=False, ignore_index=True)
