"""Past forecasts -> metrics, the selected method and the report's evaluation."""

from kedro.pipeline import Pipeline

from sales_forecast.forecasting.evaluation.cold_start_backtest import cold_start_half_widths
from sales_forecast.input_checks import CHECKED_FIRST
from sales_forecast.pipelines import domain_stage, step
from sales_forecast.pipelines.evaluation.marketing import (
    draw_predictions,
    predict_test_campaigns,
    score_budget_models,
    write_budget_evaluation,
)
from sales_forecast.pipelines.evaluation.turnover_charts import (
    chart_backtest,
    chart_departments,
    chart_horizons,
    chart_windows,
)
from sales_forecast.pipelines.evaluation.turnover_checks import (
    compare_with_selected,
    learn_hierarchy_intervals,
    measure_coverage,
    score_levels,
)
from sales_forecast.pipelines.evaluation.turnover_cold_start import backtest_cold_starts, score_cold_starts
from sales_forecast.pipelines.evaluation.turnover_scores import score_backtest
from sales_forecast.pipelines.evaluation.turnover_section import write_evaluation
from sales_forecast.pipelines.evaluation.turnover_selection import (
    check_baseline,
    collect_metrics,
    select_method,
)

TURNOVER = [
    step(check_baseline, tags=CHECKED_FIRST),
    step(score_backtest, "scores"),
    step(select_method, "selected_method"),
    step(score_levels, "levels_table"),
    step(measure_coverage, "coverage_table"),
    step(learn_hierarchy_intervals, ["level_half_widths", "sums_table"]),
    step(backtest_cold_starts, "cold_start_forecasts"),
    step(cold_start_half_widths, "cold_start_half_widths"),
    step(score_cold_starts, "cold_start_table"),
    step(compare_with_selected, "comparison_table"),
    step(collect_metrics, "metrics"),
    step(chart_windows, "windows_chart"),
    step(chart_horizons, "horizons_chart"),
    step(chart_departments, "departments_chart"),
    step(chart_backtest, "backtest_chart"),
    step(write_evaluation, "evaluation_report"),
]

MARKETING = [
    step(predict_test_campaigns, "predictions"),
    step(score_budget_models, "metrics"),
    step(draw_predictions, ["prediction_chart", "residual_chart"]),
    step(write_budget_evaluation, "evaluation_report"),
]


def create_pipeline() -> Pipeline:
    """Make this stage of both domains."""
    return domain_stage("turnover", "evaluation", TURNOVER) + domain_stage(
        "marketing", "evaluation", MARKETING
    )
