"""Realised accuracy: how right forecasts were, once their weeks had come."""

from __future__ import annotations

from typing import Annotated

import orjson
import pandas as pd
from fastapi import APIRouter, Query, Request, Response
from starlette.concurrency import run_in_threadpool

from sales_forecast.service.dependencies import ReadKey, Service, audit_record, service_of
from sales_forecast.service.problems import ProblemError, error_responses
from sales_forecast.service.schemas.accuracy import Accuracy, AccuracyQuery, WeekAccuracy
from sales_forecast.storage.accuracy import accuracy
from sales_forecast.storage.scores import ALL, rates

router = APIRouter()

FIELDS = list(WeekAccuracy.model_fields)


@router.get("/v1/turnover/accuracy", response_model=Accuracy, responses=error_responses(404))
async def read_accuracy(request: Request, key: ReadKey, query: Annotated[AccuracyQuery, Query()]) -> Response:
    """Read how right the last forecasts before each week were, by week and weeks ahead."""
    service = service_of(request)
    run = await service.cache.newest("turnover", None)
    found = await run_in_threadpool(_read, service, query)
    page = found.iloc[query.offset : query.offset + query.limit]
    end = query.offset + len(page)
    content = {
        "request_id": request.state.request_id,
        "level": query.level,
        "total": len(found),
        "next_offset": end if end < len(found) else None,
        "accuracy": page.to_dict("records"),
    }
    # forecasts of several versions are scored: the audit log names the one that serves now
    model = (run.model_name, run.model_version)
    output = {"rows": len(page), "total": len(found)}
    record = audit_record(request, key, "stored", model, query.model_dump(mode="json"), output)
    await service.audit_writer.record([record])
    # not validated, as it would be slow; NaN is written as null
    return Response(orjson.dumps(content), media_type="application/json")


def _read(service: Service, query: AccuracyQuery) -> pd.DataFrame:
    """The fields of the response, a row per week and horizon.

    Raises:
        ProblemError: Nothing of the department is scored.
    """
    department = query.department
    if department is not None and "\x00" in department:  # PostgreSQL cannot compare with this character
        raise _not_found(department)
    with service.engine.connect() as connection:
        sums = accuracy(connection, service.retailer, query.level, department, query.since, query.horizon)
    if department is not None and sums.empty:
        raise _not_found(department)
    return pd.concat([sums, rates(sums)], axis=1).assign(department=department or ALL)[FIELDS]


def _not_found(department: str) -> ProblemError:
    detail = f"no accuracy is stored for department '{department}' and these weeks; a week is scored when it "
    return ProblemError(404, detail + "arrives after it was forecast", "query.department")
