"""Panel -> better options for a method; no part of the default run, since it takes long."""

from kedro.pipeline import Pipeline

from sales_forecast.hooks import CHECKED_FIRST
from sales_forecast.pipelines import domain_stage, step
from sales_forecast.pipelines.tuning.turnover import check_tuning, judge_tuning, tune, write_parameters
from sales_forecast.pipelines.tuning.turnover_report import report_tuning

TURNOVER = [
    step(check_tuning, ["params:backtest", "params:methods", "params:tuning"], None, tags=CHECKED_FIRST),
    step(
        tune,
        [
            "model_input",
            "data_version",
            "params:backtest",
            "params:methods",
            "params:level_shifts",
            "params:tuning",
            "params:study",
        ],
        "tuned",
    ),
    step(
        judge_tuning,
        ["tuned", "model_input", "params:backtest", "params:methods", "params:level_shifts", "params:tuning"],
        "tuning_judgement",
    ),
    step(write_parameters, ["tuned", "tuning_judgement", "params:tuning"], "tuned_parameters"),
    step(report_tuning, ["tuned", "tuning_judgement", "params:tuning"], "tuning_report"),
]


def create_pipeline() -> Pipeline:
    """Tune the turnover domain; the marketing domain tunes in its modelling stage, in no time."""
    return domain_stage("turnover", "tuning", TURNOVER)
