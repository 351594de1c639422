"""Ask a model as any other system would: through MLflow, from the registry."""

from __future__ import annotations

import tempfile
from importlib import import_module
from pathlib import Path

import pandas as pd

from sales_forecast.registry.packages import Package
from sales_forecast.registry.serving import UNTRACKED, ServingModel
from sales_forecast.registry.store import Registry
from sales_forecast.registry.verification import DATA, download_package, fetch

MODEL_FILE = "MLmodel"
"""MLflow's description of a model."""


def ask(serving: ServingModel[Package], question: pd.DataFrame) -> pd.DataFrame:
    """The registered model's answer; that of the package itself where nothing is tracked.

    The code that is stored with the version is not downloaded, and MLflow is told to load the package by the
    module of this project, whatever the version's own description says.

    Raises:
        InputError: The version is not what was registered.
    """
    module = import_module(type(serving.package).__module__)
    if serving.version == UNTRACKED:
        answer: pd.DataFrame = module.forecaster(serving.package).predict(question)
        return answer
    import mlflow
    from mlflow.models import Model

    found = Registry(mlflow.MlflowClient(), serving.name).version(serving.version)
    with tempfile.TemporaryDirectory() as folder:
        download_package(found, serving.trust, Path(folder))
        described = Model.load(str(fetch(found, Path(folder), MODEL_FILE)))
        loaded_by: dict[str, object] = {"loader_module": module.__name__, "data": DATA}
        if serving.trust.method_modules:
            loaded_by["config"] = {"method_modules": list(serving.trust.method_modules)}
        described.flavors = {mlflow.pyfunc.FLAVOR_NAME: loaded_by}
        described.save(str(Path(folder, MODEL_FILE)))
        model = mlflow.pyfunc.load_model(folder, suppress_warnings=True)
        deployed: pd.DataFrame = model.predict(question)
    return deployed
