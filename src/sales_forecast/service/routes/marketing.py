"""Live predictions of sales from TV budgets."""

from __future__ import annotations

import pandas as pd
from fastapi import APIRouter, Request
from starlette.concurrency import run_in_threadpool

from sales_forecast.service.arms import BudgetArm
from sales_forecast.service.dependencies import PredictKey, Service, ServiceDep, audit_record
from sales_forecast.service.problems import error_responses
from sales_forecast.service.schemas.requests import BudgetRequest
from sales_forecast.service.schemas.responses import BudgetPrediction, BudgetResponse

router = APIRouter()


@router.post("/v1/marketing/predict", responses=error_responses())
async def predict(
    request: Request, key: PredictKey, service: ServiceDep, body: BudgetRequest
) -> BudgetResponse:
    """Predict sales from TV budgets, with prediction intervals."""
    arm = service.budget_champion()
    predictions = await run_in_threadpool(_predict, service, arm, body.budgets)
    output = [one.model_dump() for one in predictions]
    model = (arm.model_name, arm.version)
    record = audit_record(request, key, arm.name, model, body.model_dump(), output)
    await service.audit_writer.record([record])
    return BudgetResponse(
        request_id=request.state.request_id,
        model=arm.model_name,
        model_version=arm.version,
        interval_share=service.budget_interval_settings.interval_share,
        predictions=predictions,
    )


def _predict(service: Service, arm: BudgetArm, budgets: list[float]) -> list[BudgetPrediction]:
    predicted = arm.forecaster.predict(pd.DataFrame({"tv": budgets}))
    known = arm.package.train["tv"]
    with_intervals = service.budget_interval(arm).around(predicted)
    return [
        BudgetPrediction(tv=tv, sales=sales, sales_low=low, sales_high=high, warning=_warning(tv, known))
        for tv, sales, low, high in with_intervals.itertuples(index=False)
    ]


def _warning(budget: float, known: pd.Series[float]) -> str | None:
    low, high = known.min(), known.max()
    if low <= budget <= high:
        return None
    return f"the model was trained on budgets between {low:g} and {high:g}; this prediction is uncertain"
