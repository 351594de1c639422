"""Realised accuracy: how right forecasts were, once their weeks had come."""

from __future__ import annotations

from typing import Annotated

import pandas as pd
from fastapi import APIRouter, Query, Request, Response
from starlette.concurrency import run_in_threadpool

from sales_forecast.service.dependencies import ReadKey, Service, service_of, spend
from sales_forecast.service.negotiation import NegotiatedFormat, table_responses
from sales_forecast.service.problems import ProblemError, error_responses
from sales_forecast.service.routes.pages import COST_OF_A_TABLE, answer_rows
from sales_forecast.service.schemas.accuracy import Accuracy, AccuracyQuery, WeekAccuracy
from sales_forecast.service.tables import columns_of
from sales_forecast.storage.accuracy import accuracy
from sales_forecast.storage.scores import ALL, rates

router = APIRouter()

COLUMNS = columns_of(WeekAccuracy)


@router.get(
    "/v1/turnover/accuracy",
    response_model=Accuracy,
    responses=table_responses() | error_responses(404, 406),
)
async def read_accuracy(
    request: Request, key: ReadKey, form: NegotiatedFormat, query: Annotated[AccuracyQuery, Query()]
) -> Response:
    """Read how right the last forecasts before each week were, by week and weeks ahead."""
    service, about = service_of(request), {"level": query.level}
    await spend(request, key, COST_OF_A_TABLE)
    rows = await run_in_threadpool(_read, service, query)
    return await answer_rows(
        *(request, key, query, "accuracy", rows, COLUMNS, form),
        limit=query.limit,
        offset=query.offset,
        about=about,
    )


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
    return pd.concat([sums, rates(sums)], axis=1).assign(department=department or ALL)[list(COLUMNS)]


def _not_found(department: str) -> ProblemError:
    detail = f"no accuracy is stored for department '{department}' and these weeks; a week is scored when it "
    return ProblemError(404, detail + "arrives after it was forecast", "query.department")
