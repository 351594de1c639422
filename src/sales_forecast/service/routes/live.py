"""Live predictions of turnover, by the champion or, in an experiment, by the challenger."""

from __future__ import annotations

from datetime import date
from functools import partial

import orjson
from fastapi import APIRouter, Request, Response
from starlette.concurrency import run_in_threadpool

from sales_forecast.service.arms import Predictions
from sales_forecast.service.assignment import predict_by_arm
from sales_forecast.service.dependencies import (
    COST_OF_A_REQUEST,
    PredictKey,
    Service,
    ServiceDep,
    spend,
)
from sales_forecast.service.predictor import has_own_data
from sales_forecast.service.problems import error_responses
from sales_forecast.service.recording import audit_record
from sales_forecast.service.schemas.requests import Series, TurnoverRequest
from sales_forecast.service.schemas.responses import TurnoverResponse
from sales_forecast.service.validation import validate_series
from sales_forecast.storage.keys import ApiKey

router = APIRouter()

UNITS_OF_A_SERIES = 4
UNITS_OF_OWN_DATA = 200
"""What a request costs of the units of a minute, by the time it takes: each series, and data of its own."""

MANY_SERIES = 50
"""More series than these are predicted like those with data of their own: after each other."""


@router.post("/v1/turnover/predict", response_model=TurnoverResponse, responses=error_responses(404, 409))
async def predict_turnover(
    request: Request, key: PredictKey, service: ServiceDep, body: TurnoverRequest
) -> Response:
    """Predict up to 1,000 series, optionally with recent weeks, new stores or future covariates."""
    series = await validate_series(request, service, key, body.series)
    predictions = await predict_and_record(request, key, service, series, quantiles=body.quantiles)
    model = service.turnover_champion().model_name
    content = {"request_id": request.state.request_id, "model": model, "predictions": predictions}
    return Response(orjson.dumps(content), media_type="application/json")


async def predict_and_record(
    request: Request,
    key: ApiKey,
    service: Service,
    series: list[Series],
    week: date | None = None,
    *,
    quantiles: bool = False,
) -> Predictions:
    """Predict each series with the arm of its store, and write request and predictions to the audit log.

    Args:
        request: Request that is answered.
        key: API key that came with the request.
        service: Service with models and audit writer.
        series: Series to predict.
        week: Week to predict; None for every week ahead.
        quantiles: Whether the predictions contain quantiles.

    Returns:
        All weeks of all series, in the order of the series.

    Raises:
        ProblemError: A store, department or week is unknown, or does not fit the data of the model.
    """
    own_data = any(has_own_data(service.turnover_champion(), one) for one in series)
    units = UNITS_OF_A_SERIES * len(series) + UNITS_OF_OWN_DATA * own_data
    await spend(request, key, units - COST_OF_A_REQUEST)
    call = partial(predict_by_arm, service, series, week, quantiles=quantiles)
    if own_data or len(series) > MANY_SERIES:
        predictions, answers = await service.computations.run(key.key_id, call)
    else:
        predictions, answers = await run_in_threadpool(call)
    records = [
        audit_record(
            *(request, key, answer.arm.name, (answer.arm.model_name, answer.arm.version)),
            *(answer.content, answer.predictions, answer.other),
        )
        for answer in answers
    ]
    await service.audit_writer.record(records)
    return predictions
