"""Live predictions of sales from TV budgets."""

from __future__ import annotations

import pandas as pd
from fastapi import APIRouter, Request

from sales_forecast.service.answered import BudgetAnswer, BudgetPrediction
from sales_forecast.service.asked import BudgetQuestion
from sales_forecast.service.dependencies import AService, Predictor, answer_of
from sales_forecast.service.problems import documented

router = APIRouter()


@router.post("/v1/marketing/predict", responses=documented())
def predict(request: Request, caller: Predictor, service: AService, question: BudgetQuestion) -> BudgetAnswer:
    """Sales to expect from TV budgets, with ranges."""
    arm = service.needed("marketing")
    said = arm.forecaster.predict(pd.DataFrame({"tv": question.budgets}))
    seen = arm.package.train["tv"]
    ranged = service.budget_range(arm).around(said)
    predictions = [
        BudgetPrediction(tv=tv, sales=sales, sales_low=low, sales_high=high, warning=_warning(tv, seen))
        for tv, sales, low, high in ranged.itertuples(index=False)
    ]
    output = [each.model_dump() for each in predictions]
    model = (arm.model_name, arm.version)
    service.trail.record([answer_of(request, caller, arm.name, model, question.model_dump(), output)])
    return BudgetAnswer(
        request_id=request.state.request_id,
        model=arm.model_name,
        model_version=arm.version,
        range_share=service.curve["range_share"],
        predictions=predictions,
    )


def _warning(budget: float, seen: pd.Series[float]) -> str | None:
    low, high = seen.min(), seen.max()
    if low <= budget <= high:
        return None
    return f"the model has learnt from budgets between {low:g} and {high:g}; this is a guess"
