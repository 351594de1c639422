"""Best method -> a registered version, and the decision whether it serves."""

from kedro.pipeline import Pipeline

from sales_forecast.pipelines import domain_stage, step
from sales_forecast.pipelines.registration import marketing, turnover
from sales_forecast.pipelines.registration.gate_report import (
    report_budget_gate,
    report_turnover_gate,
)

TURNOVER = [
    step(
        turnover.fit_selected,
        [
            "model_input",
            "selected_method",
            "cold_start_half_widths",
            "level_half_widths",
            "params:backtest",
            "params:methods",
            "params:intervals",
            "params:level_shifts",
            "params:fitting",
        ],
        "model",
    ),
    step(
        turnover.backtest_champion,
        [
            "champion",
            "backtest",
            "selected_method",
            "forecast_index",
            "model_input",
        ],
        "champion_backtest",
    ),
    step(
        turnover.decide_deployment,
        [
            "model",
            "champion",
            "backtest",
            "champion_backtest",
            "stores",
            "data_version",
            "params:gate",
        ],
        "gate_decision",
    ),
    step(
        turnover.submit,
        [
            "model",
            "champion",
            "gate_decision",
            "backtest",
            "champion_backtest",
            "model_input",
            "forecast_index",
            "data_version",
        ],
        "serving",
    ),
    step(report_turnover_gate, ["gate_decision", "serving"], "registration_report"),
]

MARKETING = [
    step(
        marketing.decide_deployment,
        ["tuned_model", "best_settings", "champion", "test", "data_version", "params:gate"],
        "gate_decision",
    ),
    step(
        marketing.submit,
        ["tuned_model", "best_settings", "champion", "train", "test", "gate_decision", "data_version"],
        "serving",
    ),
    step(report_budget_gate, ["gate_decision", "serving"], "registration_report"),
]


def create_pipeline() -> Pipeline:
    """Make this stage of both domains."""
    return domain_stage("turnover", "registration", TURNOVER) + domain_stage(
        "marketing", "registration", MARKETING
    )
