"""Marketing: this run's line from budget to sales against the one that serves."""

from __future__ import annotations

from collections.abc import Mapping

import pandas as pd
from sklearn.base import clone
from sklearn.pipeline import Pipeline

from sales_forecast.forecasting.evaluation.gate_result import Paired, WapeDifference
from sales_forecast.forecasting.evaluation.significance import compare_observations
from sales_forecast.models.marketing import BudgetPackage, score_budgets
from sales_forecast.pipelines.handovers import (
    BudgetSettings,
    ChampionVersion,
    ComparedData,
    DataVersion,
    GateDecision,
)
from sales_forecast.registry.serving import ServingModel, Submission

SETTINGS = ("fit_intercept", "positive", "feature_range")


def decide_deployment(
    tuned_model: Pipeline,
    best_settings: BudgetSettings,
    champion: ServingModel[BudgetPackage] | None,
    test: pd.DataFrame,
    data_version: DataVersion,
) -> GateDecision:
    """Decide whether this run's model takes over.

    Args:
        tuned_model: Model of this run.
        best_settings: Settings chosen for it.
        champion: The model that serves; None before the first one.
        test: Campaigns that this run's model has not seen; the one that serves may have, if it was made from
            other data.
        data_version: Version of this run's file.

    Returns:
        The decision; both errors and their difference are shares of the test's sales.
    """
    if champion is None:
        return GateDecision(
            decision="first",
            promote=True,
            reasons=("no model serves yet",),
            data=ComparedData(challenger=data_version.version),
        )
    sales = test["sales"].to_numpy()
    own, others = (sales - model.predict(test[["tv"]]) for model in (tuned_model, champion.package.model))
    found = compare_observations(own, others, sales)
    decision = GateDecision(
        decision="refused",
        promote=False,
        reasons=("its error on the test campaigns is not lower beyond chance",),
        champion=ChampionVersion(version=champion.version),
        data=ComparedData(challenger=data_version.version, champion=champion.data_version),
        wape=Paired(challenger=found.own, champion=found.other),
        difference=WapeDifference.of(found),
    )
    if found.verdict == "better":
        return decision.promoted("better", "its error on the test campaigns is lower, beyond chance")
    newer = champion.is_news(data_version.version)
    if newer and _settings(best_settings.model_dump()) == _settings(champion.package.settings):
        return decision.promoted("refit", "the same settings, fitted on newer data")
    return decision


def _settings(chosen: Mapping[str, object]) -> dict[str, object]:
    """What decides about the model; lists and tuples are the same."""
    return {name: list(value) if isinstance(value := chosen[name], tuple) else value for name in SETTINGS}


def submit(
    tuned_model: Pipeline,
    best_settings: BudgetSettings,
    champion: ServingModel[BudgetPackage] | None,
    train: pd.DataFrame,
    test: pd.DataFrame,
    gate_decision: GateDecision,
    data_version: DataVersion,
) -> list[Submission[BudgetPackage]]:
    """Hand this run's model to the registry; if it is refused on new data, the one that serves, refitted.

    Args:
        tuned_model: Model of this run.
        best_settings: Settings chosen for it.
        champion: The model that serves; None before the first one.
        train: Campaigns that the models are fitted on.
        test: Campaigns kept aside, for the model card.
        gate_decision: As ``decide_deployment`` returns it.
        data_version: Version of this run's file.
    """

    def submission(
        package: BudgetPackage, decided: GateDecision | None, *, promote: bool, why: str
    ) -> Submission[BudgetPackage]:
        errors = score_budgets(test["sales"], pd.Series(package.model.predict(test[["tv"]]), test.index))
        return Submission(
            package,
            _card(train, errors, data_version),
            promote,
            why,
            data_version.version,
            champion.version if champion else None,
            decided.numbers if decided else {},
            {"test": errors},
        )

    new = BudgetPackage(tuned_model, train, best_settings.model_dump(mode="json"))
    promote = gate_decision.promote
    submissions = [submission(new, gate_decision, promote=promote, why=gate_decision.summary)]
    if champion is None or promote or not champion.is_news(data_version.version):
        return submissions
    again = clone(champion.package.model).fit(train[["tv"]], train["sales"])
    refitted = BudgetPackage(again, train, champion.package.settings)
    why = f"refit: version {champion.version} on newer data, as this run's settings were refused"
    return [*submissions, submission(refitted, None, promote=True, why=why)]


def _card(train: pd.DataFrame, errors: dict[str, float], data_version: DataVersion) -> str:
    low, high = train["tv"].min(), train["tv"].max()
    return f"""# Marketing: a straight line from TV budget to sales

Predicts the sales of a campaign from its TV budget, both in units of the file. For weighing the next budget.

**Data.** {len(train):,} campaigns with budgets from {low:,.1f} to {high:,.1f}; version
{data_version.version}.

**Error.** On campaigns kept aside: MAE {errors["mae"]:.2f}, RMSE {errors["rmse"]:.2f},
MAPE {errors["mape"]:.1%}, R2 {errors["r2"]:.2f}.

**Limits.** It knows the budget and nothing else, and nothing about budgets outside the span above. What comes
with a budget need not come from it.
"""
