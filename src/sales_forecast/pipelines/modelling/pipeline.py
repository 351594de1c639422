"""Model input -> the forecasts that every method would have made in the past."""

from kedro.pipeline import Pipeline

from sales_forecast.input_checks import CHECKED_FIRST
from sales_forecast.pipelines import domain_stage, step
from sales_forecast.pipelines.modelling.marketing import (
    fit_budget_model,
    split_campaigns,
    tune_budget_model,
)
from sales_forecast.pipelines.modelling.turnover import backtest_methods, check_plan

TURNOVER = [
    step(check_plan, tags=CHECKED_FIRST),
    step(backtest_methods, ["backtest", "backtest_seconds"]),
]

MARKETING = [
    step(split_campaigns, ["train", "test"]),
    step(fit_budget_model, "default_model"),
    step(tune_budget_model, ["tuned_model", "best_settings"]),
]


def create_pipeline() -> Pipeline:
    """Make this stage of both domains."""
    return domain_stage("turnover", "modelling", TURNOVER) + domain_stage("marketing", "modelling", MARKETING)
