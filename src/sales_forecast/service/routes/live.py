"""Live predictions of turnover, by the champion or, in an experiment, by the challenger."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from datetime import date

import orjson
from fastapi import APIRouter, Request, Response
from starlette.concurrency import run_in_threadpool

from sales_forecast.service.arms import Predictions, TurnoverArm
from sales_forecast.service.dependencies import PredictKey, Service, ServiceDep, audit_record
from sales_forecast.service.predictor import predict_series
from sales_forecast.service.problems import ProblemError, error_responses
from sales_forecast.service.schemas.requests import Series, TurnoverRequest
from sales_forecast.service.schemas.responses import TurnoverResponse
from sales_forecast.storage.audit import AuditRecord
from sales_forecast.storage.keys import ApiKey

logger = logging.getLogger(__name__)

router = APIRouter()


@router.post("/v1/turnover/predict", response_model=TurnoverResponse, responses=error_responses(404, 409))
async def predict(request: Request, key: PredictKey, service: ServiceDep, body: TurnoverRequest) -> Response:
    """Predict up to 1,000 series, optionally with recent weeks, new stores or future covariates."""
    predictions = await predict_and_record(request, key, service, body.series, quantiles=body.quantiles)
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
    _refuse_duplicates(series)
    predictions, records = await run_in_threadpool(
        _predict_by_arm, request, key, service, series, week, quantiles=quantiles
    )
    await service.audit_writer.record(records)
    return predictions


def _predict_by_arm(
    request: Request,
    key: ApiKey,
    service: Service,
    series: list[Series],
    week: date | None,
    *,
    quantiles: bool,
) -> tuple[Predictions, list[AuditRecord]]:
    """Return the predictions in the order of the series, and one audit record per arm."""
    by_position: dict[int, Predictions] = {}
    records: list[AuditRecord] = []
    for arm, other, positions in _split(service, series):
        own = [series[position] for position in positions]
        predictions = predict_series(arm, own, week, positions, quantiles=quantiles)
        by_position |= dict(zip(positions, predictions, strict=True))
        content: dict[str, object] = TurnoverRequest(series=own, quantiles=quantiles).model_dump(
            mode="json", exclude_defaults=True
        )
        if week is not None:
            content["week"] = week.isoformat()
        other_predictions = _predict_other(other, own, week, positions)
        model = (arm.model_name, arm.version)
        records.append(audit_record(request, key, arm.name, model, content, predictions, other_predictions))
    return [row for position in range(len(series)) for row in by_position[position]], records


def _split(
    service: Service, series: list[Series]
) -> Iterator[tuple[TurnoverArm, TurnoverArm | None, list[int]]]:
    """Split series by the arm of their store: the arm, the other arm, and the positions of its series."""
    champion, challenger = service.turnover_champion(), service.model_manager.challenger()
    if challenger is None:
        yield champion, None, list(range(len(series)))
        return
    by_challenger = [service.model_manager.is_challengers(one.store) for one in series]
    for arm, other, is_challenger in ((champion, challenger, False), (challenger, champion, True)):
        positions = [position for position, found in enumerate(by_challenger) if found is is_challenger]
        if positions:
            yield arm, other, positions


def _predict_other(
    other: TurnoverArm | None, series: list[Series], week: date | None, positions: list[int]
) -> list[Predictions] | None:
    """Predict with the other arm; None if there is none, or if it cannot predict these series."""
    try:
        return None if other is None else predict_series(other, series, week, positions)
    except ProblemError:
        return None
    except Exception:  # an error of the other arm must not affect the response
        logger.exception("The other arm failed")
        return None


def _refuse_duplicates(series: list[Series]) -> None:
    seen: set[tuple[str, str]] = set()
    for position, one in enumerate(series):
        if (one.store, one.department) in seen:
            raise ProblemError(
                409,
                f"store '{one.store}', department '{one.department}' is in the request twice; send it once",
                f"body.series.{position}",
            )
        seen.add((one.store, one.department))
