"""Turnover: the report's section on the weeks ahead."""

from __future__ import annotations

import math

import pandas as pd
import plotly.graph_objects as go

from sales_forecast.forecasting.evaluation.metrics import mean_wape
from sales_forecast.forecasting.panel.matrix import SERIES_KEYS
from sales_forecast.models.turnover import TurnoverPackage
from sales_forecast.pipelines.inference.turnover_last_year import against_last_year
from sales_forecast.pipelines.inference.turnover_map import describe_period, sum_stores
from sales_forecast.pipelines.inference.turnover_sums import add_up
from sales_forecast.pipelines.inference.turnover_targets import tabulate_chances
from sales_forecast.registry.serving import ServingModel
from sales_forecast.reporting import Chart, Section, Table, Text
from sales_forecast.reporting.store_map import explain_store_map, with_place


def write_outlook(
    forecasts: pd.DataFrame,
    forecasts_by_level: pd.DataFrame,
    target_chances: pd.DataFrame,
    last_year_table: pd.DataFrame,
    panel: pd.DataFrame,
    stores: pd.DataFrame,
    serving: ServingModel[TurnoverPackage],
    forecasts_chart: go.Figure,
    total_chart: go.Figure,
    stores_chart: go.Figure,
) -> Section:
    """Say what the coming weeks bring, per department, against the level-adjusted last year.

    Args:
        forecasts: ``store, department, week, forecast``.
        forecasts_by_level: As ``sum_forecasts`` returns it.
        target_chances: As ``compare_with_targets`` returns it.
        last_year_table: As ``compare_with_last_year`` returns it.
        panel: Gap-free weekly turnover.
        stores: Regions and places.
        serving: The model that made the forecasts.
        forecasts_chart: Last year and the weeks ahead, per department.
        total_chart: The same of the whole chain, with intervals.
        stores_chart: The stores on a map.
    """
    weeks = sorted(forecasts["week"].unique())
    totals = against_last_year(last_year_table, ["department"])
    counted = totals["department"].map(forecasts.groupby("department")["store"].nunique())
    totals = totals.assign(stores=counted).sort_values("forecast", ascending=False, ignore_index=True)
    return Section(
        title="Turnover: the weeks ahead",
        lead=(
            f"{len(forecasts):,} forecasts for {len(weeks)} weeks, {weeks[0]:%Y-%m-%d} to "
            f"{weeks[-1]:%Y-%m-%d} (first days), made by {serving.package.model.name} "
            f"(version {serving.version} of {serving.name}) from data up to "
            f"{panel['week'].max():%Y-%m-%d}."
        ),
        answers=_answers(forecasts, last_year_table, totals, serving),
        blocks=(
            Text(
                "Every store, department, region and week with its 80 % range, against last year and the "
                "last forecast, as a workbook: data/07_model_output/turnover/planner_sheet.xlsx."
            ),
            Chart(total_chart, "The range of a sum is narrower than the sum of ranges: stores even out."),
            Table(
                add_up(forecasts_by_level).rename(columns=RANGE_HEADINGS),
                "A mean week of the weeks ahead, in currency units, and what 80 % of weeks should lie "
                "between. Regions and zones: data/07_model_output/turnover/forecasts_by_level.parquet.",
                dict.fromkeys(("forecast", *RANGE_HEADINGS.values()), ",.0f"),
            ),
            Table(
                totals.rename(columns={"last_year": "same weeks last year"}),
                "Sum over the weeks ahead, in currency units, for the stores that are forecast. Where a "
                "department's level has shifted since, last year is brought to today's level; "
                "the change is that of the stores and weeks that were there last year.",
                {"forecast": ",.0f", "same weeks last year": ",.0f", "change": "+.1%", "stores": ",d"},
            ),
            *_map(stores_chart, last_year_table, stores),
            Chart(forecasts_chart, "Solid: sold. Dotted: forecast."),
            tabulate_chances(target_chances),
            *_left_out(forecasts, panel),
            Text("The forecasts for machines: data/07_model_output/turnover/forecasts.parquet."),
        ),
    )


def _map(
    stores_chart: go.Figure, last_year_table: pd.DataFrame, stores: pd.DataFrame
) -> tuple[Chart | Text, ...]:
    """The stores on a map, or why there is none."""
    summed = sum_stores(last_year_table, stores)
    if with_place(summed).empty:
        return (Text("There is no map of the stores: none has a latitude and a longitude."),)
    return (Chart(stores_chart, explain_store_map(summed, describe_period(last_year_table))),)


def _answers(
    forecasts: pd.DataFrame,
    last_year_table: pd.DataFrame,
    totals: pd.DataFrame,
    serving: ServingModel[TurnoverPackage],
) -> tuple[str, ...]:
    """The sentences on top.

    Args:
        forecasts: ``store, department, week, forecast`` and intervals.
        last_year_table: As ``compare_with_last_year`` returns it.
        totals: Sum of the forecasts per department, largest first.
        serving: The model that made the forecasts.
    """
    weeks = forecasts["week"].nunique()
    total = totals["forecast"].sum()
    chain = against_last_year(last_year_table.assign(chain="all"), ["chain"])
    change = float(chain["change"].iloc[0])
    compared = "" if math.isnan(change) else f", **{change:+.1%}** against the same weeks of last year"
    selling = forecasts[forecasts["forecast"] > forecasts["forecast"].mean() / 10]
    low, high = ((selling[end] / selling["forecast"]).median() for end in ("lo_80", "hi_80"))
    largest, its_sales = totals.loc[0, "department"], totals.loc[0, "forecast"]
    return (
        f"All stores together will sell about **{total:,.0f}** in these {weeks} weeks{compared}.",
        f"The largest part is department {largest} with about {its_sales:,.0f}.",
        "In the backtest a single store and department's week was wrong by "
        f"{mean_wape(serving.package.backtest):.1%} of turnover on average; place people with that in "
        "mind.",
        "Each forecast has ranges of its own. A typical 80 % range reaches from "
        f"{low:.0%} to {high:.0%} of its forecast.",
    )


def _left_out(forecasts: pd.DataFrame, panel: pd.DataFrame) -> tuple[Table, ...]:
    """The known series that are not forecast, with the last weeks in which they and their stores sold."""
    sold = panel[panel["turnover"] > 0]
    series = (
        panel[SERIES_KEYS]
        .drop_duplicates()
        .merge(sold.groupby(SERIES_KEYS)["week"].max().rename("last sold").reset_index(), how="left")
    )
    series["store last sold"] = series.groupby("store")["last sold"].transform("max")
    wanted = pd.MultiIndex.from_frame(forecasts[SERIES_KEYS])
    left_out = series[~pd.MultiIndex.from_frame(series[SERIES_KEYS]).isin(wanted)]
    if left_out.empty:
        return ()
    shown = left_out.sort_values("last sold", ascending=False).head(SHOWN_LEFT_OUT)
    dates = {name: shown[name].dt.strftime("%Y-%m-%d").fillna("never") for name in SOLD}
    which = f"; the {len(shown)} that sold last" if len(shown) < len(left_out) else ""
    return (
        Table(
            shown.assign(**dates),
            f"{len(left_out)} known series are not forecast{which}: no file of weeks to forecast "
            "(turnover.files.forecast_index) names them, or without such a file they sell nothing any more. "
            "Weeks by their first day.",
        ),
    )


SOLD = ("last sold", "store last sold")
SHOWN_LEFT_OUT = 20
"""The report shows so many series that are not forecast."""

RANGE_HEADINGS = {"lo_80": "80 % range from", "hi_80": "to"}
