"""How every chart looks."""

from __future__ import annotations

import plotly.graph_objects as go

# Okabe & Ito (2008), told apart also by colour-blind readers.
COLOURS = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9", "#595959")

_TEMPLATE = go.layout.Template(
    layout={
        "colorway": COLOURS,
        "font": {"family": "system-ui, sans-serif", "size": 13, "color": "#1f2933"},
        "paper_bgcolor": "white",
        "plot_bgcolor": "white",
        "xaxis": {
            "showgrid": False,
            "linecolor": "#9aa5b1",
            "ticks": "outside",
            "automargin": True,
        },
        "yaxis": {"gridcolor": "#e4e7eb", "zerolinecolor": "#9aa5b1", "automargin": True},
        "margin": {"l": 8, "r": 8, "t": 48, "b": 8},
        "title": {"x": 0, "xanchor": "left", "font": {"size": 15}},
        "legend": {"orientation": "h", "y": -0.18, "x": 0},
        "hovermode": "closest",
    }
)


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
