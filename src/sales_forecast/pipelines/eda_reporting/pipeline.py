"""Tables -> answered business questions, charts and the report's first sections."""

from kedro.pipeline import Node, Pipeline

from sales_forecast.pipelines import lane_stage

TURNOVER: list[Node] = []

MARKETING: list[Node] = []


def create_pipeline() -> Pipeline:
    """Make this stage of both lanes."""
    return lane_stage("turnover", "eda_reporting", TURNOVER) + lane_stage(
        "marketing", "eda_reporting", MARKETING
    )
