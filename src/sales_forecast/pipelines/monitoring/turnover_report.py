"""Turnover: is the forecast right, is it honest, where is it not, and what to do."""

from __future__ import annotations

import pandas as pd
import plotly.graph_objects as go

from sales_forecast.models.turnover import TurnoverPackage
from sales_forecast.pipelines.handovers import RetrainingDecision
from sales_forecast.registry.serving import ServingModel
from sales_forecast.reporting import Section
from sales_forecast.reporting.monitoring import draw_levels, monitoring_section, what_to_do

TITLE = "Turnover: is the forecast still right"


def chart_levels(monitor_signals: pd.DataFrame) -> go.Figure:
    """Draw how far each department was from its forecasts."""
    return draw_levels(monitor_signals)


def report_monitoring(
    monitor_signals: pd.DataFrame,
    levels_chart: go.Figure,
    retraining_decision: RetrainingDecision,
    serving: ServingModel[TurnoverPackage],
) -> Section:
    """Tell what is unusual in the week that came last, and what to do about it.

    Args:
        monitor_signals: As ``watch_forecasts`` returns them.
        levels_chart: How far each department was from its forecasts.
        retraining_decision: Whether all methods should compete again.
        serving: Says whose forecasts are meant.
    """
    to_do = what_to_do(retraining_decision.evidence, wanted=retraining_decision.wanted)
    return monitoring_section(TITLE, monitor_signals, levels_chart, to_do, f"Forecasts: {serving}")
