"""Best method -> a registered version, and the decision whether it serves."""

from kedro.pipeline import Pipeline

from sales_forecast.pipelines import lane_stage, step
from sales_forecast.pipelines.registration import marketing, turnover
from sales_forecast.pipelines.registration.promotion_report import (
    report_budget_promotion,
    report_turnover_promotion,
)

TURNOVER = [
    step(
        turnover.fit_best,
        [
            "panel",
            "stores",
            "calendar",
            "known_ahead",
            "champion",
            "cold_widths",
            "level_widths",
            "params:backtest",
            "params:methods",
            "params:ranges",
            "params:level_shifts",
            "params:workers",
        ],
        "model",
    ),
    step(
        turnover.backtest_defender,
        ["defender", "backtest", "champion", "targets", "panel", "stores", "calendar", "known_ahead"],
        "defender_backtest",
    ),
    step(
        turnover.decide_promotion,
        [
            "model",
            "defender",
            "backtest",
            "defender_backtest",
            "stores",
            "data_version",
            "params:promotion",
        ],
        "promotion",
    ),
    step(
        turnover.submit,
        [
            "model",
            "defender",
            "promotion",
            "backtest",
            "defender_backtest",
            "panel",
            "stores",
            "calendar",
            "known_ahead",
            "targets",
            "data_version",
        ],
        "serving",
    ),
    step(report_turnover_promotion, ["promotion", "serving"], "registration_report"),
]

MARKETING = [
    step(
        marketing.decide_promotion,
        ["tuned_model", "best_settings", "defender", "test", "data_version", "params:promotion"],
        "promotion",
    ),
    step(
        marketing.submit,
        ["tuned_model", "best_settings", "defender", "train", "test", "promotion", "data_version"],
        "serving",
    ),
    step(report_budget_promotion, ["promotion", "serving"], "registration_report"),
]


def create_pipeline() -> Pipeline:
    """Make this stage of both lanes."""
    return lane_stage("turnover", "registration", TURNOVER) + lane_stage(
        "marketing", "registration", MARKETING
    )
