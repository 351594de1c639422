"""What the registry says about a model, as rows: for the database and for the service."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING, TypedDict

from sales_forecast.registry.store import Event

if TYPE_CHECKING:
    from mlflow.entities.model_registry import ModelVersion

METRIC = "metric."
"""Tags of a version that say how good it was begin so; then come window and metric."""


class ModelRow(TypedDict):
    """A version."""

    name: str
    version: str
    run_id: str
    data_version: str
    made_at: datetime | None
    decision: str
    card: str


class MetricRow(TypedDict):
    """A metric of a version in one window."""

    name: str
    version: str
    window: str
    metric: str
    value: float


class ChampionChangeRow(TypedDict):
    """A change of the champion."""

    name: str
    happened_at: datetime
    action: str
    version: str
    previous: str | None
    who: str
    why: str


@dataclass(frozen=True)
class Records:
    """Rows of the tables of the same names in ``storage.schema``.

    Args:
        models: Every version.
        metrics: How good each was, by window.
        champion_changes: Every change of the champion.
    """

    models: list[ModelRow]
    metrics: list[MetricRow]
    champion_changes: list[ChampionChangeRow]


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


def _version(found: ModelVersion) -> ModelRow:
    return {
        "name": found.name,
        "version": str(found.version),
        "run_id": str(found.run_id),
        "data_version": found.tags.get("data_version", ""),
        "made_at": datetime.fromtimestamp(found.creation_timestamp / 1000, UTC),
        "decision": found.tags.get("decision", ""),
        "card": found.description or "",
    }


def _metrics(found: ModelVersion) -> list[MetricRow]:
    """From tags such as ``metric.2016-10-01.wape``."""
    measured = [(tag.split(".", 2)[1:], value) for tag, value in found.tags.items() if tag.startswith(METRIC)]
    return [
        {
            "name": found.name,
            "version": str(found.version),
            "window": window,
            "metric": metric,
            "value": float(value),
        }
        for (window, metric), value in measured
    ]


def _champion_change(name: str, event: Event) -> ChampionChangeRow:
    return {
        "name": name,
        "happened_at": datetime.fromisoformat(event.when),
        "action": event.action,
        "version": event.version,
        "previous": event.previous,
        "who": event.who,
        "why": event.why,
    }


def served_before(events: Sequence[Event]) -> list[str]:
    """Return the versions that others were promoted over, newest first, without those that were withdrawn.

    A version is withdrawn when it is rolled back, until it is promoted again.

    Args:
        events: Every change of the champion, oldest first.
    """
    served: dict[str, None] = {}
    withdrawn: set[str] = set()
    for event in events:
        if event.action == "promote":
            withdrawn.discard(event.version)
            if event.previous:
                served.pop(event.previous, None)
                served[event.previous] = None
        elif event.action == "rollback" and event.previous:
            withdrawn.add(event.previous)
    return [number for number in reversed(served) if number not in withdrawn]
