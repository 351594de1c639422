"""Metrics of the forecasts as log lines from which CloudWatch makes metrics.

The lines are in CloudWatch's embedded metric format (EMF): what writes them to a log group needs no client
of AWS and no permission for metrics. The figures are those that Prometheus reads, ``service.metrics``.
"""

from __future__ import annotations

import math
import os
from collections.abc import Iterable, Iterator
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

import orjson
import typer

from sales_forecast.retailers import DEFAULT_RETAILER
from sales_forecast.storage.cli import Environment, open_configured

if TYPE_CHECKING:
    from prometheus_client import Metric

metrics = typer.Typer(no_args_is_help=True, help="Print metrics of the forecasts.")

NAMESPACE = "sales_forecast"

NO_DIMENSIONS = {"key", "version"}
"""Labels that are in the line and no dimension: each department would be paid as a metric of its own."""

MOMENT, AGE = "_timestamp_seconds", "_age_seconds"
"""CloudWatch cannot compute with the time of day: it is told how old something is."""


def emf_lines(families: Iterable[Metric], now: datetime) -> Iterator[dict[str, Any]]:
    """Make a line of each set of labels.

    Args:
        families: Gauges.
        now: Time of the figures.

    Yields:
        A document in the embedded metric format: labels as texts, metrics as numbers, and below
        ``_aws`` which of these are dimensions and metrics. Figures that are no numbers are left out.
    """
    found: dict[tuple[tuple[str, str], ...], dict[str, float]] = {}
    for sample in (sample for family in families for sample in family.samples):
        name, value = sample.name, sample.value
        if name.endswith(MOMENT):
            name, value = name.removesuffix(MOMENT) + AGE, now.timestamp() - value
        if math.isfinite(value):
            found.setdefault(tuple(sorted(sample.labels.items())), {})[name] = value
    for labels, values in found.items():
        yield _line(dict(labels), values, now)


def _line(labels: dict[str, str], values: dict[str, float], now: datetime) -> dict[str, Any]:
    units = {name: "Seconds" if name.endswith("_seconds") else "None" for name in values}
    directive = {
        "Namespace": NAMESPACE,
        "Dimensions": [[name for name in labels if name not in NO_DIMENSIONS]],
        "Metrics": [{"Name": name, "Unit": unit} for name, unit in units.items()],
    }
    metadata = {"Timestamp": round(now.timestamp() * 1000), "CloudWatchMetrics": [directive]}
    return {"_aws": metadata} | labels | values


@metrics.command()
def emf(env: Environment = "local") -> None:
    """Print what monitoring has found, and how old and how right forecasts are, for CloudWatch."""
    from sales_forecast.service.metrics import ForecastMetrics
    from sales_forecast.service.model_manager import ModelManager
    from sales_forecast.storage.queries import published_retailers

    now = datetime.now(UTC)
    with open_configured(env) as engine:
        with engine.connect() as connection:
            retailers = published_retailers(connection)
        for retailer in retailers or [DEFAULT_RETAILER]:  # that the database answers is told in any case
            families = ForecastMetrics(engine, retailer, ModelManager({}, 0.0, "")).families()
            for line in emf_lines(families, now):
                typer.echo(orjson.dumps(line).decode())


def handler(event: object, context: object) -> None:
    """Do the same in a Lambda function, whose standard output is a log group."""
    emf(os.environ["SALES_FORECAST_ENV"])
