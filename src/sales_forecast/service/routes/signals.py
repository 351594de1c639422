"""Signals of the monitoring, and the decisions that followed from them."""

from __future__ import annotations

from datetime import date
from typing import Annotated

import numpy as np
import orjson
import pandas as pd
from fastapi import APIRouter, Query, Request, Response
from pydantic import BaseModel
from starlette.concurrency import run_in_threadpool

from sales_forecast.service.dependencies import ReadKey, Service, audit_record, service_of
from sales_forecast.service.problems import error_responses
from sales_forecast.service.schemas.monitoring import (
    RetrainingDecision,
    RetrainingDecisions,
    RetrainingQuery,
    Signal,
    Signals,
    SignalsQuery,
)
from sales_forecast.storage.keys import ApiKey
from sales_forecast.storage.monitoring import read_decisions, read_signals

router = APIRouter()

SIGNAL_FIELDS = list(Signal.model_fields)
DECISION_FIELDS = list(RetrainingDecision.model_fields)


@router.get("/v1/turnover/signals", response_model=Signals, responses=error_responses(404))
async def read_turnover_signals(
    request: Request, key: ReadKey, query: Annotated[SignalsQuery, Query()]
) -> Response:
    """Read what the monitoring has found in the newest week, or in all weeks since one."""
    found = await run_in_threadpool(_signals, service_of(request), query.since, unusual=query.unusual)
    return await _answer(request, key, query, "signals", _of(found, SIGNAL_FIELDS), query.limit, query.offset)


@router.get("/v1/turnover/retraining", response_model=RetrainingDecisions, responses=error_responses(404))
async def read_retraining(
    request: Request, key: ReadKey, query: Annotated[RetrainingQuery, Query()]
) -> Response:
    """Read whether all methods were to compete again, why, and what came of it; the newest decision first."""
    found = await run_in_threadpool(_decisions, service_of(request), query.since)
    return await _answer(
        request, key, query, "decisions", _of(found, DECISION_FIELDS), query.limit, query.offset
    )


def _signals(service: Service, since: date | None, *, unusual: bool) -> pd.DataFrame:
    with service.engine.connect() as connection:
        return read_signals(connection, service.retailer, since, unusual)


def _decisions(service: Service, since: date | None) -> pd.DataFrame:
    with service.engine.connect() as connection:
        found = read_decisions(connection, service.retailer)[::-1]
    return found if since is None else found[found["week"] >= since]


def _of(found: pd.DataFrame, fields: list[str]) -> pd.DataFrame:
    """Choose columns, with names that orjson takes: those of SQLAlchemy are a kind of text of its own."""
    return found[fields].set_axis(fields, axis=1)


async def _answer(
    request: Request, key: ApiKey, query: BaseModel, name: str, rows: pd.DataFrame, limit: int, offset: int
) -> Response:
    """Return a page of rows, and write to the audit log that they were read.

    Raises:
        ProblemError: Nothing is published yet.
    """
    service = service_of(request)
    run = await service.cache.newest("turnover", None)
    page = rows.iloc[offset : offset + limit]
    end = offset + len(page)
    content = {
        "request_id": request.state.request_id,
        "total": len(rows),
        "next_offset": end if end < len(rows) else None,
        name: page.astype(object).replace({np.nan: None, pd.NaT: None}).to_dict("records"),
    }
    # signals are about several versions: the audit log names the one that serves now
    model, output = (run.model_name, run.model_version), {"rows": len(page), "total": len(rows)}
    record = audit_record(request, key, "stored", model, query.model_dump(mode="json"), output)
    await service.audit_writer.record([record])
    text = orjson.dumps(content, default=_as_datetime, option=orjson.OPT_UTC_Z)
    return Response(text, media_type="application/json")  # not validated, as it would be slow


def _as_datetime(value: object) -> object:
    """Convert what pandas makes of moments."""
    if isinstance(value, pd.Timestamp):
        return value.to_pydatetime()
    raise TypeError(f"{value!r} has no JSON")
