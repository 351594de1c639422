"""Champion -> the forecasts that are wanted, for machines and for planners."""

from kedro.pipeline import Node, Pipeline

from sales_forecast.pipelines import lane_stage

TURNOVER: list[Node] = []

MARKETING: list[Node] = []


def create_pipeline() -> Pipeline:
    """Make this stage of both lanes."""
    return lane_stage("turnover", "inference", TURNOVER) + lane_stage("marketing", "inference", MARKETING)
