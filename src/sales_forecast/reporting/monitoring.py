"""Sentences, charts and tables of the monitoring, for the report and for the page of the service."""

from __future__ import annotations

from html import escape

import pandas as pd
import plotly.graph_objects as go

from sales_forecast.forecasting.monitoring.signals import Detector, State
from sales_forecast.reporting.section import Chart, Section, Table, Text
from sales_forecast.reporting.theme import COLOURS, small_multiples

ALARM, CALM = "#b42318", COLOURS[0]

SPAN_WEEKS = 52
"""Weeks that the chart shows."""

DETECTORS = {
    Detector.LEVEL: "level of department {}",
    Detector.STORE: "store {}",
    Detector.COVERAGE_AT_ONCE: "{} % intervals, two weeks",
    Detector.COVERAGE: "{} % intervals, eight weeks",
    Detector.ACCURACY: "error of department {}",
    Detector.BIAS: "bias of department {}",
    Detector.VALUE_ADDED: "value added in department {}",
}
"""What a signal is about, in words."""


def monitoring_section(
    title: str, signals: pd.DataFrame, levels: go.Figure, to_do: str, stamp: str = ""
) -> Section:
    """Tell what is unusual in the week that came last, and what to do about it.

    Args:
        title: Heading.
        signals: As ``forecasting.monitoring.signals.find_signals`` returns them, weeks as timestamps.
        levels: How far each department was from its forecasts, as ``draw_levels`` draws it.
        to_do: As ``what_to_do`` says it.
        stamp: Whose forecasts are meant.
    """
    if signals.empty:
        return Section(title, "There are too few weeks with forecasts to say what is unusual.", stamp=stamp)
    week = signals["week"].max()
    now = signals[signals["week"] == week]
    blocks: list[Text | Chart | Table] = []
    if (now["state"] != State.CALM).any():
        blocks.append(table_of_unusual(now, "Unusual in this week; the guide on monitoring says what to do."))
    if (signals["detector"] == Detector.LEVEL).any():
        caption = (
            "The median of a department's stores: how far sales were from their forecasts, in usual "
            "deviations. Beyond the dotted lines is an alarm; off season there is no point."
        )
        blocks.append(Chart(levels, caption))
    return Section(
        title,
        f"The week of {week:%Y-%m-%d} against what was forecast for it, compared with the weeks before. How "
        "often each alarm is false, and how soon it sees a change, is measured in the benchmarks.",
        answers=(is_right(now), is_honest(now), to_do),
        blocks=tuple(blocks),
        stamp=stamp,
    )


def is_right(now: pd.DataFrame) -> str:
    """Say whether departments and stores sold what was forecast for them, from the signals of one week."""
    levels = now[now["detector"] == Detector.LEVEL]
    alarms = levels[levels["state"] == State.ALARM]
    stores = int((now["detector"] == Detector.STORE).sum())
    beside = f" **{stores}** store(s) sold far from theirs, beyond what all stores did." if stores else ""
    if levels.empty:
        return f"There are too few weeks to know what is usual for a department.{beside}"
    if alarms.empty:
        return f"**Right:** no department is far from its forecast.{beside}"
    told = "; ".join(f"department {row['key']}: {row['evidence']}" for _, row in alarms.iterrows())
    return f"**Not right in {len(alarms)} of {len(levels)} departments:** {told}.{beside}"


def is_honest(now: pd.DataFrame) -> str:
    """Say whether prediction intervals contain as much as they promise, from the signals of one week."""
    kinds = (Detector.COVERAGE, Detector.COVERAGE_AT_ONCE)
    coverage = now[now["detector"].isin(kinds)]
    if coverage.empty:
        return "There are too few weeks to judge the ranges."
    alarms = coverage[coverage["state"] == State.ALARM]
    if alarms.empty:
        (missed,) = coverage.loc[
            (coverage["detector"] == coverage["detector"].min()) & (coverage["key"] == "80"), "value"
        ]
        return f"**Honest:** {missed:.0%} of what came was outside the 80 % ranges, which should miss 20 %."
    return f"**Too narrow:** {alarms['evidence'].iloc[0]}."


def what_to_do(evidence: str, *, wanted: bool) -> str:
    """Say whether all methods should compete again.

    Args:
        evidence: Of the decision, in words.
        wanted: Whether they should, and have not yet.
    """
    if wanted:
        return f"**To do:** let all methods compete again (sales-forecast retrain): {evidence}."
    return f"**To do:** nothing; {evidence}."


def draw_levels(signals: pd.DataFrame) -> go.Figure:
    """Draw the level of each department over a year, a panel a department, with the limits of an alarm.

    Args:
        signals: ``week, detector, key, value, threshold, state, evidence``; weeks as timestamps.
    """
    levels = signals[signals["detector"] == Detector.LEVEL]
    levels = levels[levels["week"] > levels["week"].max() - pd.Timedelta(weeks=SPAN_WEEKS)]
    departments = list(levels["key"].unique())
    weeks = pd.date_range(levels["week"].min(), levels["week"].max(), freq="7D") if departments else None
    figure = small_multiples(
        "Sold against forecast, by department",
        [f"Department {escape(department)}" for department in departments],  # Plotly reads it as HTML
        "week",
        "usual deviations",
        row_height=190,
    )
    for row, department in enumerate(departments, start=1):
        # a week without level, such as off season, is a gap and no line
        own = levels[levels["key"] == department].set_index("week").reindex(weeks)
        figure.add_scatter(
            x=weeks,
            y=own["value"],
            mode="lines+markers",
            line={"color": CALM, "width": 1.5},
            marker={
                "color": [ALARM if state == State.ALARM else CALM for state in own["state"]],
                "size": [9 if state == State.ALARM else 4 for state in own["state"]],
            },
            customdata=own["evidence"].map(escape, na_action="ignore"),
            hovertemplate="%{x|%Y-%m-%d}: %{y:.1f}<br>%{customdata}<extra></extra>",
            showlegend=False,
            row=row,
            col=1,
        )
        limit = float(own["threshold"].dropna().iloc[-1])
        reach = max(limit * 1.25, float(own["value"].abs().max()) * 1.1)
        figure.update_yaxes(range=[-reach, reach], row=row, col=1)
        for side in (limit, -limit):
            figure.add_hline(side, line={"color": ALARM, "width": 1, "dash": "dot"}, row=row, col=1)
    return figure


RATES = {
    "wape": "Error (WAPE); dashed: seasonal naive",
    "bias": "Bias: above zero, forecasts were too high",
    "coverage_80": "Inside the 80 % ranges; dotted: promised",
    "forecast_value_added": "Error of seasonal naive that was avoided",
}
"""Panels of the chart of accuracy, in words that fit a phone."""


TICKS = 5
"""Weeks that are labelled, the newest among them; as many as fit a phone."""


def draw_accuracy(rates: pd.DataFrame) -> go.Figure:
    """Draw how right forecasts were week by week, a panel a ratio.

    Args:
        rates: ``week`` and the columns of ``storage.scores.rates``, oldest week first.
    """
    figure = small_multiples(
        "Forecasts of one week ahead, all departments together", list(RATES.values()), "week", "", 190
    )
    dashed = {"color": COLOURS[-1], "width": 1.5, "dash": "dash"}
    shown = {"showlegend": False, "col": 1}
    hover = "%{x|%Y-%m-%d}: %{y:.1%}<extra></extra>"
    figure.add_scatter(
        x=rates["week"], y=rates["naive_wape"], mode="lines", line=dashed, hovertemplate=hover, row=1, **shown
    )
    for row, name in enumerate(RATES, start=1):
        figure.add_scatter(
            x=rates["week"],
            y=rates[name],
            mode="lines+markers",
            line={"color": CALM, "width": 1.5},
            marker={"size": 4},
            hovertemplate=hover,
            row=row,
            **shown,
        )
    figure.add_hline(0.8, line={"color": ALARM, "width": 1, "dash": "dot"}, row=3, col=1)
    figure.update_yaxes(tickformat=".0%")
    every = -(-len(rates) // TICKS)
    figure.update_xaxes(tickvals=list(rates["week"])[::-1][::every], tickformat="%b %d")
    return figure


def table_of_unusual(signals: pd.DataFrame, caption: str) -> Table:
    """List what is unusual, alarms first.

    Args:
        signals: Of one week.
        caption: What the table says.
    """
    unusual = signals[signals["state"] != State.CALM]
    ordered = unusual.sort_values(["state", "since", "detector", "key"], ignore_index=True)
    rows = {
        "what": [
            DETECTORS[Detector(detector)].format(key)
            for detector, key in zip(ordered["detector"], ordered["key"], strict=True)
        ],
        "state": ordered["state"],
        "evidence": ordered["evidence"],
        "since": pd.to_datetime(ordered["since"]),
    }
    return Table(pd.DataFrame(rows), caption)
