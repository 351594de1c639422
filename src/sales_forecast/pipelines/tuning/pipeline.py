"""Panel -> better options for a method; no part of the default run, since it takes long."""

from kedro.pipeline import Pipeline

from sales_forecast.input_checks import CHECKED_FIRST
from sales_forecast.pipelines import domain_stage, step
from sales_forecast.pipelines.tuning.turnover_judgement import judge_tuning, write_parameters
from sales_forecast.pipelines.tuning.turnover_options import check_tuning
from sales_forecast.pipelines.tuning.turnover_report import report_tuning
from sales_forecast.pipelines.tuning.turnover_search import tune

TURNOVER = [
    step(check_tuning, tags=CHECKED_FIRST),
    step(tune, "tuned", study_path="params:study"),
    step(judge_tuning, "tuning_judgement"),
    step(write_parameters, "tuned_parameters"),
    step(report_tuning, "tuning_report"),
]


def create_pipeline() -> Pipeline:
    """Tune the turnover domain; the marketing domain tunes in its modelling stage, in no time."""
    return domain_stage("turnover", "tuning", TURNOVER)
