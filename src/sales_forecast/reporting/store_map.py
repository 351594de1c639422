"""The store map: where turnover is expected, and where it grows or shrinks, without any map service."""

from __future__ import annotations

from collections.abc import Hashable, Mapping
from html import escape
from typing import Any

import numpy as np
import pandas as pd
import plotly.graph_objects as go

from sales_forecast.reporting.theme import new_figure

LARGEST = 26
"""Diameter of the largest store's dot in pixels; the area of a dot is proportional to turnover."""

NAMED = 5
"""So many of the largest stores are named on the map."""

LESS_EQUAL_MORE = [[0.0, "#B35806"], [0.25, "#F1A340"], [0.5, "#F7F7F7"], [0.75, "#67A9CF"], [1.0, "#2166AC"]]
"""Orange to blue, which colour-blind readers tell apart, too."""

UNKNOWN = "#9aa5b1"
"""Colour of a store that was not there last year."""

OUTLINE = {"color": "#52606d", "width": 1}
SMALLEST_LIMIT = 0.05
"""The colours reach at least so far up and down."""

MAP_HEIGHT, SIZES_HEIGHT = 500, 60


def draw_store_map(stores: pd.DataFrame, title: str, period: str) -> go.Figure:
    """Draw each store as a dot at its place: the area is its forecast, the colour the change since last year.

    Longitude and latitude have one scale in kilometres at the middle of the map. The colours are the same
    distance up and down from no change; the few stores beyond their ends have the colours of the ends.

    Args:
        stores: ``store, region, latitude, longitude, forecast, last_year, change``; degrees, currency units
            and a relative change, which may be missing. Stores without a place are left out.
        title: What is shown.
        period: Which weeks forecasts are summed over, for the text beside each dot.
    """
    placed = with_place(stores).sort_values("forecast", ascending=False, ignore_index=True)
    figure = new_figure(title, "", "", height=MAP_HEIGHT + SIZES_HEIGHT)
    scale = (placed["forecast"].max() if placed["forecast"].gt(0).any() else 1.0) / LARGEST**2
    limit = _colour_limit(placed["change"])
    for known, rows in placed.groupby(placed["change"].notna(), sort=False):
        colours = {"color": rows["change"], "coloraxis": "coloraxis"} if known else {"color": UNKNOWN}
        figure.add_scatter(
            x=rows["longitude"],
            y=rows["latitude"],
            mode="markers+text",
            marker={
                "size": (rows["forecast"].clip(lower=0) / scale).pow(0.5).clip(lower=3),
                "line": OUTLINE,
                "opacity": 0.85,
                **colours,
            },
            text=rows["store"].where(rows.index.isin(placed.index[:NAMED]), "").astype(str).map(escape),
            textposition="middle right",
            hovertext=[_words(row, period) for row in rows.to_dict("records")],
            hoverinfo="text",
            showlegend=False,
        )
    _add_sizes(figure, placed["forecast"], scale)
    return _laid_out(figure, placed, limit)


def with_place(stores: pd.DataFrame) -> pd.DataFrame:
    """The stores whose longitude and latitude are known."""
    return stores.dropna(subset=["latitude", "longitude"])


def count_without_place(stores: pd.DataFrame) -> str:
    """Say how many stores are not on the map, and what they weigh; empty if all are.

    Args:
        stores: ``latitude, longitude, forecast``, one row a store.
    """
    missing = len(stores) - len(with_place(stores))
    if not missing:
        return ""
    amount = stores["forecast"].sum() - with_place(stores)["forecast"].sum()
    return (
        f"{missing} of {len(stores)} stores have no place and are not shown; they are to sell {amount:,.0f}."
    )


def explain_store_map(stores: pd.DataFrame, period: str) -> str:
    """Say what the dots mean, and how many stores are missing.

    Args:
        stores: As ``draw_store_map`` takes them.
        period: Which weeks forecasts are summed over.
    """
    placed = with_place(stores)
    limit = _colour_limit(placed["change"])
    beyond = int((placed["change"].abs() > limit).sum())
    unknown = int(placed["change"].isna().sum())
    said = [
        f"Each dot is a store at its longitude and latitude. Its area is the forecast of {period}; the "
        "empty dots show the scale. Blue stores are expected to sell more than in the same weeks of last "
        "year, orange ones less.",
        f"Beyond {limit:.0%} up or down the colour stays the same (stores: {beyond})." if beyond else "",
        f"Grey: not there last year (stores: {unknown})." if unknown else "",
        count_without_place(stores),
    ]
    return " ".join(filter(None, said))


def _per_cent(change: float) -> str:
    return f"{change:+.1%}".replace(".0%", "%") if change else "0%"


def _words(row: Mapping[Hashable, Any], period: str) -> str:
    region = f", region {escape(str(row['region']))}" if pd.notna(row["region"]) else ""
    lines = [
        f"<b>store {escape(str(row['store']))}</b>{region}",
        f"forecast, {period}: {row['forecast']:,.0f}",
    ]
    if pd.notna(row["change"]):
        lines += [f"same weeks last year: {row['last_year']:,.0f}", f"change: {row['change']:+.1%}"]
    return "<br>".join(lines)


def _colour_limit(change: pd.Series[float]) -> float:
    """Change at the ends of the colours: nine in ten stores are within, in steps of five per cent."""
    known = change.dropna().abs()
    nine_in_ten = float(np.ceil(known.quantile(0.9) * 20) / 20) if len(known) else 0.0
    return max(SMALLEST_LIMIT, nine_in_ten)


def _add_sizes(figure: go.Figure, forecast: pd.Series[float], scale: float) -> None:
    """Dots of round amounts below the map, drawn to the same scale."""
    if forecast.empty or forecast.max() <= 0:
        return
    top = _round_down(float(forecast.max()))
    amounts = [top / 10, top / 2, top]
    figure.add_scatter(
        x=[0, 1, 2],
        y=[0, 0, 0],
        xaxis="x2",
        yaxis="y2",
        mode="markers+text",
        marker={"size": np.sqrt(np.array(amounts) / scale), "color": "white", "line": OUTLINE},
        text=[f"{amount:,.0f}" for amount in amounts],
        textposition="bottom center",
        hoverinfo="skip",
        showlegend=False,
    )


def _round_down(amount: float) -> float:
    """The next smaller number of the kind 1, 2 or 5 times a power of ten."""
    power = 10.0 ** np.floor(np.log10(amount))
    return float(power * max(step for step in (1, 2, 5) if step * power <= amount))


def _laid_out(figure: go.Figure, placed: pd.DataFrame, limit: float) -> go.Figure:
    """One scale in kilometres for both directions, the colours above the map and the sizes below."""
    height = MAP_HEIGHT + SIZES_HEIGHT
    middle = float(placed["latitude"].median()) if len(placed) else 0.0
    degrees = {"ticksuffix": "°", "gridcolor": "#e4e7eb", "showgrid": True, "zeroline": False}
    degrees |= {"constrain": "domain", "automargin": False}
    figure.update_xaxes(degrees)
    figure.update_yaxes(degrees, domain=[(SIZES_HEIGHT + 30) / height, 1])
    figure.update_yaxes(scaleanchor="x", scaleratio=1 / np.cos(np.radians(middle)))
    hidden = {"visible": False, "fixedrange": True}
    figure.update_layout(
        xaxis2={**hidden, "domain": [0, 1], "range": [-0.5, 2.5], "anchor": "y2"},
        yaxis2={**hidden, "domain": [0, SIZES_HEIGHT / height], "range": [-1.5, 1], "anchor": "x2"},
        margin={"l": 40, "r": 12, "b": 8},
    )
    return figure.update_layout(
        coloraxis={
            "colorscale": LESS_EQUAL_MORE,
            "cmin": -limit,
            "cmax": limit,
            "colorbar": {
                **{"orientation": "h", "x": 0, "xanchor": "left", "y": 1.02, "yanchor": "bottom"},
                **{"len": 0.7, "thickness": 12, "ticks": "outside", "tickangle": 0},
                "title": {"text": "change against last year", "side": "top", "font": {"size": 12}},
                "tickvals": [-limit, -limit / 2, 0, limit / 2, limit],
                "ticktext": [_per_cent(limit * part) for part in (-1, -0.5, 0, 0.5, 1)],
            },
        },
    )
