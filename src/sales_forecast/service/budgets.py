"""Predicts sales from TV budgets with one arm."""

from __future__ import annotations

from collections.abc import Sequence

import pandas as pd

from sales_forecast.models.marketing import BudgetInterval
from sales_forecast.service.arms import BudgetArm
from sales_forecast.service.schemas.responses import BudgetPrediction


def predict_sales(
    arm: BudgetArm, interval: BudgetInterval, budgets: Sequence[float]
) -> list[BudgetPrediction]:
    """Predict sales, with a warning where the model has seen no such budget.

    Args:
        arm: Arm that predicts.
        interval: Prediction interval of its model.
        budgets: TV budgets, in units of the training data.

    Returns:
        The predictions in the order of the budgets.
    """
    predicted = arm.forecaster.predict(pd.DataFrame({"tv": list(budgets)}))
    known = arm.package.train["tv"]
    return [
        BudgetPrediction(tv=tv, sales=sales, sales_low=low, sales_high=high, warning=_warning(tv, known))
        for tv, sales, low, high in interval.around(predicted).itertuples(index=False)
    ]


def _warning(budget: float, known: pd.Series[float]) -> str | None:
    low, high = known.min(), known.max()
    if low <= budget <= high:
        return None
    return f"the model was trained on budgets between {low:g} and {high:g}; this prediction is uncertain"
