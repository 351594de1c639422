"""Turnover: the stores on a map, with what they are expected to sell."""

from __future__ import annotations

import pandas as pd
import plotly.graph_objects as go

from sales_forecast.pipelines.inference.turnover_last_year import against_last_year
from sales_forecast.reporting.store_map import draw_store_map


def sum_stores(last_year_table: pd.DataFrame, stores: pd.DataFrame) -> pd.DataFrame:
    """Sum the weeks ahead of each store, and say where it lies.

    Args:
        last_year_table: As ``compare_with_last_year`` returns it.
        stores: ``store, region, latitude, longitude``.

    Returns:
        ``store, forecast, last_year, change, region, latitude, longitude`` of the stores that are forecast.
    """
    places = stores[["store", "region", "latitude", "longitude"]]
    return against_last_year(last_year_table, ["store"]).merge(places, on="store", how="left")


def chart_stores(last_year_table: pd.DataFrame, stores: pd.DataFrame) -> go.Figure:
    """Draw the stores on a map: how much they will sell, and whether more or less than last year.

    Args:
        last_year_table: As ``compare_with_last_year`` returns it.
        stores: ``store, region, latitude, longitude``.
    """
    period = describe_period(last_year_table)
    return draw_store_map(sum_stores(last_year_table, stores), "Where it grows", period)


def describe_period(last_year_table: pd.DataFrame) -> str:
    """Name the weeks ahead in words."""
    count = last_year_table["week"].nunique()
    return "the week ahead" if count == 1 else f"the {count} weeks ahead"
