"""Both lanes: what goes into the database, for the service and whoever else asks."""

from __future__ import annotations

from dataclasses import asdict
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

import pandas as pd

from sales_forecast.forecasting.grid import KEYS
from sales_forecast.forecasting.reasons import PARTS
from sales_forecast.registry.dataset import METRIC, Served
from sales_forecast.storage.publications import Publication

if TYPE_CHECKING:
    from mlflow.entities.model_registry import ModelVersion


def publish_forecasts(
    serving: Served,
    forecasts: pd.DataFrame,
    forecasts_by_level: pd.DataFrame,
    reasons: pd.DataFrame,
    panel: pd.DataFrame,
) -> Publication:
    """Put forecasts, their reasons and sums, and what was sold, where others can ask for them.

    Args:
        serving: The model that made the forecasts.
        forecasts: ``store, department, week, forecast``, ranges.
        forecasts_by_level: Sums.
        reasons: Parts of each forecast.
        panel: Gap-free weekly turnover.
    """
    explained = forecasts.merge(reasons[[*KEYS, "week", *PARTS]], on=[*KEYS, "week"], validate="1:1")
    stamped = list(serving.stamp)
    return Publication(
        "turnover",
        _made_by(serving),
        {
            "forecasts": explained.drop(columns=stamped),
            "level_forecasts": forecasts_by_level[forecasts_by_level["level"] != "series"],
        },
        weekly_turnover=panel[[*KEYS, "week", "turnover"]],
        **_models(serving),
    )


def publish_curve(serving: Served, budget_curve: pd.DataFrame, recommendation: dict[str, Any]) -> Publication:
    """Put the budget curve and the recommendation where others can ask for them.

    Args:
        serving: The model that made it.
        budget_curve: Predictions and range.
        recommendation: As ``recommend_budget`` gives it.
    """
    return Publication(
        "marketing", _made_by(serving), {"budget_curves": budget_curve}, recommendation, **_models(serving)
    )


def _made_by(serving: Served) -> dict[str, str]:
    return {"model_name": serving.name} | serving.stamp


def _models(serving: Served) -> dict[str, Any]:
    """All that the registry says about the model's versions; of one that is not registered, its name."""
    if not serving.versions:
        known = {"name": serving.name, "version": serving.version, "run_id": serving.run_id}
        return {
            "models": [
                known | {"data_version": serving.data_version, "made_at": None, "decision": "", "card": ""}
            ]
        }
    return {
        "models": [_version(found) for found in serving.versions],
        "metrics": [metric for found in serving.versions for metric in _metrics(found)],
        "promotions": [
            {name: value for name, value in asdict(event).items() if name != "when"}
            | {"name": serving.name, "happened_at": datetime.fromisoformat(event.when)}
            for event in serving.events
        ],
    }


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
