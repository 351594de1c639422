"""What the registry says about a model, as rows: for the database and for the service."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from sales_forecast.registry.store import Event

if TYPE_CHECKING:
    from mlflow.entities.model_registry import ModelVersion

METRIC = "metric."
"""Tags of a version that say how good it was begin so; then come window and metric."""


@dataclass(frozen=True)
class Records:
    """Rows of the tables of the same names in ``storage.schema``.

    Args:
        models: Every version.
        metrics: How good each was, by window.
        champion_changes: Every change of the champion.
    """

    models: list[dict[str, Any]]
    metrics: list[dict[str, Any]]
    champion_changes: list[dict[str, Any]]


def records_of(name: str, versions: tuple[ModelVersion, ...], events: tuple[Event, ...]) -> Records:
    """Everything about one registered model.

    Args:
        name: Of the registered model.
        versions: All of them.
        events: Every change of its champion.
    """
    return Records(
        [_version(found) for found in versions],
        [metric for found in versions for metric in _metrics(found)],
        [_champion_change(name, event) for event in events],
    )


def _version(found: ModelVersion) -> dict[str, Any]:
    return {
        "name": found.name,
        "version": str(found.version),
        "run_id": str(found.run_id),
        "data_version": found.tags.get("data_version", ""),
        "made_at": datetime.fromtimestamp(found.creation_timestamp / 1000, UTC),
        "decision": found.tags.get("decision", ""),
        "card": found.description or "",
    }


def _metrics(found: ModelVersion) -> list[dict[str, Any]]:
    """From tags such as ``metric.2016-10-01.wape``."""
    measured = [(tag.split(".", 2)[1:], value) for tag, value in found.tags.items() if tag.startswith(METRIC)]
    version = {"name": found.name, "version": str(found.version)}
    return [
        version | {"window": window, "metric": metric, "value": float(value)}
        for (window, metric), value in measured
    ]


def _champion_change(name: str, event: Event) -> dict[str, Any]:
    told = {field: value for field, value in asdict(event).items() if field != "when"}
    return told | {"name": name, "happened_at": datetime.fromisoformat(event.when)}
