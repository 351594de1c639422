"""How every chart looks."""

from __future__ import annotations

from functools import cache

import plotly.graph_objects as go
from plotly.subplots import make_subplots

# Okabe & Ito (2008), then three of Tol (2021), told apart also by colour-blind readers; grey is the last.
COLOURS = (
    *("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9"),
    *("#882255", "#332288", "#999933", "#595959"),
)

_TEMPLATE = go.layout.Template(
    layout={
        "colorway": COLOURS,
        "font": {"family": "system-ui, sans-serif", "size": 13, "color": "#1f2933"},
        "paper_bgcolor": "white",
        "plot_bgcolor": "white",
        "xaxis": {
            "showgrid": False,
            "zeroline": False,
            "linecolor": "#9aa5b1",
            "ticks": "outside",
            "title": {"font": {"size": 12}},
            "automargin": True,
            "fixedrange": True,  # a finger on the chart scrolls the page
        },
        "yaxis": {
            "gridcolor": "#e4e7eb",
            "zerolinecolor": "#9aa5b1",
            "automargin": True,
            "fixedrange": True,
            "separatethousands": True,
            "title": {"font": {"size": 12}},
        },
        "margin": {"l": 8, "r": 8, "t": 48, "b": 8},
        "title": {"x": 0, "xanchor": "left", "yref": "container", "automargin": True, "font": {"size": 15}},
        # Above the plot a legend may wrap on a phone without covering the axis.
        "legend": {"orientation": "h", "x": 0, "xanchor": "left", "y": 1.02, "yanchor": "bottom"},
        "hovermode": "closest",
        "hoverlabel": {"bgcolor": "white", "font": {"color": "#1f2933"}, "align": "left"},
    }
)


@cache
def layout_template() -> dict[str, object]:
    """Return the house style as JSON, for charts that are written without the classes of Plotly."""
    template: dict[str, object] = _TEMPLATE.to_plotly_json()
    return template


def new_figure(title: str, x_title: str, y_title: str, height: int = 360) -> go.Figure:
    """Start a chart in the house style.

    Args:
        title: What is shown.
        x_title: Axis title with its unit.
        y_title: Axis title with its unit.
        height: Pixels; the width follows the page.
    """
    figure = go.Figure()
    figure.update_layout(
        template=_TEMPLATE,
        title_text=title,
        xaxis_title=x_title,
        yaxis_title=y_title,
        height=height,
    )
    return figure


def small_multiples(
    title: str, rows: list[str], x_title: str, y_title: str, row_height: int = 230
) -> go.Figure:
    """Start a chart with one panel below the other, all of one width: readable on a phone too.

    Args:
        title: What is shown.
        rows: Heading of each panel.
        x_title: Axis title with its unit, below the last panel.
        y_title: Axis title with its unit, on every panel.
        row_height: Pixels a panel, its heading included.
    """
    panels = max(len(rows), 1)
    height = row_height * panels + 60
    figure = make_subplots(rows=panels, cols=1, subplot_titles=rows, vertical_spacing=70 / height)
    figure.update_layout(template=_TEMPLATE, title_text=title, height=height)
    figure.update_layout(legend={"y": 1 + 34 / height}, margin_t=72)  # clear of the first heading
    figure.update_annotations(x=0, xanchor="left", font_size=13)
    figure.update_yaxes(title_text=y_title)
    figure.update_xaxes(title_text=x_title, row=panels)
    return figure
