"""Raw files -> checked, typed, gap-free tables."""

from kedro.pipeline import Pipeline

from sales_forecast.input_checks import CHECKED_FIRST
from sales_forecast.pipelines import domain_stage, step
from sales_forecast.pipelines.data_processing.data_version import (
    describe_marketing_files,
    describe_turnover_files,
)
from sales_forecast.pipelines.data_processing.marketing import read_budgets
from sales_forecast.pipelines.data_processing.retailer import (
    identify_retailer_by_campaigns,
    identify_retailer_by_series,
)
from sales_forecast.pipelines.data_processing.turnover import (
    assemble_model_input,
    build_calendar,
    read_forecast_index,
    read_sales,
)
from sales_forecast.pipelines.data_processing.turnover_covariates import gather_future_covariates
from sales_forecast.pipelines.data_processing.turnover_delivery import check_delivery
from sales_forecast.pipelines.data_processing.turnover_panel import build_panel
from sales_forecast.pipelines.data_processing.turnover_stores import read_stores
from sales_forecast.pipelines.data_processing.turnover_timesheets import read_timesheets

TURNOVER = [
    step(read_stores, "stores", tags=CHECKED_FIRST),
    step(read_sales, ["sales", "rejected"], tags=CHECKED_FIRST),
    step(read_forecast_index, "forecast_index", tags=CHECKED_FIRST),
    step(read_timesheets, "timesheets", tags=CHECKED_FIRST),
    step(gather_future_covariates, "future_covariates", tags=CHECKED_FIRST),
    step(identify_retailer_by_series, "retailer", tags=CHECKED_FIRST),
    step(describe_turnover_files, "data_version"),
    step(build_panel, "panel", tags=CHECKED_FIRST),
    step(check_delivery, "delivery", tags=CHECKED_FIRST),
    step(build_calendar, "calendar"),
    step(assemble_model_input, "model_input"),
]

MARKETING = [
    step(read_budgets, ["budgets", "rejected"], tags=CHECKED_FIRST),
    step(identify_retailer_by_campaigns, "retailer", tags=CHECKED_FIRST),
    step(describe_marketing_files, "data_version"),
]


def create_pipeline() -> Pipeline:
    """Check and type the raw files of both domains."""
    return domain_stage("turnover", "data_processing", TURNOVER) + domain_stage(
        "marketing", "data_processing", MARKETING
    )
