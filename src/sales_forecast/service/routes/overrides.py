"""Overrides: planners' numbers beside the forecasts, and what they were worth."""

from __future__ import annotations

from typing import Annotated

import pandas as pd
from fastapi import APIRouter, Path, Query, Request, Response
from starlette.concurrency import run_in_threadpool

from sales_forecast.planning.overrides import Override
from sales_forecast.planning.value_added import value_added
from sales_forecast.service.dependencies import PlanKey, ReadKey, Service, ServiceDep, spend
from sales_forecast.service.idempotency import IdempotencyKey, digest_of_request
from sales_forecast.service.negotiation import NegotiatedFormat, table_responses
from sales_forecast.service.plan_costs import spend_on_plan, spend_on_value
from sales_forecast.service.planning import propose_or_find, store_override, withdraw_override
from sales_forecast.service.problems import ProblemError, error_responses
from sales_forecast.service.recording import audit_record
from sales_forecast.service.routes.pages import COST_OF_A_TABLE, answer_rows
from sales_forecast.service.schemas.overrides import (
    ListedOverride,
    OverrideAnswer,
    OverrideRecord,
    OverrideRequest,
    Overrides,
    OverridesQuery,
    Words,
)
from sales_forecast.service.schemas.plan import OverrideValue, ValueAdded, ValueQuery
from sales_forecast.service.schemas.requests import Flag
from sales_forecast.service.tables import columns_of
from sales_forecast.storage.audit import AuditRecord
from sales_forecast.storage.keys import ApiKey
from sales_forecast.storage.override_lists import known_labels, listed_overrides
from sales_forecast.storage.override_value import overridden_weeks
from sales_forecast.storage.overrides import LARGEST_ID
from sales_forecast.storage.queries import Run

router = APIRouter()

PATH = "/v1/turnover/overrides"
COLUMNS = columns_of(ListedOverride)
VALUE_COLUMNS = columns_of(ValueAdded)

DRY_RUN = "Whether to say what would change, and store nothing."


@router.post(
    PATH,
    status_code=201,
    responses=error_responses(404, 409)
    | {200: {"model": OverrideAnswer, "description": "A dry run: nothing is stored."}},
)
async def create_override(
    request: Request,
    response: Response,
    key: PlanKey,
    service: ServiceDep,
    body: OverrideRequest,
    dry_run: Annotated[Flag, Query(description=DRY_RUN)] = False,
    idempotency_key: IdempotencyKey = None,
) -> OverrideAnswer:
    """Override forecasts of the planner's own stores, spread over series and weeks as they are forecast."""
    run = await service.cache.newest("turnover", None)
    if dry_run:
        response.status_code, idempotency_key = 200, None
    return await make_override(request, key, service, run, body, idempotency_key, dry_run=dry_run)


async def make_override(
    request: Request,
    key: ApiKey,
    service: Service,
    run: Run,
    body: OverrideRequest,
    idempotency_key: str | None = None,
    *,
    dry_run: bool = False,
) -> OverrideAnswer:
    """Make an override, or say what it would change.

    Args:
        request: Request that is answered.
        key: API key of the planner.
        service: Service with the database.
        run: Publication that the planner has seen.
        body: What the planner asks for.
        idempotency_key: What the client calls the request; None if it may be made twice.
        dry_run: Whether nothing is stored.

    Raises:
        ProblemError: It cannot be made, or the publication is not the newest any more.
    """
    await spend_on_plan(request, key, run)
    while True:
        answer = await _make(request, key, service, run, body, idempotency_key, dry_run=dry_run)
        if answer is not None:
            return answer


async def _make(
    request: Request,
    key: ApiKey,
    service: Service,
    run: Run,
    body: OverrideRequest,
    idempotency_key: str | None,
    *,
    dry_run: bool,
) -> OverrideAnswer | None:
    """Try, make or find an override; None if the same request has made it meanwhile: then it can be found."""
    content = body.model_dump(mode="json", exclude_defaults=True)
    name = (idempotency_key, digest_of_request(service.retailer, content)) if idempotency_key else None
    proposal, found = await service.computations.run(
        key.key_id, propose_or_find, service, key, run, body.correction, name
    )

    def answer(made: Override | None) -> OverrideAnswer:
        return OverrideAnswer.of(proposal, made, made.publication if made else run.id)

    def to_record(made: Override | None) -> AuditRecord:
        model, asked = (run.model_name, run.model_version), {**content, "dry_run": dry_run}
        return audit_record(request, key, "none", model, asked, answer(made).model_dump(mode="json"))

    if dry_run or found is not None:  # nothing is stored
        await service.audit_writer.record([to_record(found)])
        return answer(found)
    made = await run_in_threadpool(store_override, service, key, run, proposal, to_record, name)
    return answer(made) if made is not None else None


@router.get(PATH, response_model=Overrides, responses=table_responses() | error_responses(404, 406))
async def read_overrides(
    request: Request,
    key: ReadKey,
    service: ServiceDep,
    form: NegotiatedFormat,
    query: Annotated[OverridesQuery, Query()],
) -> Response:
    """Read overrides, newest first, also those that have expired or were withdrawn."""
    await spend(request, key, COST_OF_A_TABLE)
    run = await service.cache.newest("turnover", None)
    rows, total = await service.computations.run(key.key_id, _listed, service, run, query)
    return await answer_rows(
        *(request, key, query, "overrides", rows, COLUMNS, form),
        limit=query.limit,
        offset=query.offset,
        total=total,
    )


@router.get(
    f"{PATH}/value", response_model=OverrideValue, responses=table_responses() | error_responses(404, 406)
)
async def read_override_value(
    request: Request,
    key: ReadKey,
    service: ServiceDep,
    form: NegotiatedFormat,
    query: Annotated[ValueQuery, Query()],
) -> Response:
    """Read what overrides were worth once their weeks had come, by reason and by direction."""
    run = await service.cache.newest("turnover", None)
    await spend_on_value(request, key, run, query.since)
    rows = await service.computations.run(key.key_id, _value, service, query)
    return await answer_rows(
        *(request, key, query, "value", rows, VALUE_COLUMNS, form), limit=query.limit, offset=query.offset
    )


@router.delete(f"{PATH}/{{number:int}}", responses=error_responses(404, 409))
async def withdraw_own_override(
    request: Request,
    key: PlanKey,
    service: ServiceDep,
    number: Annotated[int, Path(ge=1, le=LARGEST_ID, description="Number of the override.")],
    why: Annotated[Words, Query(description="Why, in words; it stays on record.")],
) -> OverrideRecord:
    """Withdraw an override of the planner's own stores; it stays on record."""
    run = await service.cache.newest("turnover", None)

    def to_record(withdrawn: Override) -> AuditRecord:
        model, asked = (run.model_name, run.model_version), {"number": number, "why": why}
        answer = OverrideRecord.of(withdrawn).model_dump(mode="json")
        return audit_record(request, key, "none", model, asked, answer)

    found = await run_in_threadpool(withdraw_override, service, key, number, why, to_record)
    return OverrideRecord.of(found)


def _listed(service: Service, run: Run, query: OverridesQuery) -> tuple[pd.DataFrame, int]:
    """The fields of a page of the response, a row per override; and the number of rows of all pages.

    Raises:
        ProblemError: A store, department or region is neither published nor in an override.
    """
    wanted = {name: getattr(query, name) for name in ("store", "department", "region", "reason")}
    with service.engine.connect() as connection:
        for name in ("store", "department", "region"):
            known = known_labels(connection, run, name, wanted[name])
            if unknown := [label for label in wanted[name] if label not in known]:
                raise ProblemError(404, f"there is no {name} '{unknown[0]}'", f"query.{name}")
        return listed_overrides(
            *(connection, service.retailer, service.published.size(run).first_week, wanted),
            active=query.active,
            limit=query.limit,
            offset=query.offset,
        )


def _value(service: Service, query: ValueQuery) -> pd.DataFrame:
    with service.engine.connect() as connection:
        rows = overridden_weeks(connection, service.retailer, query.since)
    return value_added(rows)[list(VALUE_COLUMNS)]
