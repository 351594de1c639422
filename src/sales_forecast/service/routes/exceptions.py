"""Exceptions of the newest publication, and planners' answers to them."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime
from typing import Annotated

import pandas as pd
from fastapi import APIRouter, Query, Request, Response
from sqlalchemy import Connection
from starlette.concurrency import run_in_threadpool

from sales_forecast.service.dependencies import PlanKey, ReadKey, Service, ServiceDep, spend
from sales_forecast.service.negotiation import NegotiatedFormat, table_responses
from sales_forecast.service.planning import refuse_foreign
from sales_forecast.service.problems import ProblemError, error_responses
from sales_forecast.service.recording import audit_record
from sales_forecast.service.routes.pages import COST_OF_A_TABLE, about_run, answer_rows
from sales_forecast.service.schemas.exceptions import (
    ExceptionAnswerRequest,
    ExceptionsQuery,
    PlannerException,
    PlannerExceptions,
)
from sales_forecast.service.tables import columns_of
from sales_forecast.storage import overrides
from sales_forecast.storage.audit import AuditRecord
from sales_forecast.storage.exception_answers import ExceptionAnswer, add_answer, answered_exceptions
from sales_forecast.storage.keys import ApiKey
from sales_forecast.storage.queries import Run
from sales_forecast.storage.rows import RowFilter

router = APIRouter()

PATH = "/v1/turnover/exceptions"
COLUMNS = columns_of(PlannerException)


@router.get(PATH, response_model=PlannerExceptions, responses=table_responses() | error_responses(404, 406))
async def read_exceptions(
    request: Request,
    key: ReadKey,
    service: ServiceDep,
    form: NegotiatedFormat,
    query: Annotated[ExceptionsQuery, Query()],
) -> Response:
    """Read the series that deserve a planner's eye, the most urgent first, with the newest answer to each."""
    await spend(request, key, COST_OF_A_TABLE)
    run = await service.cache.newest("turnover", None)
    rows = await service.computations.run(key.key_id, _read, service, run)
    if query.answered is not None:
        rows = rows[rows["answer"].notna() == query.answered]
    return await answer_rows(
        *(request, key, query, "exceptions", rows, COLUMNS, form),
        limit=query.limit,
        offset=query.offset,
        about=about_run(run, RowFilter()),
    )


@router.post(f"{PATH}/answers", status_code=201, responses=error_responses(404, 409))
async def answer_exception(
    request: Request, key: PlanKey, service: ServiceDep, body: ExceptionAnswerRequest
) -> PlannerException:
    """Accept or correct an exception of the planner's own stores, assign it to a person, or reopen it."""
    run = await service.cache.newest("turnover", None)

    def to_record(answer: PlannerException) -> AuditRecord:
        asked = body.model_dump(mode="json", exclude_defaults=True)
        model, told = (run.model_name, run.model_version), answer.model_dump(mode="json")
        return audit_record(request, key, "none", model, asked, told)

    return await run_in_threadpool(_answer, service, key, run, body, to_record)


def _read(service: Service, run: Run) -> pd.DataFrame:
    with service.engine.connect() as connection:
        return answered_exceptions(connection, run)[list(COLUMNS)]


def _answer(
    service: Service,
    key: ApiKey,
    run: Run,
    body: ExceptionAnswerRequest,
    to_record: Callable[[PlannerException], AuditRecord],
) -> PlannerException:
    """Store an answer with its record, and return the exception with it.

    Raises:
        ProblemError: The answer does not fit, or is about a store that is not the planner's.
    """
    with service.plan_changes.begin() as (connection, records):
        if not _has(answered_exceptions(connection, run), body).any():
            detail = f"store '{body.store}', department '{body.department}' is no exception of publication "
            raise ProblemError(404, f"{detail}{run.id}; see GET {PATH}")
        refuse_foreign(service, connection, key, frozenset({body.store}), "the exception")
        _check_action(service, connection, body)
        answer = ExceptionAnswer(**{name: getattr(body, name) for name in type(body).model_fields})
        add_answer(connection, run, answer, (key.key_id, key.name), datetime.now(UTC))
        found = answered_exceptions(connection, run)
        answered = PlannerException.model_validate(found[_has(found, body)].iloc[0][list(COLUMNS)].to_dict())
        records.append(to_record(answered))
    return answered


def _has(rows: pd.DataFrame, body: ExceptionAnswerRequest) -> pd.Series[bool]:
    return (rows["store"] == body.store) & (rows["department"] == body.department)


def _check_action(service: Service, connection: Connection, body: ExceptionAnswerRequest) -> None:
    for action, name in {"correct": "override", "assign": "assigned_to"}.items():
        if (body.action == action) != (getattr(body, name) is not None):
            raise ProblemError(
                422, f"'{name}' comes with the action '{action}', and only then", f"body.{name}"
            )
    if body.override is None:
        return
    try:
        one = overrides.find(connection, service.retailer, body.override)
    except overrides.UnknownOverrideError as error:
        raise ProblemError(404, str(error), "body.override") from None
    covers = body.store in one.stores and one.correction.scope.department in (None, body.department)
    if not covers or one.withdrawn_at is not None:
        why = "is withdrawn" if covers else "is not for this store and department"
        raise ProblemError(409, f"override {one.id} {why}", "body.override")
