"""Turnover: the weeks that are wanted, for machines and for planners."""

from __future__ import annotations

import pandas as pd
import plotly.graph_objects as go

from sales_forecast.deliveries.recorded import Recorded
from sales_forecast.forecasting.intervals import hierarchy
from sales_forecast.forecasting.panel.model_input import ModelInput
from sales_forecast.forecasting.steadiness import SteadinessParams, hold_steady
from sales_forecast.models.turnover import TurnoverPackage
from sales_forecast.pipelines.handovers import DataVersion
from sales_forecast.pipelines.inference.turnover_sums import RECENT_WEEKS
from sales_forecast.registry.serving import ServingModel
from sales_forecast.reporting import COLOURS, new_figure


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
