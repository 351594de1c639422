"""Turnover: the weeks that are wanted, for machines and for planners."""

from __future__ import annotations

import pandas as pd
import plotly.graph_objects as go

from sales_forecast.deliveries.recorded import Recorded
from sales_forecast.forecasting.evaluation.metrics import mean_wape
from sales_forecast.forecasting.intervals import hierarchy
from sales_forecast.forecasting.panel.level_shifts import (
    LevelShiftParams,
    adjust_levels,
    find_level_shifts,
)
from sales_forecast.forecasting.panel.matrix import SERIES_KEYS, WEEKS_PER_YEAR
from sales_forecast.forecasting.panel.model_input import ModelInput
from sales_forecast.forecasting.steadiness import SteadinessParams, hold_steady
from sales_forecast.models.turnover import TurnoverPackage
from sales_forecast.pipelines.handovers import DataVersion
from sales_forecast.pipelines.inference.turnover_attributions import describe_attributions
from sales_forecast.pipelines.inference.turnover_sums import RECENT_WEEKS, add_up
from sales_forecast.pipelines.inference.turnover_targets import tabulate_chances
from sales_forecast.registry.dataset import ServingModel
from sales_forecast.reporting import COLOURS, Chart, Section, Table, Text, new_figure


def make_forecasts(
    serving: ServingModel[TurnoverPackage],
    forecast_index: pd.DataFrame,
    model_input: ModelInput,
    data_version: DataVersion,
) -> pd.DataFrame:
    """Forecast every store, department and week that is wanted.

    Args:
        serving: The registry's champion.
        forecast_index: ``store, department, week``.
        model_input: Past turnover, and what is known of stores and weeks.
        data_version: Of the raw files behind it.

    Returns:
        ``store, department, week, horizon, forecast, cold_start, method, lo_80, hi_80, lo_95, hi_95`` and the
        quantiles ``q05, q10, ... q95`` in currency units per week, and ``model_version, run_id,
        model_data_version, data_version``. ``cold_start`` marks series too young for a past of their own.

    Raises:
        InputError: A wanted week is not after the last week seen, or too far ahead.
    """
    model = serving.package.model
    context = model.context(model_input)
    forecasts = model.forecast(context, forecast_index[["store", "department", "week"]])
    return forecasts.assign(method=model.name, **serving.stamp(data_version.version))


def steady_forecasts(
    model_forecasts: pd.DataFrame,
    recorded: Recorded,
    serving: ServingModel[TurnoverPackage],
    model_input: ModelInput,
    steadiness: SteadinessParams,
) -> pd.DataFrame:
    """Hold on to what was published before, as far as ``steadiness`` says.

    Args:
        model_forecasts: As ``make_forecasts`` returns them.
        recorded: What was published before.
        serving: Says whose forecasts they are.
        model_input: Says which week was known last.
        steadiness: How much is kept.
    """
    if not steadiness.earlier_weight:
        return model_forecasts
    earlier = recorded.earlier_forecasts(model_input.last_week.date(), serving.retailer)
    return hold_steady(model_forecasts, earlier, steadiness)


def sum_forecasts(
    forecasts: pd.DataFrame, panel: pd.DataFrame, stores: pd.DataFrame, serving: ServingModel[TurnoverPackage]
) -> pd.DataFrame:
    """Sum forecasts to every level, see ``forecasting.intervals.hierarchy.sum_forecasts``.

    Args:
        forecasts: As ``make_forecasts`` returns them.
        panel: Gap-free weekly turnover.
        stores: Region and zone.
        serving: How wide the intervals of sums are.
    """
    return hierarchy.sum_forecasts(forecasts, panel, stores, serving.package.model.level_half_widths)


def lay_out_for_planners(forecasts: pd.DataFrame) -> dict[str, pd.DataFrame]:
    """One row a store and department, one column a week, whole currency units.

    Args:
        forecasts: ``store, department, week, forecast, lo_80, hi_80``.

    Returns:
        Sheets ``forecast``, with a ``total`` at the end, and the ends of the 80 % range, which cannot be
        summed: good and bad weeks even out. Quantiles are in the table of forecasts.
    """
    forecast = _by_week(forecasts, "forecast")
    weeks = forecast.columns[2:]
    return {
        "forecast": forecast.assign(total=forecast[weeks].sum(axis=1)),
        "low end of 80 % range": _by_week(forecasts, "lo_80"),
        "high end of 80 % range": _by_week(forecasts, "hi_80"),
    }


def _by_week(forecasts: pd.DataFrame, values: str) -> pd.DataFrame:
    sheet = forecasts.pivot(index=["store", "department"], columns="week", values=values).round()
    sheet.columns = pd.Index([f"{week:%Y-%m-%d}" for week in sheet.columns])
    return sheet.reset_index()


def chart_forecasts(forecasts: pd.DataFrame, panel: pd.DataFrame) -> go.Figure:
    """Draw each department's last year and a half, and the weeks ahead.

    Args:
        forecasts: ``store, department, week, forecast``.
        panel: Gap-free weekly turnover.
    """
    figure = new_figure("The weeks ahead", "week", "turnover, all stores, per week", height=420)
    recent = panel[panel["week"] > panel["week"].max() - pd.Timedelta(weeks=RECENT_WEEKS)]
    sold = recent.groupby(["department", "week"])["turnover"].sum()
    ahead = forecasts.groupby(["department", "week"])["forecast"].sum()
    for position, department in enumerate(ahead.index.unique("department")):
        colour = COLOURS[position % len(COLOURS)]
        past, future = sold.get(department, sold.iloc[:0]), ahead[department]
        joined = pd.concat([past.tail(1), future])
        figure.add_scatter(
            x=past.index,
            y=past,
            name=f"department {department}",
            line={"color": colour, "width": 1.5},
            legendgroup=str(department),
        )
        figure.add_scatter(
            x=joined.index,
            y=joined,
            name=f"department {department}, forecast",
            line={"color": colour, "width": 3, "dash": "dot"},
            legendgroup=str(department),
            showlegend=False,
        )
    return figure


def write_outlook(
    forecasts: pd.DataFrame,
    forecasts_by_level: pd.DataFrame,
    target_chances: pd.DataFrame,
    attributions: pd.DataFrame,
    panel: pd.DataFrame,
    serving: ServingModel[TurnoverPackage],
    forecasts_chart: go.Figure,
    total_chart: go.Figure,
    attributions_chart: go.Figure,
    level_shifts: LevelShiftParams,
) -> Section:
    """Say what the coming weeks bring, per department, against the level-adjusted last year.

    Args:
        forecasts: ``store, department, week, forecast``.
        forecasts_by_level: As ``sum_forecasts`` returns it.
        target_chances: As ``compare_with_targets`` returns it.
        attributions: As ``explain_forecasts`` returns it.
        panel: Gap-free weekly turnover.
        serving: The model that made the forecasts.
        forecasts_chart: Last year and the weeks ahead, per department.
        total_chart: The same of the whole chain, with intervals.
        attributions_chart: How parts add up to the forecasts.
        level_shifts: How level shifts are found.
    """
    weeks = sorted(forecasts["week"].unique())
    shifts = find_level_shifts(panel, level_shifts)
    totals = _against_last_year(forecasts, adjust_levels(panel, shifts))
    return Section(
        title="Turnover: the weeks ahead",
        lead=(
            f"{len(forecasts):,} forecasts for {len(weeks)} weeks, {weeks[0]:%Y-%m-%d} to "
            f"{weeks[-1]:%Y-%m-%d} (first days), made by {serving.package.model.name} "
            f"(version {serving.version} of {serving.name}) from data up to "
            f"{panel['week'].max():%Y-%m-%d}."
        ),
        answers=_answers(forecasts, totals, serving),
        blocks=(
            *_left_out(forecasts, panel),
            Text(
                "One row for each store and department, with the 80 % ranges: "
                "data/07_model_output/turnover/planner_sheet.xlsx. For machines: "
                "data/07_model_output/turnover/forecasts.parquet."
            ),
            Chart(total_chart, "The range of a sum is narrower than the sum of ranges: stores even out."),
            Table(
                add_up(forecasts_by_level).rename(columns=RANGE_HEADINGS),
                "A mean week of the weeks ahead, in currency units, and what 80 % of weeks should lie "
                "between. Regions and zones: data/07_model_output/turnover/forecasts_by_level.parquet.",
                dict.fromkeys(("forecast", *RANGE_HEADINGS.values()), ",.0f"),
            ),
            Chart(forecasts_chart, "Solid: sold. Dotted: forecast."),
            Table(
                totals.rename(columns={"last_year": "same weeks last year", "series": "stores"}),
                "Sum over the weeks ahead, in currency units, for the stores that are forecast. Where a "
                "department's level has shifted since, last year is brought to today's level; "
                "the change is that of the stores and weeks that were there last year.",
                {"forecast": ",.0f", "same weeks last year": ",.0f", "change": "+.1%", "stores": ",d"},
            ),
            tabulate_chances(target_chances),
            Chart(
                attributions_chart,
                "The parts of a week add up to its forecast, the diamond; parts below zero take away.",
            ),
            Table(
                shares := describe_attributions(attributions),
                "The same over all weeks ahead, as shares of the forecast. An average week is that of the "
                "last year, as it was sold. One store and department: notebooks/why_this_forecast.ipynb.",
                dict.fromkeys(shares.columns[1:], "+.0%"),
            ),
        ),
    )


def _answers(
    forecasts: pd.DataFrame, totals: pd.DataFrame, serving: ServingModel[TurnoverPackage]
) -> tuple[str, ...]:
    """The sentences on top.

    Args:
        forecasts: ``store, department, week, forecast`` and intervals.
        totals: Sum of the forecasts per department, largest first.
        serving: The model that made the forecasts.
    """
    weeks = forecasts["week"].nunique()
    total = totals["forecast"].sum()
    selling = forecasts[forecasts["forecast"] > forecasts["forecast"].mean() / 10]
    low, high = ((selling[end] / selling["forecast"]).median() for end in ("lo_80", "hi_80"))
    largest, its_sales = totals.loc[0, "department"], totals.loc[0, "forecast"]
    return (
        f"All stores together will sell about **{total:,.0f}** in these {weeks} weeks.",
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


def _against_last_year(forecasts: pd.DataFrame, panel: pd.DataFrame) -> pd.DataFrame:
    """Forecast and last year's turnover per department, largest first; the change of series known in both."""
    past = panel[["store", "department", "week", "turnover"]].assign(
        week=panel["week"] + pd.Timedelta(weeks=WEEKS_PER_YEAR)
    )
    both = forecasts.merge(past, on=["store", "department", "week"], how="left")
    totals = both.groupby("department", as_index=False).agg(
        forecast=("forecast", "sum"), last_year=("turnover", "sum"), series=("store", "nunique")
    )
    comparable = both.dropna(subset="turnover").groupby("department")["forecast"].sum()
    now = totals["department"].map(comparable)
    totals["change"] = now / totals["last_year"].where(totals["last_year"] > 0) - 1
    return totals.sort_values("forecast", ascending=False, ignore_index=True)
