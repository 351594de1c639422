"""New weeks -> the model that serves fitted again -> forecasts -> what they are worth; run every week."""

from kedro.pipeline import Pipeline

from sales_forecast.pipelines import data_processing, domain_stage, inference, monitoring, step
from sales_forecast.pipelines.refresh.turnover import refit_champion

TURNOVER = [step(refit_champion, "serving")]


def create_pipeline() -> Pipeline:
    """Make the stage between those that read new files and those that publish forecasts from them."""
    around = data_processing.create_pipeline() + inference.create_pipeline() + monitoring.weekly_pipeline()
    return around.only_nodes_with_tags("turnover") + domain_stage("turnover", "refresh", TURNOVER)
