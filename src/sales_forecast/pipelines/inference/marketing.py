"""Marketing: what the next TV budget can be expected to bring, and when more of it pays.

Budgets and sales stay in the units of the file, which states none; money earned by a unit of sales is
therefore counted in units of budget.
"""

from __future__ import annotations

import numpy as np
import pandas as pd
import plotly.graph_objects as go

from sales_forecast.models.marketing import BudgetInterval, BudgetPackage
from sales_forecast.pipelines.handovers import BudgetPrediction, Recommendation
from sales_forecast.pipelines.inference.params import CurveParams
from sales_forecast.registry.serving import ServingModel
from sales_forecast.reporting import COLOURS, Chart, Section, Table, Text, new_figure


def draw_budget_curve(serving: ServingModel[BudgetPackage], curve: CurveParams) -> pd.DataFrame:
    """Predict sales over the budgets trained on, with a range that is as wide as the errors there.

    Args:
        serving: The registry's champion, with the campaigns it was fitted on, in random order.
        curve: Number of budgets, share of campaigns in the range, folds.

    Returns:
        ``tv`` from the smallest to the largest budget trained on, never beyond; ``sales`` predicted;
        ``sales_low, sales_high``, not below zero; ``marginal_sales``, more sales a unit of budget more.
    """
    package = serving.package
    train = package.train
    budgets = pd.DataFrame({"tv": np.linspace(train["tv"].min(), train["tv"].max(), curve.points)})
    sales = package.model.predict(budgets)
    with_intervals = BudgetInterval.learn(package, curve.interval_share, curve.folds).around(
        budgets.assign(sales=sales)
    )
    return with_intervals.assign(marginal_sales=np.gradient(sales, budgets["tv"]))


def recommend_budget(budget_curve: pd.DataFrame) -> Recommendation:
    """Draw from the curve what a planner can act on.

    Args:
        budget_curve: As ``draw_budget_curve`` gives it, of a straight line.
    """
    slope = float(budget_curve["marginal_sales"].mean())
    columns = list(BudgetPrediction.model_fields)
    smallest, middle, largest = (
        BudgetPrediction.model_validate(budget_curve[columns].iloc[position].to_dict())
        for position in (0, len(budget_curve) // 2, -1)
    )
    return Recommendation(
        sales_per_budget_unit=slope,
        break_even=1 / slope if slope > 0 else None,
        smallest=smallest,
        middle=middle,
        largest=largest,
    )


def draw_recommendation(
    budget_curve: pd.DataFrame, serving: ServingModel[BudgetPackage], curve: CurveParams
) -> go.Figure:
    """Draw predicted sales over the budget, with the range and the campaigns behind it.

    Args:
        budget_curve: Predictions and range.
        serving: The model, with the campaigns it learned from.
        curve: For the share of campaigns in the range.
    """
    figure = new_figure(
        "Sales to expect from a TV budget",
        "TV budget, units of the file",
        "Sales, units of the file",
        height=420,
    )
    train = serving.package.train
    tv = budget_curve["tv"].tolist()
    figure.add_scatter(
        x=tv,
        y=budget_curve["sales_high"].tolist(),
        mode="lines",
        line={"width": 0},
        hoverinfo="skip",
        showlegend=False,
    )
    figure.add_scatter(
        x=tv,
        y=budget_curve["sales_low"].tolist(),
        mode="lines",
        line={"width": 0},
        hoverinfo="skip",
        fill="tonexty",
        fillcolor="rgba(0, 114, 178, 0.18)",
        name=f"{curve.interval_share:.0%} range",
    )
    figure.add_scatter(
        x=train["tv"].tolist(),
        y=train["sales"].tolist(),
        mode="markers",
        marker={"color": COLOURS[-1], "opacity": 0.45, "size": 5},
        name="training campaign",
    )
    figure.add_scatter(
        x=tv,
        y=budget_curve["sales"].tolist(),
        mode="lines",
        line={"color": COLOURS[0], "width": 3},
        name="prediction",
    )
    return figure.update_xaxes(rangemode="tozero").update_yaxes(rangemode="tozero")


def write_recommendation(
    budget_curve: pd.DataFrame,
    recommendation: Recommendation,
    test: pd.DataFrame,
    budget_chart: go.Figure,
    curve: CurveParams,
) -> Section:
    """Tell a planner what the next budget can bring, and what the model cannot know.

    Args:
        budget_curve: Predictions and range.
        recommendation: As ``recommend_budget`` gives it.
        test: Campaigns that neither line nor range have seen, to count how often the range holds.
        budget_chart: The curve with its range.
        curve: For the share of campaigns that should be in the range.
    """
    picked = budget_curve.iloc[np.linspace(0, len(budget_curve) - 1, 5).astype(int)]
    headings = {
        "tv": "TV budget",
        "sales": "predicted sales",
        "sales_low": f"{curve.interval_share:.0%} range from",
        "sales_high": "to",
    }
    return Section(
        title="Marketing: which budget next",
        lead=(
            f"What the model expects from a TV budget of {recommendation.smallest.tv:,.1f} to "
            f"{recommendation.largest.tv:,.1f}, the budgets it has learned from, in units of the file."
        ),
        answers=(
            _return_words(recommendation),
            _advice_words(recommendation),
            _range_words(recommendation, curve),
        ),
        blocks=(
            Chart(budget_chart, holding_words(budget_curve, test, curve)),
            Table(
                picked[list(headings)].rename(columns=headings),
                "In units of the file, evenly spaced over the budgets learned from.",
                dict.fromkeys(headings.values(), ",.1f"),
            ),
            Text(
                "Errors on campaigns the model had not seen (cross-validation) show how far sales stray from "
                "the line, and how this changes with the budget. The range is as wide as these errors are at "
                "each budget, so it says what a single campaign may bring, not how sure the average is.",
                heading="Where the range comes from",
            ),
            Text(
                "It knows the budget and nothing else: no product, price, season or rival. Nothing says that "
                "the budgets were handed out by lot, so the return above may contain other causes. And no "
                f"campaign tells what happens beyond a budget of {recommendation.largest.tv:,.1f}: the "
                "curve ends there on purpose.",
                heading="What the model cannot know",
            ),
        ),
    )


def _return_words(recommendation: Recommendation) -> str:
    middle, largest = recommendation.middle, recommendation.largest
    if recommendation.break_even is None:
        return "More TV budget brings **no more sales** in these campaigns."
    return (
        f"Each unit of TV budget more brings about **{recommendation.sales_per_budget_unit:.3g}** units of "
        f"sales more: going from {middle.tv:,.1f} to {largest.tv:,.1f} brings "
        f"{largest.sales - middle.sales:,.1f}."
    )


def _advice_words(recommendation: Recommendation) -> str:
    if recommendation.break_even is None:
        return "The model gives no reason to spend more than the smallest budget."
    return (
        "This return is the same at every budget, because the model is a straight line: it cannot name a "
        "best budget by itself. What decides is what a sale earns. If a unit of sales earns more than "
        f"**{recommendation.break_even:,.1f}** units of budget, more TV pays, up to the largest budget "
        f"seen ({recommendation.largest.tv:,.1f}); if it earns less, more TV costs more than it brings."
    )


def _range_words(recommendation: Recommendation, curve: CurveParams) -> str:
    largest = recommendation.largest
    narrow, wide = (at.sales_high - at.sales_low for at in (recommendation.smallest, largest))
    verb = "grows" if wide > narrow else "shrinks"
    return (
        f"At the largest budget expect sales of **{largest.sales:,.1f}**, and in "
        f"{curve.interval_share:.0%} of campaigns between {largest.sales_low:,.1f} and "
        f"{largest.sales_high:,.1f}. The range {verb} with the budget, from a width of {narrow:,.1f} at the "
        f"smallest to {wide:,.1f} at the largest."
    )


def holding_words(budget_curve: pd.DataFrame, test: pd.DataFrame, curve: CurveParams) -> str:
    """Count how many test campaigns sold within the range; those outside the curve cannot be judged."""
    inside = test[test["tv"].between(budget_curve["tv"].iloc[0], budget_curve["tv"].iloc[-1])]
    if inside.empty:
        return "No test campaign lies between the budgets learned from, so the range could not be checked."
    low, high = (
        np.interp(inside["tv"], budget_curve["tv"], budget_curve[c]) for c in ("sales_low", "sales_high")
    )
    held = int(inside["sales"].between(low, high).sum())
    return (
        f"Checked on campaigns kept aside: **{held} of {len(inside)}** ({held / len(inside):.0%}) sold "
        f"within the range; {curve.interval_share:.0%} should."
    )
