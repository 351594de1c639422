"""Marketing: what TV budgets and sales look like, and how closely one follows the other.

Budgets and sales stay in the units of the file, which states none.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
import pandas as pd
import plotly.graph_objects as go

from sales_forecast.pipelines.eda_reporting.params import HighSpendLowSalesParams
from sales_forecast.reporting import COLOURS, Chart, Section, Table, Text, new_figure

NAMES = {"tv": "TV budget", "sales": "Sales"}
CLEAR = 2
"""Standard errors that a difference must exceed before it is called more than chance."""


def answer_marketing(budgets: pd.DataFrame, high_spend_low_sales: HighSpendLowSalesParams) -> dict[str, Any]:
    """Answer the questions about budgets and sales.

    The densest range is the shortest interval that holds half of the campaigns: unlike the fullest bar
    of a histogram it does not depend on where somebody put the bars' edges.

    Args:
        budgets: One row a campaign, ``tv, sales`` in the units of the file.
        high_spend_low_sales: From which quantiles a budget is high and sales are low.

    Returns:
        ``tv`` and ``sales`` with ``mean, min, max, densest``; Pearson's ``correlation``, -1 to 1;
        ``high_spend_low_sales``, the campaigns above the one and below the other quantile, highest
        budget first, and ``limits``, those quantiles.
    """
    spent = float(budgets["tv"].quantile(high_spend_low_sales.spending_above_quantile))
    sold = float(budgets["sales"].quantile(high_spend_low_sales.sales_below_quantile))
    weak = budgets[(budgets["tv"] > spent) & (budgets["sales"] < sold)]
    return {
        **{column: _describe(budgets[column]) for column in NAMES},
        "correlation": float(budgets["tv"].corr(budgets["sales"])),
        "high_spend_low_sales": weak.sort_values("tv", ascending=False).to_dict("records"),
        "limits": {"spending_above": spent, "sales_below": sold},
    }


def _describe(values: pd.Series[float]) -> dict[str, Any]:
    return {
        "mean": float(values.mean()),
        "min": float(values.min()),
        "max": float(values.max()),
        "densest": densest_range(values),
    }


def densest_range(values: pd.Series[float]) -> list[float]:
    """Find the shortest interval that holds half of the values; of equally short ones the lowest.

    >>> densest_range(pd.Series([0.0, 5.0, 6.0, 7.0, 20.0]))
    [5.0, 7.0]
    """
    ordered = np.sort(values.to_numpy(float))
    half = (len(ordered) + 1) // 2
    half_widths = ordered[half - 1 :] - ordered[: len(ordered) - half + 1]
    first = int(half_widths.argmin())
    return [float(ordered[first]), float(ordered[first + half - 1])]


def draw_distributions(budgets: pd.DataFrame, answers: dict[str, Any]) -> tuple[go.Figure, go.Figure]:
    """Draw how many campaigns had which budget, and which sales.

    Args:
        budgets: One row a campaign.
        answers: For the densest intervals, shaded.

    Returns:
        The histogram of TV budgets and that of sales.
    """
    return _histogram(budgets, answers, "tv"), _histogram(budgets, answers, "sales")


def _histogram(budgets: pd.DataFrame, answers: dict[str, Any], column: str) -> go.Figure:
    name = NAMES[column]
    figure = new_figure(f"{name}: how many campaigns", f"{name}, units of the file", "campaigns", height=280)
    figure.add_histogram(x=budgets[column].tolist(), nbinsx=20, marker_color=COLOURS[0], name="campaigns")
    low, high = answers[column]["densest"]
    figure.add_vrect(x0=low, x1=high, fillcolor=COLOURS[4], opacity=0.25, line_width=0, layer="below")
    return figure.update_layout(bargap=0.05)


def draw_scatter(budgets: pd.DataFrame, answers: dict[str, Any]) -> go.Figure:
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


def write_budget_facts(
    budgets: pd.DataFrame,
    answers: dict[str, Any],
    tv_distribution_chart: go.Figure,
    sales_distribution_chart: go.Figure,
    scatter_chart: go.Figure,
) -> Section:
    """Tell what the campaigns show, and what it means for a budget.

    Args:
        budgets: One row a campaign.
        answers: As ``answer_marketing`` gives them.
        tv_distribution_chart: Histogram of budgets.
        sales_distribution_chart: Histogram of sales.
        scatter_chart: Sales over budget.
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
            Text(" ".join(_meaning(budgets, answers)), heading="What that means for a budget"),
            Text(
                "A correlation is not an effect: large budgets may have gone to products or markets that "
                "sell well anyway. Only a test tells the two apart: change the budget in some markets, leave "
                "it in others."
            ),
        ),
    )


def _span(facts: dict[str, Any]) -> str:
    return f"{facts['min']:,.1f} to {facts['max']:,.1f}"


def _densest(facts: dict[str, Any]) -> str:
    low, high = facts["densest"]
    return f"{low:,.1f} and {high:,.1f}"


def _correlation_words(correlation: float) -> str:
    together = "rise together" if correlation > 0 else "do not rise together"
    return (
        f"Budgets and sales {together}: their correlation is **{correlation:.2f}**. A straight line on the "
        f"budget explains {correlation**2:.0%} of the differences in sales; the rest has other reasons."
    )


def _weak_words(answers: dict[str, Any], count: int) -> str:
    weak = answers["high_spend_low_sales"]
    limits = answers["limits"]
    return (
        f"**{len(weak)}** of {count} campaigns spent much and sold little (budget above "
        f"{limits['spending_above']:,.1f}, sales below {limits['sales_below']:,.1f})."
    )


def _summary_table(answers: dict[str, Any]) -> Table:
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


def _crowding(facts: dict[str, Any]) -> str:
    low, high = facts["densest"]
    share = (high - low) / (facts["max"] - facts["min"])
    verdict = "close to an even spread" if share > 0.4 else "they crowd there"
    return f"It takes {share:.0%} of the whole span to hold half of the campaigns: {verdict}."


def _weak_table(answers: dict[str, Any]) -> list[Table]:
    weak = pd.DataFrame(answers["high_spend_low_sales"], columns=list(NAMES)).rename(columns=NAMES)
    if weak.empty:
        return []
    formats = dict.fromkeys(NAMES.values(), ",.1f")
    return [
        Table(weak, f"The {len(weak)} campaigns with high spending and low sales", formats, collapsed=True)
    ]


class _Half(NamedTuple):
    slope: float  # sales per unit of budget
    error: float  # standard error of the slope
    noise: float  # standard deviation of sales about the half's own line


def _meaning(budgets: pd.DataFrame, answers: dict[str, Any]) -> list[str]:
    """Say what slope, curvature and noise allow to be said."""
    words = []
    if answers["correlation"] > 0:
        slope = np.polyfit(budgets["tv"], budgets["sales"], 1)[0]
        words.append(
            f"Over all campaigns, one more unit of budget goes with **{slope:.3g}** more units of sales."
        )
    else:
        words.append("Over all campaigns, more budget does not go with more sales.")
    middle = budgets["tv"].median()
    parts = [budgets[budgets["tv"] <= middle], budgets[budgets["tv"] > middle]]
    if all(len(part) >= 4 and part["tv"].nunique() > 1 for part in parts):
        lower, upper = (_line(part) for part in parts)
        words += [_curvature_words(lower, upper, middle), _noise_words(lower, upper)]
    words += _smallest_words(budgets)
    return words


def _line(part: pd.DataFrame) -> _Half:
    (slope, intercept), covariance = np.polyfit(part["tv"], part["sales"], 1, cov=True)
    noise = (part["sales"] - intercept - slope * part["tv"]).std()
    return _Half(float(slope), float(np.sqrt(covariance[0, 0])), float(noise))


def _curvature_words(lower: _Half, upper: _Half, middle: float) -> str:
    difference = upper.slope - lower.slope
    clear = abs(difference) > CLEAR * np.hypot(lower.error, upper.error)
    if not clear:
        verdict = "a difference that chance alone can produce, so no proof of diminishing returns"
    elif difference < 0:
        verdict = "more than chance: the return diminishes"
    else:
        verdict = "more than chance: the return grows"
    return (
        f"Below the median budget of {middle:,.1f} one more unit goes with {lower.slope:.3g}, above it with "
        f"{upper.slope:.3g}: {verdict}."
    )


def _noise_words(lower: _Half, upper: _Half) -> str:
    if upper.noise > 1.2 * lower.noise:
        consequence = "so the larger the budget, the less certain its sales"
    else:
        consequence = "so large budgets are no less certain than small ones"
    return (
        f"Sales scatter about their line by {lower.noise:,.2f} (standard deviation) in the lower half of the "
        f"budgets and by {upper.noise:,.2f} in the upper, {consequence}."
    )


def _smallest_words(budgets: pd.DataFrame) -> list[str]:
    """Warn if the straight line is wrong for the smallest tenth of the budgets."""
    slope, intercept = np.polyfit(budgets["tv"], budgets["sales"], 1)
    smallest = budgets[budgets["tv"] <= budgets["tv"].quantile(0.1)]
    off = smallest["sales"] - intercept - slope * smallest["tv"]
    if len(off) < 4 or abs(off.mean()) <= CLEAR * off.sem():
        return []
    side, promise = ("below", "much") if off.mean() < 0 else ("above", "little")
    return [
        f"In the smallest tenth of the budgets (up to {smallest['tv'].max():,.1f}) sales lie "
        f"{abs(off.mean()):,.1f} {side} the line on average: there it promises too {promise}."
    ]
