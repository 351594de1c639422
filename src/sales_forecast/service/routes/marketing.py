"""Live predictions of sales from TV budgets."""

from __future__ import annotations

import pandas as pd
from fastapi import APIRouter, Request
from starlette.concurrency import run_in_threadpool

from sales_forecast.service.arms import Arm
from sales_forecast.service.dependencies import AService, Predictor, Service, answer_of
from sales_forecast.service.problems import documented
from sales_forecast.service.schemas.requests import BudgetRequest
from sales_forecast.service.schemas.responses import BudgetPrediction, BudgetResponse

router = APIRouter()


@router.post("/v1/marketing/predict", responses=documented())
async def predict(
    request: Request, caller: Predictor, service: AService, question: BudgetRequest
) -> BudgetResponse:
    """Sales to expect from TV budgets, with intervals."""
    arm = service.needed("marketing")
    predictions = await run_in_threadpool(_predict, service, arm, question.budgets)
    output = [each.model_dump() for each in predictions]
    model = (arm.model_name, arm.version)
    answer = answer_of(request, caller, arm.name, model, question.model_dump(), output)
    await service.audit_writer.record([answer])
    return BudgetResponse(
        request_id=request.state.request_id,
        model=arm.model_name,
        model_version=arm.version,
        interval_share=service.curve["interval_share"],
        predictions=predictions,
    )


def _predict(service: Service, arm: Arm, budgets: list[float]) -> list[BudgetPrediction]:
    said = arm.forecaster.predict(pd.DataFrame({"tv": budgets}))
    seen = arm.package.train["tv"]
    with_intervals = service.budget_interval(arm).around(said)
    return [
        BudgetPrediction(tv=tv, sales=sales, sales_low=low, sales_high=high, warning=_warning(tv, seen))
        for tv, sales, low, high in with_intervals.itertuples(index=False)
    ]


def _warning(budget: float, seen: pd.Series[float]) -> str | None:
    low, high = seen.min(), seen.max()
    if low <= budget <= high:
        return None
    return f"the model has learnt from budgets between {low:g} and {high:g}; this is a guess"
