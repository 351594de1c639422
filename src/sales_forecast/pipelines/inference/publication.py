"""Both domains: what goes into the database, for the service and whoever else asks."""

from __future__ import annotations

import pandas as pd

from sales_forecast.deliveries.delivery import Delivery
from sales_forecast.errors import InputError
from sales_forecast.forecasting.attribution import PARTS
from sales_forecast.forecasting.panel.matrix import KEYS
from sales_forecast.models.marketing import BudgetPackage
from sales_forecast.models.turnover import TurnoverPackage
from sales_forecast.pipelines.handovers import DataVersion, Recommendation
from sales_forecast.registry.packages import Package
from sales_forecast.registry.records import ModelRow, Records, records_of
from sales_forecast.registry.serving import ServingModel
from sales_forecast.storage.publications import Publication


def publish_forecasts(
    serving: ServingModel[TurnoverPackage],
    forecasts: pd.DataFrame,
    forecasts_by_level: pd.DataFrame,
    attributions: pd.DataFrame,
    changes: pd.DataFrame,
    planner_exceptions: pd.DataFrame,
    panel: pd.DataFrame,
    stores: pd.DataFrame,
    staffing_rules: pd.DataFrame,
    data_version: DataVersion,
    delivery: Delivery,
) -> Publication:
    """Put forecasts, their attributions and sums, and what was sold, where others can ask for them.

    Args:
        serving: The model that made the forecasts.
        forecasts: ``store, department, week, forecast``, intervals, quantiles.
        forecasts_by_level: Sums.
        attributions: Parts of each forecast.
        changes: Why each forecast is not what was published before.
        planner_exceptions: Series that deserve a planner's eye, the most urgent first.
        panel: Gap-free weekly turnover.
        stores: Where each store lies.
        staffing_rules: How many hours each department needs.
        data_version: Of the raw files that the forecasts were made from.
        delivery: What those files came with.

    Raises:
        InputError: The forecasts are those of another model or of other data, such as what serves again after
            a run that failed.
    """
    stamp = serving.stamp(data_version.version)
    if (forecasts[list(stamp)] != pd.Series(stamp)).any(axis=None):
        raise InputError(
            "the forecasts in data/ are not those of the model that serves, from the data of this run: make "
            "them again (kedro run --pipelines inference)"
        )
    explained = forecasts.merge(attributions[[*KEYS, "week", *PARTS]], on=[*KEYS, "week"], validate="1:1")
    return Publication(
        "turnover",
        {"model_name": serving.name} | stamp,
        {
            "forecasts": explained.drop(columns=list(stamp)),
            "level_forecasts": forecasts_by_level[forecasts_by_level["level"] != "series"],
        },
        changes=changes,
        exceptions=planner_exceptions,
        weekly_turnover=panel[[*KEYS, "week", "turnover"]],
        stores=stores,
        staffing_rules=staffing_rules,
        retailer=serving.retailer,
        cutoff=panel["week"].max().date(),
        delivery=delivery.id,
        **vars(_records(serving)),
    )


def publish_curve(
    serving: ServingModel[BudgetPackage],
    budget_curve: pd.DataFrame,
    recommendation: Recommendation,
    data_version: DataVersion,
) -> Publication:
    """Put the budget curve and the recommendation where others can ask for them.

    Args:
        serving: The model that made it.
        budget_curve: Predictions and range.
        recommendation: As ``recommend_budget`` gives it.
        data_version: Of the raw files that this run has read.
    """
    return Publication(
        "marketing",
        {"model_name": serving.name} | serving.stamp(data_version.version),
        {"budget_curves": budget_curve},
        recommendation.model_dump(mode="json"),
        retailer=serving.retailer,
        **vars(_records(serving)),
    )


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
