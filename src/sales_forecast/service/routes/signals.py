"""Signals of the monitoring, and the decisions that followed from them."""

from __future__ import annotations

from datetime import date
from typing import Annotated

import pandas as pd
from fastapi import APIRouter, Query, Request, Response
from starlette.concurrency import run_in_threadpool

from sales_forecast.service.dependencies import ReadKey, Service, service_of, spend
from sales_forecast.service.negotiation import NegotiatedFormat, table_responses
from sales_forecast.service.problems import error_responses
from sales_forecast.service.routes.pages import COST_OF_A_TABLE, answer_rows
from sales_forecast.service.schemas.monitoring import (
    RetrainingDecision,
    RetrainingDecisions,
    RetrainingQuery,
    Signal,
    Signals,
    SignalsQuery,
)
from sales_forecast.service.tables import columns_of
from sales_forecast.storage.monitoring import read_decisions, read_signals

router = APIRouter()

SIGNAL_COLUMNS = columns_of(Signal)
DECISION_COLUMNS = columns_of(RetrainingDecision)


@router.get(
    "/v1/turnover/signals", response_model=Signals, responses=table_responses() | error_responses(404, 406)
)
async def read_turnover_signals(
    request: Request, key: ReadKey, form: NegotiatedFormat, query: Annotated[SignalsQuery, Query()]
) -> Response:
    """Read what the monitoring has found in the newest week, or in all weeks since one."""
    await spend(request, key, COST_OF_A_TABLE)
    rows = await run_in_threadpool(_signals, service_of(request), query.since, unusual=query.unusual)
    return await answer_rows(
        *(request, key, query, "signals", rows, SIGNAL_COLUMNS, form), limit=query.limit, offset=query.offset
    )


@router.get(
    "/v1/turnover/retraining",
    response_model=RetrainingDecisions,
    responses=table_responses() | error_responses(404, 406),
)
async def read_retraining(
    request: Request, key: ReadKey, form: NegotiatedFormat, query: Annotated[RetrainingQuery, Query()]
) -> Response:
    """Read whether all methods were to compete again, why, and what came of it; the newest decision first."""
    await spend(request, key, COST_OF_A_TABLE)
    rows = await run_in_threadpool(_decisions, service_of(request), query.since)
    return await answer_rows(
        *(request, key, query, "decisions", rows, DECISION_COLUMNS, form),
        limit=query.limit,
        offset=query.offset,
    )


def _signals(service: Service, since: date | None, *, unusual: bool) -> pd.DataFrame:
    with service.engine.connect() as connection:
        return read_signals(connection, service.retailer, since, unusual)


def _decisions(service: Service, since: date | None) -> pd.DataFrame:
    with service.engine.connect() as connection:
        found = read_decisions(connection, service.retailer)[::-1]
    return found if since is None else found[found["week"] >= since]
