"""Does the deployed model answer what was forecast and measured here?"""

from __future__ import annotations

import pandas as pd

from sales_forecast.forecasting.intervals.conformal import INTERVAL_COLUMNS
from sales_forecast.models.marketing import BudgetPackage, score_budgets
from sales_forecast.models.turnover import TurnoverPackage
from sales_forecast.pipelines.handovers import BudgetMetrics
from sales_forecast.registry.deployed import ask
from sales_forecast.registry.serving import ServingModel
from sales_forecast.reporting import Section, Table

FIGURES = ["forecast", *INTERVAL_COLUMNS]


def check_forecasts(serving: ServingModel[TurnoverPackage], forecasts: pd.DataFrame) -> pd.DataFrame:
    """Ask the deployed turnover model for every forecast of this run.

    Args:
        serving: The registry's champion.
        forecasts: As inference wrote them.

    Returns:
        ``figure, forecasts, equal, largest_difference``, a row for the forecast and each end of its
        intervals. No forecast is asked for if the model is older than the data.
    """
    cutoff = forecasts["week"] - pd.to_timedelta(7 * forecasts["horizon"], unit="D")
    if (cutoff != serving.package.context.cutoff).any():
        return pd.DataFrame({"figure": FIGURES, "forecasts": 0, "equal": 0, "largest_difference": 0.0})
    deployed = ask(serving, forecasts[["store", "department", "horizon"]])
    gaps = (deployed[FIGURES] - forecasts[FIGURES]).abs()
    return pd.DataFrame(
        {
            "figure": FIGURES,
            "forecasts": len(forecasts),
            "equal": [int((gaps[end] == 0).sum()) for end in FIGURES],
            "largest_difference": [float(gaps[end].max()) for end in FIGURES],
        }
    )


def report_forecast_check(serving: ServingModel[TurnoverPackage], deployed_table: pd.DataFrame) -> Section:
    """Tell whether the deployed turnover model answers what was forecast.

    Args:
        serving: The registry's champion.
        deployed_table: As ``check_forecasts`` gives it.
    """
    equal, total = int(deployed_table["equal"].sum()), int(deployed_table["forecasts"].sum())
    if not total:
        return Section(
            title="Turnover: the deployed model",
            lead=f"models:/{serving.name}/{serving.version} was made up to {serving.package.model.cutoff}.",
            answers=(
                "It is older than the data, so what it answers elsewhere are **other weeks**. Fit it: "
                "kedro run.",
            ),
            stamp=f"Forecasts: {serving}",
        )
    verdict = "to the last digit" if equal == total else "**not everywhere**"
    return Section(
        title="Turnover: the deployed model",
        lead=f"models:/{serving.name}/{serving.version}, asked through MLflow for each forecast of this run.",
        answers=(f"It answers what was forecast, {verdict}: {equal:,} of {total:,} figures are equal.",),
        blocks=(
            Table(
                deployed_table.rename(columns={"largest_difference": "largest difference"}),
                "Figure by figure",
                {"forecasts": ",d", "equal": ",d", "largest difference": ".3g"},
                collapsed=True,
            ),
        ),
        stamp=f"Forecasts: {serving}",
    )


def check_predictions(
    serving: ServingModel[BudgetPackage], test: pd.DataFrame, metrics: BudgetMetrics
) -> pd.DataFrame:
    """Measure the deployed marketing model on the campaigns that the evaluation measured on.

    Args:
        serving: The registry's champion.
        test: Campaigns kept aside.
        metrics: What the evaluation found for this run's model.

    Returns:
        ``metric, evaluated, deployed``.
    """
    deployed = score_budgets(test["sales"], ask(serving, test[["tv"]])["sales"])
    evaluated = {name: metrics["tuned"][name] for name in deployed}
    return pd.DataFrame({"evaluated": evaluated, "deployed": deployed}).rename_axis("metric").reset_index()


def report_prediction_check(serving: ServingModel[BudgetPackage], deployed_table: pd.DataFrame) -> Section:
    """Tell whether the deployed marketing model is as good as the one that was evaluated.

    Args:
        serving: The registry's champion.
        deployed_table: As ``check_predictions`` gives it.
    """
    same = (
        "They are the same, to the last digit."
        if deployed_table["evaluated"].equals(deployed_table["deployed"])
        else "They are **not** the same: another model serves than this run has evaluated."
    )
    return Section(
        title="Marketing: the deployed model",
        lead=f"models:/{serving.name}/{serving.version}, asked through MLflow for the test campaigns.",
        answers=(same,),
        blocks=(
            Table(deployed_table, "Errors in units of the file.", {"evaluated": ".6g", "deployed": ".6g"}),
        ),
        stamp=f"Budgets: {serving}",
    )
