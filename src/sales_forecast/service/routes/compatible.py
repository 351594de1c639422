"""The two calls of an earlier prediction system, for tools that were built for it."""

from __future__ import annotations

from fastapi import APIRouter, Request

from sales_forecast.service.dependencies import PredictKey, Service, ServiceDep
from sales_forecast.service.problems import ProblemError, error_responses
from sales_forecast.service.routes.live import predict_and_record
from sales_forecast.service.schemas.requests import CompatibleRequest, CompatibleSeriesRequest, Series
from sales_forecast.service.schemas.responses import CompatibleResponse, CompatibleWeeksResponse

router = APIRouter()

WEEKS = 8


@router.post("/predict", include_in_schema=False)
@router.post("/predict/", deprecated=True, responses=error_responses(404, 409))
async def predict_week(
    request: Request, key: PredictKey, service: ServiceDep, body: CompatibleRequest
) -> CompatibleResponse:
    """Predict one week of a department of a store."""
    (row,) = await predict_and_record(request, key, service, [_series(service, body)], body.day_id)
    return CompatibleResponse(prediction=row["forecast"])


@router.post("/predict_8_weeks", include_in_schema=False)
@router.post("/predict_8_weeks/", deprecated=True, responses=error_responses(404, 409))
async def predict_8_weeks(
    request: Request, key: PredictKey, service: ServiceDep, body: CompatibleSeriesRequest
) -> CompatibleWeeksResponse:
    """Predict the next eight weeks of a department of a store."""
    rows = await predict_and_record(request, key, service, [_series(service, body)])
    return CompatibleWeeksResponse(predictions={row["week"]: row["forecast"] for row in rows[:WEEKS]})


def _series(service: Service, body: CompatibleRequest | CompatibleSeriesRequest) -> Series:
    """Convert a request to the present schema.

    Raises:
        ProblemError: The store or department is unknown.
    """
    labels = service.turnover_champion().forecaster.labels
    fields = {"store": "but_num_business_unit", "department": "dpt_num_department"}
    values = {"store": body.but_num_business_unit, "department": body.dpt_num_department}
    for label, value in values.items():
        if value not in labels[label]:
            hint = "; a new one can be predicted at /v1/turnover/predict" if label == "store" else ""
            raise ProblemError(
                404, f"the model does not know {label} '{value}'{hint}", f"body.{fields[label]}"
            )
    return Series(store=body.but_num_business_unit, department=body.dpt_num_department)
