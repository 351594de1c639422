"""The two calls of an earlier prediction system, for tools that were built for it."""

from __future__ import annotations

from fastapi import APIRouter, Request

from sales_forecast.service.dependencies import AService, Predictor, Service
from sales_forecast.service.problems import ProblemError, documented
from sales_forecast.service.routes.live import answer
from sales_forecast.service.schemas.requests import CompatibleRequest, CompatibleSeriesRequest, Series
from sales_forecast.service.schemas.responses import CompatibleResponse, CompatibleWeeksResponse

router = APIRouter()

WEEKS = 8


@router.post("/predict/", responses=documented(404, 409))
async def predict_week(
    request: Request, caller: Predictor, service: AService, question: CompatibleRequest
) -> CompatibleResponse:
    """Forecast one week of a store's department."""
    (found,) = await answer(request, caller, service, [_series(service, question)], question.day_id)
    return CompatibleResponse(prediction=found["forecast"])


@router.post("/predict_8_weeks/", responses=documented(404, 409))
async def predict_8_weeks(
    request: Request, caller: Predictor, service: AService, question: CompatibleSeriesRequest
) -> CompatibleWeeksResponse:
    """Forecast the next eight weeks of a store's department."""
    found = await answer(request, caller, service, [_series(service, question)])
    return CompatibleWeeksResponse(predictions={each["week"]: each["forecast"] for each in found[:WEEKS]})


def _series(service: Service, question: CompatibleRequest | CompatibleSeriesRequest) -> Series:
    """The same question in today's words.

    Raises:
        ProblemError: The store or department is unknown.
    """
    labels = service.needed("turnover").forecaster.labels
    asked = {"store": "but_num_business_unit", "department": "dpt_num_department"}
    for label, field in asked.items():
        given = getattr(question, field)
        if given not in labels[label]:
            new = "; a new one can be asked about at /v1/turnover/predict" if label == "store" else ""
            raise ProblemError(404, f"the model does not know {label} '{given}'{new}", f"body.{field}")
    return Series(store=question.but_num_business_unit, department=question.dpt_num_department)
