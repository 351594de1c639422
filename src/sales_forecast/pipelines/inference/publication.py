"""Both domains: what goes into the database, for the service and whoever else asks."""

from __future__ import annotations

import pandas as pd

from sales_forecast.forecasting.attribution import PARTS
from sales_forecast.forecasting.panel.matrix import KEYS
from sales_forecast.models.marketing import BudgetPackage
from sales_forecast.models.turnover import TurnoverPackage
from sales_forecast.pipelines.handovers import Recommendation
from sales_forecast.registry.dataset import ServingModel
from sales_forecast.registry.packages import Package
from sales_forecast.registry.records import ModelRow, Records, records_of
from sales_forecast.storage.publications import Publication


def publish_forecasts(
    serving: ServingModel[TurnoverPackage],
    forecasts: pd.DataFrame,
    forecasts_by_level: pd.DataFrame,
    attributions: pd.DataFrame,
    panel: pd.DataFrame,
) -> Publication:
    """Put forecasts, their attributions and sums, and what was sold, where others can ask for them.

    Args:
        serving: The model that made the forecasts.
        forecasts: ``store, department, week, forecast``, intervals, quantiles.
        forecasts_by_level: Sums.
        attributions: Parts of each forecast.
        panel: Gap-free weekly turnover.
    """
    explained = forecasts.merge(attributions[[*KEYS, "week", *PARTS]], on=[*KEYS, "week"], validate="1:1")
    stamped = list(serving.stamp)
    return Publication(
        "turnover",
        _made_by(serving),
        {
            "forecasts": explained.drop(columns=stamped),
            "level_forecasts": forecasts_by_level[forecasts_by_level["level"] != "series"],
        },
        weekly_turnover=panel[[*KEYS, "week", "turnover"]],
        retailer=serving.retailer,
        **vars(_records(serving)),
    )


def publish_curve(
    serving: ServingModel[BudgetPackage], budget_curve: pd.DataFrame, recommendation: Recommendation
) -> Publication:
    """Put the budget curve and the recommendation where others can ask for them.

    Args:
        serving: The model that made it.
        budget_curve: Predictions and range.
        recommendation: As ``recommend_budget`` gives it.
    """
    return Publication(
        "marketing",
        _made_by(serving),
        {"budget_curves": budget_curve},
        recommendation.model_dump(mode="json"),
        retailer=serving.retailer,
        **vars(_records(serving)),
    )


def _made_by(serving: ServingModel[Package]) -> dict[str, str]:
    return {"model_name": serving.name} | serving.stamp


def _records(serving: ServingModel[Package]) -> Records:
    """All that the registry says about the model's versions; of one that is not registered, its name."""
    if serving.versions:
        return records_of(serving.name, serving.versions, serving.events)
    unregistered: ModelRow = {
        "name": serving.name,
        "version": serving.version,
        "run_id": serving.run_id,
        "data_version": serving.data_version,
        "made_at": None,
        "decision": "",
        "card": "",
    }
    return Records([unregistered], [], [])
