"""Marketing: the report's section about TV budgets and sales.

Budgets and sales stay in the units of the file, which states none.
"""

from __future__ import annotations

import pandas as pd
import plotly.graph_objects as go

from sales_forecast.pipelines.eda_reporting.marketing_answers import NAMES, Facts, MarketingAnswers
from sales_forecast.pipelines.eda_reporting.marketing_relation import describe_relation
from sales_forecast.pipelines.eda_reporting.rejected_rows import describe_rejected
from sales_forecast.reporting import Chart, Section, Table, Text


def write_budget_facts(
    budgets: pd.DataFrame,
    answers: MarketingAnswers,
    tv_distribution_chart: go.Figure,
    sales_distribution_chart: go.Figure,
    scatter_chart: go.Figure,
    rejected: pd.DataFrame,
) -> Section:
    """Tell what the campaigns show, and what it means for a budget.

    Args:
        budgets: One row a campaign.
        answers: As ``answer_marketing`` gives them.
        tv_distribution_chart: Histogram of budgets.
        sales_distribution_chart: Histogram of sales.
        scatter_chart: Sales over budget.
        rejected: Rows of the file that were set aside.
    """
    return Section(
        title="Marketing: what TV budgets bring",
        lead=(
            f"{len(budgets)} campaigns, each with its TV budget and its sales. The file states no units, "
            "so budgets and sales are given in units of the file."
        ),
        answers=(
            f"A TV budget is **{answers['tv']['mean']:,.1f}** on average, from {_span(answers['tv'])}; "
            f"sales are **{answers['sales']['mean']:,.1f}**, from {_span(answers['sales'])}.",
            f"Half of the budgets lie between **{_densest(answers['tv'])}**, half of the sales between "
            f"**{_densest(answers['sales'])}**: no narrower range holds as many.",
            _correlation_words(answers["correlation"]),
            _weak_words(answers, len(budgets)),
            *describe_rejected(rejected, "marketing.rejected"),
        ),
        blocks=(
            Text("", heading="Budgets and sales, one by one"),
            _summary_table(answers),
            Chart(tv_distribution_chart, f"Shaded: the densest range. {_crowding(answers['tv'])}"),
            Chart(sales_distribution_chart, f"Shaded: the densest range. {_crowding(answers['sales'])}"),
            Text("", heading="Budgets and sales together"),
            Chart(
                scatter_chart,
                "The line is the straight one with the smallest squared errors. "
                f"Diamonds: budget above {answers['limits']['spending_above']:,.1f}, "
                f"sales below {answers['limits']['sales_below']:,.1f}.",
            ),
            *_weak_table(answers),
            Text(
                " ".join(describe_relation(budgets, answers["correlation"])),
                heading="What that means for a budget",
            ),
            Text(
                "A correlation is not an effect: large budgets may have gone to products or markets that "
                "sell well anyway. Only a test tells the two apart: change the budget in some markets, leave "
                "it in others."
            ),
        ),
    )


def _span(facts: Facts) -> str:
    return f"{facts['min']:,.1f} to {facts['max']:,.1f}"


def _densest(facts: Facts) -> str:
    low, high = facts["densest"]
    return f"{low:,.1f} and {high:,.1f}"


def _correlation_words(correlation: float) -> str:
    together = "rise together" if correlation > 0 else "do not rise together"
    return (
        f"Budgets and sales {together}: their correlation is **{correlation:.2f}**. A straight line on the "
        f"budget explains {correlation**2:.0%} of the differences in sales; the rest has other reasons."
    )


def _weak_words(answers: MarketingAnswers, count: int) -> str:
    weak = answers["high_spend_low_sales"]
    limits = answers["limits"]
    return (
        f"**{len(weak)}** of {count} campaigns spent much and sold little (budget above "
        f"{limits['spending_above']:,.1f}, sales below {limits['sales_below']:,.1f})."
    )


def _summary_table(answers: MarketingAnswers) -> Table:
    rows = [
        [NAMES[column], facts["mean"], facts["min"], facts["max"], *facts["densest"]]
        for column, facts in ((column, answers[column]) for column in NAMES)
    ]
    headings = ["", "mean", "smallest", "largest", "densest from", "densest to"]
    return Table(
        pd.DataFrame(rows, columns=headings),
        "In units of the file. Densest: the narrowest range that holds half of the campaigns.",
        dict.fromkeys(headings[1:], ",.2f"),
    )


def _crowding(facts: Facts) -> str:
    low, high = facts["densest"]
    share = (high - low) / (facts["max"] - facts["min"])
    verdict = "close to an even spread" if share > 0.4 else "they crowd there"
    return f"It takes {share:.0%} of the whole span to hold half of the campaigns: {verdict}."


def _weak_table(answers: MarketingAnswers) -> list[Table]:
    weak = pd.DataFrame(answers["high_spend_low_sales"], columns=list(NAMES)).rename(columns=NAMES)
    if weak.empty:
        return []
    formats = dict.fromkeys(NAMES.values(), ",.1f")
    return [
        Table(weak, f"The {len(weak)} campaigns with high spending and low sales", formats, collapsed=True)
    ]
