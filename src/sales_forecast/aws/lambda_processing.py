"""Lambda function that processes a delivery: raw files on S3 -> checked tables on S3."""

from __future__ import annotations

import json
import os
import posixpath
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import click

from sales_forecast.aws.artifact import Served
from sales_forecast.aws.project import open_catalog, project_copy, run_kedro
from sales_forecast.retailers import model_name

if TYPE_CHECKING:
    from kedro.io import DataCatalog

    from sales_forecast.deliveries.delivery import Delivery

SERIES = "series.jsonl"
"""File beside the tables: each store and department that wants a forecast, for the batch transform."""


def handler(event: Mapping[str, Any], context: object) -> dict[str, Any]:
    """Process a delivery. The same delivery changes nothing when it is processed again.

    Args:
        event: ``bucket``, and ``key`` of an object in the folder of the raw files; without a key, the folder
            is the one that the configuration names. ``run_date`` names the run in MLflow.
        context: Of Lambda.

    Returns:
        ``state`` of the delivery: ``accepted``; ``held`` or ``refused`` if a person must look at it, with the
        reason as ``message``. For an accepted one its ``delivery``, ``retailer`` and ``last_week``;
        ``series``, the URL of the series that want a forecast; ``has_champion``, whether a model serves.

    Raises:
        RuntimeError: Something went wrong that may go well at another try, such as a database that does not
            answer.
    """
    given = {"raw_folder": raw_folder(event["bucket"], event["key"])} if event.get("key") else {}
    os.environ["MLFLOW_RUN_NAME"] = f"data_processing {event['run_date']}"
    with project_copy():
        try:
            run_kedro(given, pipelines="data_processing")
        except click.ClickException as error:
            return _stopped(error)
        catalog = open_catalog()
        delivery: Delivery = catalog.load("turnover.delivery")
        champions = Served.now().champions
        return {
            "state": delivery.state,
            "delivery": delivery.id,
            "retailer": delivery.retailer,
            "last_week": delivery.last_week.isoformat() if delivery.last_week else None,
            "series": _write_series(catalog),
            "has_champion": model_name("sales_forecast.turnover", delivery.retailer) in champions,
        }


def raw_folder(bucket: str, key: str) -> str:
    """Name the folder of an object.

    >>> raw_folder("shop", "inbox/2017-10-02/_DELIVERED")
    's3://shop/inbox/2017-10-02'
    """
    return f"s3://{bucket}/{posixpath.dirname(key)}"


def _stopped(error: click.ClickException) -> dict[str, Any]:
    """Tell a delivery that a person must look at from what may go well at another try."""
    from sales_forecast.cli import causes
    from sales_forecast.contracts import DataContractError
    from sales_forecast.deliveries.delivery import HeldError

    for cause in causes(error):
        if isinstance(cause, HeldError):
            return {"state": cause.delivery.state, "delivery": cause.delivery.id, "message": error.message}
        if isinstance(cause, DataContractError):
            return {"state": "refused", "message": error.message}
    raise RuntimeError(error.message) from error


def _write_series(catalog: DataCatalog) -> str:
    """Write a line of JSON for each series that wants a forecast, and return where."""
    import fsspec

    index = catalog.load("turnover.forecast_index")[["store", "department"]].drop_duplicates().astype(str)
    tables = str(catalog.config_resolver.resolve_pattern("turnover.forecast_index")["filepath"])
    place = posixpath.join(posixpath.dirname(tables), SERIES)
    with fsspec.open(place, "w", encoding="utf-8") as file:
        file.writelines(f"{json.dumps(row)}\n" for row in index.to_dict("records"))
    return place
