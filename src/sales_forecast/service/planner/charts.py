"""Charts of the pages, as the JSON that Plotly draws: its classes take longer than the rest of a page."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from datetime import date
from textwrap import wrap

from markupsafe import Markup
from sqlalchemy import RowMapping

from sales_forecast.reporting.theme import COLOURS, layout_template
from sales_forecast.service.planner.words import signed

HEIGHT, LINE = 340, 18
"""Pixels, and letters of a label in one line: a phone shows the bars beside them."""

UP, DOWN, WHOLE = COLOURS[2], COLOURS[1], COLOURS[0]

_BANDS = {"95": "rgba(0, 114, 178, 0.13)", "80": "rgba(0, 114, 178, 0.26)"}
"""Coverage -> colour, the wider interval first, so that the other one lies upon it."""

_HOVER = "%{x|%d %b %Y}: %{y:,.0f}<extra></extra>"


def draw_series(
    turnover: Mapping[date, float],
    forecasts: Sequence[RowMapping],
    last_year: Mapping[date, float],
    chosen: date,
    planned: Mapping[date, float],
) -> Markup:
    """Draw what a series sold, and what is forecast for it with its prediction intervals.

    Args:
        turnover: Week -> turnover, oldest week first.
        forecasts: Rows of ``schema.forecasts``, oldest week first.
        last_year: Week that is forecast -> what was sold in the same week of last year.
        chosen: Week that is marked.
        planned: Week -> planner's number, where there is one.
    """
    weeks = [row["week"].isoformat() for row in forecasts]
    line = {"color": COLOURS[-1], "width": 1.5}
    traces: list[Mapping[str, object]] = [
        {"x": [week.isoformat() for week in turnover], "y": _rounded(turnover.values()), "line": line}
        | {"name": "sold", "mode": "lines", "hovertemplate": _HOVER}
    ]
    for coverage, colour in _BANDS.items():
        ends = [[row[f"{end}_{coverage}"] for row in forecasts] for end in ("lo", "hi")]
        edge = {"x": weeks, "mode": "lines", "line": {"width": 0}, "hoverinfo": "skip"}
        traces.append(edge | {"y": _rounded(ends[0]), "showlegend": False})
        traces.append(
            edge
            | {"y": _rounded(ends[1]), "fill": "tonexty", "fillcolor": colour}
            | {"name": f"{coverage} % range"}
        )
    dotted = {"color": COLOURS[1], "width": 2, "dash": "dot"}
    traces.append(
        {"x": [week.isoformat() for week in last_year], "y": _rounded(last_year.values()), "mode": "lines"}
        | {"name": "last year", "line": dotted, "hovertemplate": _HOVER}
    )
    marker = {"size": [11 if row["week"] == chosen else 6 for row in forecasts]}
    traces.append(
        {"x": weeks, "y": _rounded(row["forecast"] for row in forecasts), "name": "forecast"}
        | {"mode": "lines+markers", "line": {"color": WHOLE, "width": 2}, "marker": marker}
        | {"hovertemplate": _HOVER}
    )
    if planned:
        diamond = {"color": COLOURS[3], "size": 11, "symbol": "diamond"}
        traces.append(
            {"x": [week.isoformat() for week in planned], "y": _rounded(planned.values()), "mode": "markers"}
            | {"name": "planned", "marker": diamond, "hovertemplate": _HOVER}
        )
    layout = {"yaxis": {"title": {"text": "turnover a week"}, "rangemode": "tozero"}}
    return _as_data(traces, layout | {"margin": {"l": 8, "r": 8, "t": 40, "b": 8}})


def draw_waterfall(before: float, causes: Mapping[str, float], after: float) -> Markup:
    """Draw what led from the last forecast to this one.

    Args:
        before: The last forecast.
        causes: What changed it, in words -> currency units.
        after: This forecast.
    """
    names = ["last forecast", *("<br>".join(wrap(name, LINE)) for name in causes), "this forecast"]
    trace = {
        "type": "waterfall",
        "orientation": "h",
        "y": names,
        "x": _rounded([before, *causes.values(), after]),
        "measure": ["absolute", *("relative" for _ in causes), "total"],
        "text": [f"{before:,.0f}", *map(signed, causes.values()), f"{after:,.0f}"],
        "textposition": "auto",
        "textangle": 0,
        "constraintext": "none",
        "cliponaxis": False,
        "increasing": {"marker": {"color": UP}},
        "decreasing": {"marker": {"color": DOWN}},
        "totals": {"marker": {"color": WHOLE}},
        "connector": {"line": {"color": "#9aa5b1", "width": 1}},
        "hoverinfo": "skip",
    }
    layout = {
        "yaxis": {"autorange": "reversed", "ticklabelposition": "outside", "showgrid": False},
        "xaxis": {"rangemode": "tozero", "title": {"text": "turnover of the week"}},
        "showlegend": False,
        "margin": {"l": 8, "r": 8, "t": 8, "b": 8},
    }
    return _as_data([trace], layout)


def _rounded(amounts: Iterable[float]) -> list[float]:
    return [round(amount, 2) for amount in amounts]


def _as_data(traces: Sequence[Mapping[str, object]], layout: Mapping[str, object]) -> Markup:
    """Write a chart as JSON that may stand in a page: no text of it ends the element."""
    chart = {"data": traces, "layout": {"template": layout_template(), "height": HEIGHT, **layout}}
    return Markup(json.dumps(chart, separators=(",", ":")).replace("<", "\\u003c"))
