"""Marketing: this run's line from budget to sales against the one that serves."""

from __future__ import annotations

from typing import Any

import pandas as pd
from sklearn.base import clone
from sklearn.pipeline import Pipeline

from sales_forecast.forecasting.evaluation.significance import compare
from sales_forecast.models.marketing import BudgetPackage, score_budgets
from sales_forecast.pipelines.registration.params import BudgetGateParams
from sales_forecast.registry.dataset import Served, Submission

SETTINGS = ("fit_intercept", "positive", "feature_range")


def decide_deployment(
    tuned_model: Pipeline,
    best_settings: dict[str, Any],
    champion: Served | None,
    test: pd.DataFrame,
    data_version: dict[str, Any],
    gate: BudgetGateParams,
) -> dict[str, Any]:
    """Decide whether this run's model takes over.

    Args:
        tuned_model: This run's.
        best_settings: What was chosen for it.
        champion: The model that serves; None before the first one.
        test: Campaigns that this run's model has not seen; the one that serves may have, if it was made from
            other data.
        data_version: Of this run's file.
        gate: Draws and seed of the paired bootstrap over campaigns.

    Returns:
        ``decision`` (``first``, ``better``, ``refit`` or ``refused``), ``promote``, ``reasons``,
        ``champion``, ``data`` (versions of both) and, as a share of the test's sales, both errors (``wape``)
        and their ``difference`` with its interval.
    """
    decided: dict[str, Any] = {"champion": None, "data": {"challenger": data_version["version"]}}
    if champion is None:
        return {"decision": "first", "promote": True, "reasons": ["no model serves yet"]} | decided
    decided["champion"] = {"version": champion.version}
    decided["data"]["champion"] = champion.data_version
    rows = pd.concat(
        [
            _asked(test).assign(method=name, forecast=model.predict(test[["tv"]]))
            for name, model in (("challenger", tuned_model), ("champion", champion.package.model))
        ]
    )
    found = compare(rows, "challenger", "champion", gate.bootstrap_draws, gate.seed)
    decided |= {
        "wape": {"challenger": found.own, "champion": found.other},
        "difference": {
            "wape": found.wape,
            "low": found.low,
            "high": found.high,
            "detectable": found.detectable,
        },
    }
    if found.verdict == "better":
        reasons = ["its error on the test campaigns is lower, beyond chance"]
        return {"decision": "better", "promote": True, "reasons": reasons} | decided
    newer = champion.is_news(data_version["version"])
    if newer and _settings(best_settings) == _settings(champion.package.settings):
        reasons = ["the same settings, fitted on newer data"]
        return {"decision": "refit", "promote": True, "reasons": reasons} | decided
    reasons = ["its error on the test campaigns is not lower beyond chance"]
    return {"decision": "refused", "promote": False, "reasons": reasons} | decided


def _asked(test: pd.DataFrame) -> pd.DataFrame:
    """Each campaign is a cluster of its own."""
    return pd.DataFrame({"store": range(len(test)), "cutoff": 0, "turnover": test["sales"].to_numpy()})


def _settings(chosen: dict[str, Any]) -> dict[str, Any]:
    """What decides about the model; lists and tuples are the same."""
    return {name: list(value) if isinstance(value := chosen[name], tuple) else value for name in SETTINGS}


def submit(
    tuned_model: Pipeline,
    best_settings: dict[str, Any],
    champion: Served | None,
    train: pd.DataFrame,
    test: pd.DataFrame,
    gate_decision: dict[str, Any],
    data_version: dict[str, Any],
) -> list[Submission]:
    """Hand this run's model to the registry; if it is refused on new data, the one that serves, refitted.

    Args:
        tuned_model: This run's.
        best_settings: What was chosen for it.
        champion: The model that serves; None before the first one.
        train: Campaigns it has learnt from.
        test: Campaigns kept aside, for the model card.
        gate_decision: As ``decide_deployment`` returns it.
        data_version: Of this run's file.
    """

    def submission(
        model: Pipeline, settings: dict[str, Any], decided: dict[str, Any], *, promote: bool, why: str
    ) -> Submission:
        errors = score_budgets(test["sales"], pd.Series(model.predict(test[["tv"]]), test.index))
        return Submission(
            BudgetPackage(model, train, settings),
            _card(train, errors, data_version),
            promote,
            why,
            data_version["version"],
            champion.version if champion else None,
            decided,
            {"test": errors},
        )

    why = f"{gate_decision['decision']}: {'; '.join(gate_decision['reasons'])}"
    submissions = [
        submission(tuned_model, best_settings, gate_decision, promote=gate_decision["promote"], why=why)
    ]
    if champion is None or gate_decision["promote"] or not champion.is_news(data_version["version"]):
        return submissions
    again = clone(champion.package.model).fit(train[["tv"]], train["sales"])
    why = f"refit: version {champion.version} on newer data, as this run's settings were refused"
    return [*submissions, submission(again, champion.package.settings, {}, promote=True, why=why)]


def _card(train: pd.DataFrame, errors: dict[str, float], data_version: dict[str, Any]) -> str:
    low, high = train["tv"].min(), train["tv"].max()
    return f"""# Marketing: a straight line from TV budget to sales

Predicts the sales of a campaign from its TV budget, both in units of the file. For weighing the next budget.

**Data.** {len(train):,} campaigns with budgets from {low:,.1f} to {high:,.1f}; version
{data_version["version"]}.

**Error.** On campaigns kept aside: MAE {errors["mae"]:.2f}, RMSE {errors["rmse"]:.2f},
MAPE {errors["mape"]:.1%}, R2 {errors["r2"]:.2f}.

**Limits.** It knows the budget and nothing else, and nothing about budgets outside the span above. What comes
with a budget need not come from it.
"""
