"""Forecasts whose weeks have come -> signals -> whether all methods should compete; and what changed."""

from kedro.pipeline import Pipeline

from sales_forecast.pipelines import domain_stage, step
from sales_forecast.pipelines.monitoring.turnover_drift import describe_drift, sample_drift_rows
from sales_forecast.pipelines.monitoring.turnover_drift_section import report_drift
from sales_forecast.pipelines.monitoring.turnover_report import chart_levels, report_monitoring
from sales_forecast.pipelines.monitoring.turnover_signals import (
    decide_turnover_retraining,
    record_monitoring,
    watch_forecasts,
)

SIGNALS = [
    step(watch_forecasts, "monitor_signals"),
    step(decide_turnover_retraining, "retraining_decision"),
    step(record_monitoring, "monitored"),
    step(chart_levels, "levels_chart"),
    step(report_monitoring, "monitoring_report"),
]

DRIFT = [
    step(sample_drift_rows, "drift_rows"),
    step(describe_drift, ["drift_page", "drift_findings"]),
    step(report_drift, "drift_report"),
]


def create_pipeline() -> Pipeline:
    """Make this stage, which only turnover has: marketing has no weeks that come."""
    return domain_stage("turnover", "monitoring", [*SIGNALS, *DRIFT])


def weekly_pipeline() -> Pipeline:
    """Make the part of this stage that a refresh runs: signals, without the description of drift."""
    return domain_stage("turnover", "monitoring", SIGNALS)
