"""Ask a model as any other system would: through MLflow, from the registry."""

from __future__ import annotations

from importlib import import_module

import pandas as pd

from sales_forecast.registry.dataset import UNTRACKED, ServingModel
from sales_forecast.registry.packages import Package


def ask(serving: ServingModel[Package], question: pd.DataFrame) -> pd.DataFrame:
    """The registered model's answer; that of the package itself where nothing is tracked."""
    if serving.version == UNTRACKED:
        module = import_module(type(serving.package).__module__)
        answer: pd.DataFrame = module.forecaster(serving.package).predict(question)
        return answer
    import mlflow

    model = mlflow.pyfunc.load_model(f"models:/{serving.name}/{serving.version}")
    deployed: pd.DataFrame = model.predict(question)
    return deployed
