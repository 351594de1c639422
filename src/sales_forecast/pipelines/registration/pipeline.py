"""Best method -> a registered version, and the decision whether it serves."""

from kedro.pipeline import Pipeline

from sales_forecast.pipelines import domain_stage, step
from sales_forecast.pipelines.registration import marketing, turnover_gate, turnover_submission
from sales_forecast.pipelines.registration.gate_report import (
    report_budget_gate,
    report_turnover_gate,
)

TURNOVER = [
    step(turnover_submission.fit_selected, "model"),
    step(turnover_gate.backtest_champion, "champion_backtest"),
    step(turnover_gate.decide_deployment, "gate_decision"),
    step(turnover_submission.submit, "serving"),
    step(report_turnover_gate, "registration_report"),
]

MARKETING = [
    step(marketing.decide_deployment, "gate_decision"),
    step(marketing.submit, "serving"),
    step(report_budget_gate, "registration_report"),
]


def create_pipeline() -> Pipeline:
    """Make this stage of both domains."""
    return domain_stage("turnover", "registration", TURNOVER) + domain_stage(
        "marketing", "registration", MARKETING
    )
