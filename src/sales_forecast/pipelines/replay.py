"""A publication made again, from the archive of raw files and the declared method of its model."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from kedro.framework.project import pipelines
from kedro.io import DataCatalog
from kedro.pipeline import Pipeline

from sales_forecast.configuration import open_project
from sales_forecast.deliveries.archive import restore_files
from sales_forecast.errors import InputError
from sales_forecast.forecasting.evaluation.fold_cache import FoldCache, FoldCacheParams
from sales_forecast.forecasting.intervals.conformal import INTERVAL_COLUMNS, QUANTILES
from sales_forecast.forecasting.panel.matrix import ROW_KEYS
from sales_forecast.forecasting.panel.model_input import ModelInput
from sales_forecast.forecasting.steadiness import SteadinessParams, hold_steady
from sales_forecast.models.turnover import TurnoverPackage
from sales_forecast.pipelines.handovers import DataVersion
from sales_forecast.project_root import project_root
from sales_forecast.registry.packages import open_package
from sales_forecast.registry.store import Registry
from sales_forecast.registry.trust import read_trust
from sales_forecast.retailers import Retailer
from sales_forecast.storage import ledger, schema
from sales_forecast.storage.database import ready_database
from sales_forecast.storage.deliveries import find_delivery
from sales_forecast.storage.earlier import earlier_forecasts
from sales_forecast.tracking import code_version

NUMBERS = ["forecast", *INTERVAL_COLUMNS, *QUANTILES]

SMALL = 1e-6
"""Relative difference up to which numbers count as the same on another machine."""


@dataclass(frozen=True)
class Replayed:
    """How near the numbers that were made again are to those that were published.

    Args:
        numbers: How many were compared.
        equal: How many are equal to the last digit.
        largest: Largest relative difference.
        circumstances: What is not as it was when they were published, in words.
    """

    numbers: int
    equal: int
    largest: float
    circumstances: tuple[str, ...]

    @property
    def same(self) -> bool:
        """Whether no number differs by more than a millionth."""
        return self.largest <= SMALL


def replay_publication(number: int, env: str) -> Replayed:
    """Make the forecasts of a publication again, and compare them with the ledger.

    Args:
        number: Of the publication.
        env: Folder in ``conf/``.

    Raises:
        InputError: There is no such publication of turnover, or the archive or the registry lacks what it was
            made from.
    """
    with tempfile.TemporaryDirectory() as folder:
        catalog, configured = open_project(env, folder)
        return _replay(number, catalog, configured, Path(folder))


def _replay(number: int, catalog: DataCatalog, configured: Mapping[str, Any], folder: Path) -> Replayed:
    with ready_database(configured["database_url"]) as engine, engine.connect() as connection:
        run = ledger.publication(connection, number)
        if run.domain != "turnover" or run.delivery is None or run.cutoff is None:
            raise InputError(
                f"publication {number} is not of turnover, or older than the archive of deliveries"
            )
        delivery = find_delivery(connection, run.delivery)
        published = ledger.read_rows(connection, schema.forecasts, number)
        earlier = earlier_forecasts(connection, run.cutoff, run.retailer, run.made_at)
    restore_files(configured["archive_folder"], delivery.files, folder)
    made = _process(pipelines["data_processing"].only_nodes_with_tags("turnover"), catalog, run.retailer)
    model_input, data_version = made["turnover.model_input"], made["turnover.data_version"]
    from mlflow import MlflowClient

    package = open_package(
        Registry(MlflowClient(), run.model_name).version(run.model_version),
        TurnoverPackage,
        read_trust(configured["models"]),
    )
    again = _forecast(package, model_input, made["turnover.forecast_index"], catalog, run.made_from_its_data)
    params = SteadinessParams.model_validate(catalog.load("params:turnover.steadiness"))
    again = hold_steady(again, earlier, params)
    circumstances = tuple(_circumstances(run, data_version))
    return _compare(again, published, circumstances)


def _process(pipeline: Pipeline, catalog: DataCatalog, retailer: str) -> dict[str, Any]:
    """Run the nodes in memory, without the check of the delivery and whose it is: both are known."""
    made: dict[str, Any] = {"turnover.retailer": Retailer(name=retailer, reason="as it was published")}
    skipped = ("check_delivery", "identify_retailer")
    for node in pipeline.nodes:
        if node.name.rpartition(".")[2].startswith(skipped):
            continue
        missing = [name for name in node.inputs if name not in made]
        made |= {name: catalog.load(name) for name in missing}
        made |= node.run({name: made[name] for name in node.inputs})
    return made


def _forecast(
    package: TurnoverPackage,
    model_input: ModelInput,
    forecast_index: pd.DataFrame,
    catalog: DataCatalog,
    from_its_data: bool,
) -> pd.DataFrame:
    """Forecast with the method fitted anew; a model that served on later data is taken as it was fitted."""
    model = package.model
    context = model.context(model_input)
    if from_its_data:
        folds = FoldCache(FoldCacheParams.model_validate(catalog.load("params:turnover.fold_cache")))
        model = model.refit(context.changed(forecaster=folds.fit_and_forecast))
    return model.forecast(context, forecast_index[ROW_KEYS])


def _circumstances(run: Any, data_version: DataVersion) -> Iterator[str]:
    if data_version.version != run.data_version:
        yield f"data version, by options for reading: {data_version.version}, then {run.data_version}"
    now = code_version(Path(project_root()))
    for name, then in (("git_commit", run.git_commit), ("requirements_lock", run.requirements_lock)):
        if then and now.get(name) != then:
            yield f"{name}: {now.get(name)}, then {then}"


def _compare(again: pd.DataFrame, published: pd.DataFrame, circumstances: tuple[str, ...]) -> Replayed:
    both = ledger.as_stored(again).merge(published, on=ROW_KEYS, how="outer", suffixes=("", "_published"))
    new = both[NUMBERS].to_numpy(dtype=float)
    old = both[[f"{name}_published" for name in NUMBERS]].to_numpy(dtype=float)
    apart = np.abs(new - old) / np.maximum(np.abs(old), 1.0)
    largest = float("inf") if np.isnan(apart).any() else float(apart.max(initial=0.0))
    return Replayed(new.size, int((new == old).sum()), largest, circumstances)
