"""Past forecasts -> metrics, the champion and the report's evaluation."""

from kedro.pipeline import Pipeline

from sales_forecast.forecasting.evaluation.cold_start_backtest import cold_start_half_widths
from sales_forecast.hooks import CHECKED_FIRST
from sales_forecast.pipelines import domain_stage, step
from sales_forecast.pipelines.evaluation.marketing import (
    draw_predictions,
    predict_test_campaigns,
    score_budget_models,
    write_budget_evaluation,
)
from sales_forecast.pipelines.evaluation.turnover import (
    chart_backtest,
    chart_departments,
    chart_horizons,
    chart_windows,
    check_baseline,
    collect_metrics,
    score_backtest,
    select_method,
    write_evaluation,
)
from sales_forecast.pipelines.evaluation.turnover_checks import (
    compare_with_selected,
    learn_hierarchy_intervals,
    measure_coverage,
    score_levels,
)
from sales_forecast.pipelines.evaluation.turnover_cold_start import backtest_cold_starts, score_cold_starts

TURNOVER = [
    step(check_baseline, ["params:methods", "params:evaluation"], None, tags=CHECKED_FIRST),
    step(score_backtest, ["backtest", "panel"], "scores"),
    step(select_method, ["scores", "params:evaluation"], "selected_method"),
    step(score_levels, ["backtest", "panel", "stores"], "levels_table"),
    step(measure_coverage, ["backtest"], "coverage_table"),
    step(
        learn_hierarchy_intervals,
        ["backtest", "selected_method", "panel", "stores"],
        ["level_half_widths", "sums_table"],
    ),
    step(
        backtest_cold_starts,
        [
            "model_input",
            "selected_method",
            "params:backtest",
            "params:methods",
            "params:intervals",
            "params:cold_start_backtest",
            "params:level_shifts",
            "params:fitting",
        ],
        "cold_start_forecasts",
    ),
    step(cold_start_half_widths, ["cold_start_forecasts"], "cold_start_half_widths"),
    step(score_cold_starts, ["cold_start_forecasts"], "cold_start_table"),
    step(compare_with_selected, ["backtest", "selected_method", "params:evaluation"], "comparison_table"),
    step(collect_metrics, ["scores", "coverage_table", "selected_method"], "metrics"),
    step(chart_windows, ["scores"], "windows_chart"),
    step(chart_horizons, ["scores"], "horizons_chart"),
    step(chart_departments, ["scores"], "departments_chart"),
    step(chart_backtest, ["backtest", "panel", "selected_method"], "backtest_chart"),
    step(
        write_evaluation,
        [
            "scores",
            "selected_method",
            "levels_table",
            "coverage_table",
            "sums_table",
            "cold_start_table",
            "comparison_table",
            "backtest_seconds",
            "windows_chart",
            "horizons_chart",
            "departments_chart",
            "backtest_chart",
        ],
        "evaluation_report",
    ),
]

MARKETING = [
    step(predict_test_campaigns, ["default_model", "tuned_model", "train", "test"], "predictions"),
    step(score_budget_models, ["predictions"], "metrics"),
    step(draw_predictions, ["predictions"], ["prediction_chart", "residual_chart"]),
    step(
        write_budget_evaluation,
        ["predictions", "metrics", "best_settings", "prediction_chart", "residual_chart"],
        "evaluation_report",
    ),
]


def create_pipeline() -> Pipeline:
    """Make this stage of both domains."""
    return domain_stage("turnover", "evaluation", TURNOVER) + domain_stage(
        "marketing", "evaluation", MARKETING
    )
