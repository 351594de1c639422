"""Panel -> the forecasts that every method would have made in the past."""

from kedro.pipeline import Node, Pipeline

from sales_forecast.pipelines import lane_stage

TURNOVER: list[Node] = []

MARKETING: list[Node] = []


def create_pipeline() -> Pipeline:
    """Make this stage of both lanes."""
    return lane_stage("turnover", "modelling", TURNOVER) + lane_stage("marketing", "modelling", MARKETING)
