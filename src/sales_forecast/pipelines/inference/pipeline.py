"""Champion -> the forecasts that are wanted, for machines and for planners."""

from kedro.pipeline import Pipeline

from sales_forecast.forecasting.levels import sum_forecasts
from sales_forecast.pipelines import lane_stage, step
from sales_forecast.pipelines.inference.marketing import (
    draw_budget_curve,
    draw_recommendation,
    recommend_budget,
    write_recommendation,
)
from sales_forecast.pipelines.inference.turnover import (
    chart_forecasts,
    fit_champion,
    forecast_targets,
    lay_out_for_planners,
    write_outlook,
)
from sales_forecast.pipelines.inference.turnover_reasons import chart_reasons, explain_forecasts
from sales_forecast.pipelines.inference.turnover_sums import chart_total

TURNOVER = [
    step(
        fit_champion,
        [
            "panel",
            "stores",
            "calendar",
            "known_ahead",
            "champion",
            "params:backtest",
            "params:methods",
            "params:ranges",
            "params:level_shifts",
            "params:workers",
        ],
        "model",
    ),
    step(
        forecast_targets,
        [
            "model",
            "cold_widths",
            "targets",
            "panel",
            "stores",
            "calendar",
            "known_ahead",
            "params:methods",
            "params:ranges",
            "params:level_shifts",
        ],
        "forecasts",
    ),
    step(lay_out_for_planners, ["forecasts"], "planner_sheet"),
    step(sum_forecasts, ["forecasts", "panel", "stores", "level_widths"], "forecasts_by_level"),
    step(
        explain_forecasts,
        [
            "model",
            "forecasts",
            "panel",
            "stores",
            "calendar",
            "known_ahead",
            "params:methods",
            "params:level_shifts",
        ],
        "reasons",
    ),
    step(chart_forecasts, ["forecasts", "panel"], "forecasts_chart"),
    step(chart_total, ["forecasts_by_level", "panel"], "total_chart"),
    step(chart_reasons, ["reasons"], "reasons_chart"),
    step(
        write_outlook,
        [
            "forecasts",
            "forecasts_by_level",
            "reasons",
            "panel",
            "champion",
            "forecasts_chart",
            "total_chart",
            "reasons_chart",
            "params:level_shifts",
        ],
        "inference_report",
    ),
]

MARKETING = [
    step(draw_budget_curve, ["tuned_model", "train", "params:curve"], "budget_curve"),
    step(recommend_budget, ["budget_curve"], "recommendation"),
    step(draw_recommendation, ["budget_curve", "train", "params:curve"], "budget_chart"),
    step(
        write_recommendation,
        ["budget_curve", "recommendation", "test", "budget_chart", "params:curve"],
        "inference_report",
    ),
]


def create_pipeline() -> Pipeline:
    """Make this stage of both lanes."""
    return lane_stage("turnover", "inference", TURNOVER) + lane_stage("marketing", "inference", MARKETING)
