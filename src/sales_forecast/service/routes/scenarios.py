"""What-if scenarios: answered by the champion, and saved for planners to compare and to share."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Annotated
from uuid import UUID

import orjson
from fastapi import APIRouter, Path, Query, Request, Response
from starlette.concurrency import run_in_threadpool

from sales_forecast.service.dependencies import (
    COST_OF_A_REQUEST,
    PredictKey,
    ReadKey,
    Service,
    ServiceDep,
    spend,
)
from sales_forecast.service.problems import ProblemError, error_responses
from sales_forecast.service.recording import audit_record, record_event, record_stored_read
from sales_forecast.service.routes.live import UNITS_OF_OWN_DATA
from sales_forecast.service.routes.pages import COST_OF_A_TABLE
from sales_forecast.service.scenarios import answer_scenario, compare
from sales_forecast.service.schemas.scenarios import (
    ComparedGroup,
    ComparisonQuery,
    Scenario,
    ScenarioComparison,
    ScenarioQuery,
    ScenarioRequest,
    ScenarioResponse,
    Scenarios,
    ScenarioSummary,
)
from sales_forecast.storage import scenarios as stored
from sales_forecast.storage.audit import SCENARIO
from sales_forecast.storage.database import writing
from sales_forecast.storage.keys import ApiKey

router = APIRouter()

ENDPOINT = "/v1/turnover/scenarios"

UNITS_OF_A_CHANGE = 2 * UNITS_OF_OWN_DATA
"""Each changed covariate takes two predictions with data of their own."""

MAX_SAVED = 500
"""Largest number of scenarios that one API key may have saved."""

ScenarioId = Annotated[UUID, Path(description="Id of the scenario.")]


@router.post(ENDPOINT, response_model=ScenarioResponse, responses=error_responses(409))
async def ask_what_if(
    request: Request, key: PredictKey, service: ServiceDep, body: ScenarioRequest
) -> Response:
    """Predict what another plan would change: promotions, prices or opening days of some stores and weeks."""
    if body.save_as and "plan" not in key.scopes:
        scopes = ", ".join(sorted(key.scopes))
        raise ProblemError(403, f"this key is for {scopes}; to save a scenario, one for plan is needed")
    if body.save_as:
        await run_in_threadpool(_refuse_too_many, service, key)
    arm = service.turnover_champion()
    units = UNITS_OF_OWN_DATA + UNITS_OF_A_CHANGE * len(body.changes)
    await spend(request, key, units - COST_OF_A_REQUEST)
    answer = await service.computations.run(key.key_id, answer_scenario, arm, body)
    asked = body.model_dump(mode="json", exclude_defaults=True)
    model = (arm.model_name, arm.version)
    record = audit_record(request, key, arm.name, model, asked, answer)
    await service.audit_writer.record([record])
    saved = await run_in_threadpool(_save, service, key, body, answer) if body.save_as else None
    content = answer | {"request_id": request.state.request_id, "id": saved}
    return Response(orjson.dumps(content), media_type="application/json")


@router.get(ENDPOINT, responses=error_responses())
async def list_scenarios(
    request: Request, key: ReadKey, service: ServiceDep, query: Annotated[ScenarioQuery, Query()]
) -> Scenarios:
    """Read saved scenarios, the newest first."""
    found = await run_in_threadpool(_newest, service, query.limit + 1, query.offset)
    shown, more = found[: query.limit], len(found) > query.limit
    await _record_read(request, key, query.model_dump(mode="json"), shown)
    return Scenarios.model_validate(
        {
            "scenarios": [vars(entry) for entry in shown],
            "next_offset": query.offset + query.limit if more else None,
        }
    )


@router.get(f"{ENDPOINT}/compare", response_model=ScenarioComparison, responses=error_responses(404))
async def compare_scenarios(
    request: Request, key: ReadKey, service: ServiceDep, query: Annotated[ComparisonQuery, Query()]
) -> Response:
    """Read saved scenarios side by side, group by group."""
    await spend(request, key, COST_OF_A_TABLE)
    found = [await _find(service, scenario, "query.id") for scenario in query.id]
    content = await service.computations.run(key.key_id, _compared, found)
    await _record_read(request, key, query.model_dump(mode="json"), found)
    return Response(content, media_type="application/json")


@router.get(f"{ENDPOINT}/{{scenario_id:uuid}}", response_model=Scenario, responses=error_responses(404))
async def read_scenario(
    request: Request, key: ReadKey, service: ServiceDep, scenario_id: ScenarioId
) -> Response:
    """Read a saved scenario with its answer."""
    await spend(request, key, COST_OF_A_TABLE)
    found = await _find(service, scenario_id, "path.scenario_id")
    content = await service.computations.run(key.key_id, _as_json, found)
    await _record_read(request, key, {"id": found.id}, [found])
    return Response(content, media_type="application/json")


@router.delete(f"{ENDPOINT}/{{scenario_id:uuid}}", status_code=204, responses=error_responses(404))
async def delete_scenario(
    request: Request, key: ReadKey, service: ServiceDep, scenario_id: ScenarioId
) -> None:
    """Delete a saved scenario: one's own, or any with the scope admin."""
    found = await _find(service, scenario_id, "path.scenario_id")
    if found.key_id != key.key_id and "admin" not in key.scopes:
        raise ProblemError(
            403, f"this scenario was saved by {found.made_by}; only they or an admin can delete it"
        )
    result = {"name": found.name, "key_id": found.key_id}
    await record_event(request, key, SCENARIO, {"action": "delete", "scenario": found.id}, result)
    await run_in_threadpool(_remove, service, found.id)


async def _record_read(
    request: Request, key: ApiKey, content: object, found: Sequence[stored.ScenarioEntry]
) -> None:
    """Write to the audit log which scenarios were read: each has one answer, which never changes."""
    await record_stored_read(request, key, ("", ""), content, {"scenarios": [one.id for one in found]})


def _compared(found: Sequence[stored.SavedScenario]) -> str:
    """The comparison of scenarios, as JSON."""
    return ScenarioComparison(
        scenarios=[ScenarioSummary.model_validate(vars(one)) for one in found],
        same_basis=stored.have_same_basis(found),
        groups=[ComparedGroup.model_validate(group) for group in compare(found)],
    ).model_dump_json()


def _as_json(found: stored.SavedScenario) -> str:
    return Scenario.model_validate(vars(found)).model_dump_json()


def _refuse_too_many(service: Service, key: ApiKey) -> None:
    """Refuse what could not be saved before it is computed.

    Raises:
        ProblemError: The API key has saved as many scenarios as it may.
    """
    with service.engine.connect() as connection:
        if stored.count_own(connection, key, service.retailer) >= MAX_SAVED:
            raise _too_many()


def _too_many() -> ProblemError:
    detail = f"this key has saved {MAX_SAVED} scenarios; delete some of them"
    return ProblemError(409, detail, "body.save_as")


def _save(service: Service, key: ApiKey, body: ScenarioRequest, answer: dict[str, object]) -> str:
    try:
        with writing(service.engine) as connection:
            return stored.save(
                connection,
                f"{body.save_as}",
                body.model_dump(mode="json"),
                answer,
                key=key,
                retailer=service.retailer,
                model_version=f"{answer['model_version']}",
                most=MAX_SAVED,
                now=datetime.now(UTC),
            )
    except stored.TooManyScenariosError:
        raise _too_many() from None


async def _find(service: Service, scenario: UUID, field: str) -> stored.SavedScenario:
    """Find a saved scenario.

    Raises:
        ProblemError: There is none of this id.
    """
    found = await run_in_threadpool(_query, service, f"{scenario}")
    if found is None:
        raise ProblemError(404, f"there is no scenario '{scenario}'; perhaps it was deleted", field)
    return found


def _query(service: Service, scenario: str) -> stored.SavedScenario | None:
    with service.engine.connect() as connection:
        return stored.find(connection, scenario, service.retailer)


def _newest(service: Service, limit: int, offset: int) -> Sequence[stored.ScenarioEntry]:
    with service.engine.connect() as connection:
        return stored.newest(connection, service.retailer, limit, offset)


def _remove(service: Service, scenario: str) -> None:
    with writing(service.engine) as connection:
        stored.remove(connection, scenario)
