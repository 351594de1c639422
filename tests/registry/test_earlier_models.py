"""A model that was registered by earlier code serves, is replaced, and can be rolled back to."""

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import mlflow
import pandas as pd
import pytest
from mlflow import MlflowClient

from sales_forecast.models import turnover
from sales_forecast.models.turnover import TurnoverPackage
from sales_forecast.registry.packages import PACKAGE, log_package
from sales_forecast.registry.store import Registry
from sales_forecast.registry.trust import NO_KEY
from sales_forecast.service.model_manager import ModelManager
from sales_forecast.service.predictor import predict_series
from sales_forecast.service.schemas.requests import Series

EARLIER = Path(__file__).resolve().parents[1] / "models" / "earlier_package"
"""Made by the code of commit 2f55876, before methods, tables and fields got their present names."""


@pytest.fixture
def registry(tmp_path: Path) -> Iterator[Registry]:
    """A registry of its own, which is MLflow's default while the test runs."""
    before, uri = mlflow.get_tracking_uri(), f"sqlite:///{tmp_path}/mlflow.db"
    mlflow.set_tracking_uri(uri)
    client = MlflowClient(tracking_uri=uri)
    experiment = client.create_experiment("earlier", artifact_location=f"{tmp_path}/mlruns")
    with mlflow.start_run(experiment_id=experiment):
        yield Registry(client, "sales_forecast.turnover")
    mlflow.set_tracking_uri(before)


def register_earlier(registry: Registry) -> str:
    """Register the folder as it was written then."""
    assert (EARLIER / PACKAGE / "known_ahead.parquet").exists()
    assert not (EARLIER / PACKAGE / "future_covariates.parquet").exists()
    logged = mlflow.pyfunc.log_model(
        name="turnover",
        loader_module="sales_forecast.models.turnover",
        data_path=str(EARLIER / PACKAGE),
        pip_requirements=[],
    )
    return str(mlflow.register_model(logged.model_uri, registry.name).version)


def register_present(registry: Registry) -> str:
    """Register a model of this code, which was made from twice the turnover."""
    earlier = TurnoverPackage.read(EARLIER / PACKAGE)
    panel = earlier.data.panel.assign(turnover=2 * earlier.data.panel["turnover"])
    package = replace(earlier, data=replace(earlier.data, panel=panel))
    tags = {"data_version": "new"}
    return str(log_package(package, turnover, registry, "# A model card", tags, NO_KEY).version)


def serve(manager: ModelManager) -> tuple[str, pd.DataFrame]:
    """Version that serves now, and its forecasts of all series of the file."""
    manager.refresh()
    assert manager.problems == {}
    arm = manager.turnover_champion()
    assert arm is not None
    known = pd.read_parquet(EARLIER / "forecasts.parquet", columns=["store", "department"]).drop_duplicates()
    series = [
        Series(store=store, department=department) for store, department in known.astype(str).to_numpy()
    ]
    predictions = predict_series(arm, series, None, range(len(series)))
    assert {row["model_version"] for rows in predictions for row in rows} == {arm.version}
    return arm.version, pd.DataFrame([row for rows in predictions for row in rows])


def assert_as_then(found: pd.DataFrame) -> None:
    then = pd.read_parquet(EARLIER / "forecasts.parquet")
    as_served = then.astype({"store": str, "department": str}).assign(
        week=then["week"].dt.strftime("%Y-%m-%d")
    )
    pd.testing.assert_frame_equal(found[as_served.columns], as_served, check_exact=True, check_dtype=False)


def test_a_model_of_earlier_code_serves_and_can_be_rolled_back_to(registry: Registry) -> None:
    manager = ModelManager({"turnover": registry}, challenger_share=0.0, salt="salt")
    registry.promote(register_earlier(registry), "the first one")
    version, forecasts = serve(manager)
    assert version == "1"
    assert_as_then(forecasts)

    registry.promote(register_present(registry), "a newer one")
    version, newer = serve(manager)
    assert version == "2"
    assert newer["forecast"].sum() > 1.5 * forecasts["forecast"].sum()

    registry.rollback("the newer one is too high")
    version, again = serve(manager)
    assert version == "1"
    assert_as_then(again)
