"""Champion -> the forecasts that are wanted, for machines and for planners."""

from kedro.pipeline import Pipeline

from sales_forecast.pipelines import domain_stage, step
from sales_forecast.pipelines.inference.deployment import (
    check_forecasts,
    check_predictions,
    report_forecast_check,
    report_prediction_check,
)
from sales_forecast.pipelines.inference.marketing import (
    draw_budget_curve,
    draw_recommendation,
    recommend_budget,
    write_recommendation,
)
from sales_forecast.pipelines.inference.publication import publish_curve, publish_forecasts
from sales_forecast.pipelines.inference.report import assemble_report, assemble_turnover_report
from sales_forecast.pipelines.inference.turnover import (
    chart_forecasts,
    make_forecasts,
    steady_forecasts,
    sum_forecasts,
)
from sales_forecast.pipelines.inference.turnover_accuracy import report_accuracy
from sales_forecast.pipelines.inference.turnover_attributions import (
    chart_attributions,
    explain_forecasts,
    report_attributions,
)
from sales_forecast.pipelines.inference.turnover_changes import chart_changes, find_changes, report_changes
from sales_forecast.pipelines.inference.turnover_exceptions import list_exceptions, report_exceptions
from sales_forecast.pipelines.inference.turnover_last_year import compare_with_last_year
from sales_forecast.pipelines.inference.turnover_map import chart_stores
from sales_forecast.pipelines.inference.turnover_outlook import write_outlook
from sales_forecast.pipelines.inference.turnover_sheet import lay_out_for_planners
from sales_forecast.pipelines.inference.turnover_staffing import estimate_staffing_rules, plan_staffing
from sales_forecast.pipelines.inference.turnover_sums import chart_total
from sales_forecast.pipelines.inference.turnover_targets import compare_with_targets

TURNOVER = [
    step(make_forecasts, "model_forecasts"),
    step(steady_forecasts, "forecasts"),
    step(sum_forecasts, "forecasts_by_level"),
    step(compare_with_last_year, "last_year_table"),
    step(estimate_staffing_rules, "staffing_rules"),
    step(plan_staffing, "staffing_plan"),
    step(lay_out_for_planners, "planner_sheet"),
    step(compare_with_targets, "target_chances"),
    step(explain_forecasts, "attributions"),
    step(chart_forecasts, "forecasts_chart"),
    step(chart_total, "total_chart"),
    step(chart_stores, "stores_chart"),
    step(chart_attributions, "attributions_chart"),
    step(write_outlook, "inference_report"),
    step(report_attributions, "attributions_report"),
    step(find_changes, "changes"),
    step(chart_changes, "changes_chart"),
    step(report_changes, "changes_report"),
    step(list_exceptions, "planner_exceptions"),
    step(report_exceptions, "exceptions_report"),
    step(publish_forecasts, "publication"),
    step(report_accuracy, "accuracy_report"),  # publishing scores the weeks that have come
    step(check_forecasts, "deployed_table", forecasts="model_forecasts"),
    step(report_forecast_check, "deployment_report"),
    step(assemble_turnover_report, ["report", "data_science_report"]),
]

MARKETING = [
    step(draw_budget_curve, "budget_curve"),
    step(recommend_budget, "recommendation"),
    step(draw_recommendation, "budget_chart"),
    step(write_recommendation, "inference_report"),
    step(publish_curve, "publication"),
    step(check_predictions, "deployed_table"),
    step(report_prediction_check, "deployment_report"),
    step(assemble_report, ["report", "data_science_report"]),
]


def create_pipeline() -> Pipeline:
    """Make this stage of both domains."""
    return domain_stage("turnover", "inference", TURNOVER) + domain_stage("marketing", "inference", MARKETING)
