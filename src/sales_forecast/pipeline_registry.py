"""Which pipelines ``kedro run`` knows."""

from kedro.pipeline import Pipeline

from sales_forecast.pipelines import (
    data_processing,
    eda_reporting,
    evaluation,
    inference,
    modelling,
    monitoring,
    refresh,
    registration,
    tuning,
)


def register_pipelines() -> dict[str, Pipeline]:
    """Name the stages, and everything up to the forecasts as the default.

    Written out because kedro's ``find_pipelines`` imports only the folder named by ``--pipeline``.
    """
    stages = {
        "data_processing": data_processing.create_pipeline(),
        "eda_reporting": eda_reporting.create_pipeline(),
        "modelling": modelling.create_pipeline(),
        "evaluation": evaluation.create_pipeline(),
        "registration": registration.create_pipeline(),
        "inference": inference.create_pipeline(),
        "monitoring": monitoring.create_pipeline(),
    }
    default = sum(stages.values(), Pipeline([]))
    others = {"refresh": refresh.create_pipeline(), "tuning": tuning.create_pipeline()}
    return {"__default__": default, **stages, **others}
