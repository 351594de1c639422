"""Past forecasts -> metrics, the champion and the report's evaluation."""

from kedro.pipeline import Pipeline

from sales_forecast.forecasting.hidden_history import cold_widths
from sales_forecast.hooks import CHECKED_FIRST
from sales_forecast.pipelines import lane_stage, step
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
    choose_champion,
    collect_metrics,
    score_backtest,
    write_evaluation,
)
from sales_forecast.pipelines.evaluation.turnover_checks import (
    compare_with_champion,
    measure_coverage,
    range_sums,
    score_levels,
)
from sales_forecast.pipelines.evaluation.turnover_young import hide_history, score_young_stores

TURNOVER = [
    step(check_baseline, ["params:methods", "params:evaluation"], None, tags=CHECKED_FIRST),
    step(score_backtest, ["backtest", "panel"], "scores"),
    step(choose_champion, ["scores", "params:evaluation"], "champion"),
    step(score_levels, ["backtest", "panel", "stores"], "levels_table"),
    step(measure_coverage, ["backtest"], "coverage_table"),
    step(range_sums, ["backtest", "champion", "panel", "stores"], ["level_widths", "sums_table"]),
    step(
        hide_history,
        [
            "panel",
            "stores",
            "calendar",
            "known_ahead",
            "champion",
            "params:backtest",
            "params:methods",
            "params:ranges",
            "params:hidden_history",
            "params:level_shifts",
            "params:workers",
        ],
        "hidden_forecasts",
    ),
    step(cold_widths, ["hidden_forecasts"], "cold_widths"),
    step(score_young_stores, ["hidden_forecasts"], "young_stores_table"),
    step(compare_with_champion, ["backtest", "champion", "params:evaluation"], "comparison_table"),
    step(collect_metrics, ["scores", "coverage_table", "champion"], "metrics"),
    step(chart_windows, ["scores"], "windows_chart"),
    step(chart_horizons, ["scores"], "horizons_chart"),
    step(chart_departments, ["scores"], "departments_chart"),
    step(chart_backtest, ["backtest", "panel", "champion"], "backtest_chart"),
    step(
        write_evaluation,
        [
            "scores",
            "champion",
            "levels_table",
            "coverage_table",
            "sums_table",
            "young_stores_table",
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
    """Make this stage of both lanes."""
    return lane_stage("turnover", "evaluation", TURNOVER) + lane_stage("marketing", "evaluation", MARKETING)
