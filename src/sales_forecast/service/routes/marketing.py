"""Live predictions of sales from TV budgets."""

from __future__ import annotations

from fastapi import APIRouter, Request
from starlette.concurrency import run_in_threadpool

from sales_forecast.service.arms import BudgetArm
from sales_forecast.service.budgets import predict_sales
from sales_forecast.service.dependencies import PredictKey, Service, ServiceDep
from sales_forecast.service.problems import error_responses
from sales_forecast.service.recording import audit_record
from sales_forecast.service.schemas.requests import BudgetRequest
from sales_forecast.service.schemas.responses import BudgetPrediction, BudgetResponse

router = APIRouter()


@router.post("/v1/marketing/predict", responses=error_responses())
async def predict_budgets(
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
    return predict_sales(arm, service.budget_interval(arm), budgets)
