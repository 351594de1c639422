"""Marketing: this run's line from budget to sales against the one that serves."""

from __future__ import annotations

from typing import Any

import pandas as pd
from sklearn.pipeline import Pipeline

from sales_forecast.forecasting.comparison import compare
from sales_forecast.models.marketing import BudgetPackage
from sales_forecast.pipelines.registration.params import BudgetPromotionParams
from sales_forecast.registry.dataset import Served, Submission

SETTINGS = ("fit_intercept", "positive", "feature_range")


def decide_promotion(
    tuned_model: Pipeline,
    best_settings: dict[str, Any],
    defender: Served | None,
    test: pd.DataFrame,
    data_version: dict[str, Any],
    promotion: BudgetPromotionParams,
) -> dict[str, Any]:
    """Decide whether this run's model takes over.

    Args:
        tuned_model: This run's.
        best_settings: What was chosen for it.
        defender: The model that serves; None before the first one.
        test: Campaigns that this run's model has not seen; the one that serves may have, if it was made from
            other data.
        data_version: Of this run's file.
        promotion: Draws and seed of the paired bootstrap over campaigns.

    Returns:
        ``decision`` (``first``, ``better``, ``refit`` or ``refused``), ``promote``, ``reasons``,
        ``defender``, ``data`` (versions of both) and, as a share of the test's sales, both errors (``wape``)
        and their ``difference`` with its interval.
    """
    decided: dict[str, Any] = {"defender": None, "data": {"challenger": data_version["version"]}}
    if defender is None:
        return {"decision": "first", "promote": True, "reasons": ["no model serves yet"]} | decided
    decided["defender"] = {"version": defender.version}
    decided["data"]["champion"] = defender.data_version
    rows = pd.concat(
        [
            _asked(test).assign(method=name, forecast=model.predict(test[["tv"]]))
            for name, model in (("challenger", tuned_model), ("champion", defender.package.model))
        ]
    )
    found = compare(rows, "challenger", "champion", promotion.bootstrap_draws, promotion.seed)
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
    newer = data_version["version"] != defender.data_version
    if newer and _settings(best_settings) == _settings(defender.package.settings):
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
    train: pd.DataFrame,
    metrics: dict[str, Any],
    promotion: dict[str, Any],
    data_version: dict[str, Any],
) -> list[Submission]:
    """Hand this run's model to the registry.

    Args:
        tuned_model: This run's.
        best_settings: What was chosen for it.
        train: Campaigns it has learnt from.
        metrics: Errors on the test campaigns, for the model card.
        promotion: As ``decide_promotion`` returns it.
        data_version: Of this run's file.
    """
    why = f"{promotion['decision']}: {'; '.join(promotion['reasons'])}"
    return [
        Submission(
            BudgetPackage(tuned_model, train, best_settings),
            _card(train, metrics["tuned"], data_version),
            promotion["promote"],
            why,
            data_version["version"],
            promotion,
        )
    ]


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
