"""Past forecasts -> metrics, the champion and the report's evaluation."""

from kedro.pipeline import Node, Pipeline

from sales_forecast.pipelines import lane_stage

TURNOVER: list[Node] = []

MARKETING: list[Node] = []


def create_pipeline() -> Pipeline:
    """Make this stage of both lanes."""
    return lane_stage("turnover", "evaluation", TURNOVER) + lane_stage("marketing", "evaluation", MARKETING)
