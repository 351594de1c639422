"""Operations: registered models, the audit log, health and metrics."""

from __future__ import annotations

from importlib.metadata import version
from typing import Annotated, Any

from fastapi import APIRouter, Path, Request, Response
from prometheus_client import CONTENT_TYPE_LATEST, Gauge
from starlette.concurrency import run_in_threadpool

from sales_forecast.registry.store import CHALLENGER, CHAMPION
from sales_forecast.service.dependencies import AdminKey, OptionalKey, ReadKey, Service, ServiceDep
from sales_forecast.service.metrics import render_process
from sales_forecast.service.model_manager import DOMAINS, LOADING, Domain
from sales_forecast.service.problems import ProblemError, error_responses
from sales_forecast.service.readiness import VALUES
from sales_forecast.service.recording import UNRECORDED, record_event
from sales_forecast.service.schemas.operations import (
    AuditEntry,
    AuditResponse,
    ChampionChange,
    Health,
    Models,
    ModelVersion,
    Readiness,
)
from sales_forecast.storage import audit
from sales_forecast.storage.keys import ApiKey

router = APIRouter()

VERSION = version("sales_forecast")

READY = Gauge(
    "sales_forecast_ready", "1 for green, 0.5 for yellow, 0 for red.", multiprocess_mode="livemostrecent"
)


@router.get("/v1/models", responses=error_responses())
def read_models(request: Request, key: ReadKey, service: ServiceDep) -> Models:
    """Read registered versions with aliases and metrics, changes of the champion, and the split of stores."""
    manager = service.model_manager
    known = [manager.records[domain] for domain in sorted(manager.records)]
    metrics: dict[tuple[str, str], dict[str, dict[str, float]]] = {}
    for row in (row for records in known for row in records.metrics):
        of_version = metrics.setdefault((row["name"], row["version"]), {})
        of_version.setdefault(row["window"], {})[row["metric"]] = row["value"]
    aliases: dict[tuple[str, str], list[str]] = {}
    for alias in manager.aliases:
        aliases.setdefault((alias.model_name, alias.version), []).append(alias.alias)
    share = service.settings.ab.challenger_share if manager.challenger() else 0.0
    return Models(
        request_id=request.state.request_id,
        split={CHAMPION: 1 - share, CHALLENGER: share},
        versions=[
            ModelVersion(
                **row,
                aliases=aliases.get((row["name"], row["version"]), []),
                metrics=metrics.get((row["name"], row["version"]), {}),
            )
            for records in known
            for row in records.models
        ],
        champion_changes=[
            ChampionChange(**row if "admin" in key.scopes else row | {"who": None})
            for records in known
            for row in records.champion_changes
        ],
    )


@router.get("/v1/audit/{request_id}", responses=error_responses(404))
async def read_audit(
    request: Request,
    key: AdminKey,
    service: ServiceDep,
    request_id: Annotated[str, Path(max_length=50, description="Id of the request to look up.")],
) -> AuditResponse:
    """Read what a request was answered, and by which model; that it was read is on record, too."""
    if request_id.endswith(UNRECORDED):
        raise ProblemError(
            404, "this read of stored forecasts is not on record: audit.share_of_stored_reads in service.yml"
        )
    records = await run_in_threadpool(_records, service, request_id)
    content, result = {"request_id": request_id}, {"records": len(records)}
    await record_event(request, key, audit.RECORD_READ, content, result)
    if not records:
        raise ProblemError(404, f"the audit log has no request with the id '{request_id}'", "path.request_id")
    return AuditResponse(answers=[AuditEntry.model_validate(record) for record in records])


def _records(service: Service, request_id: str) -> list[audit.AuditRecord]:
    with service.engine.connect() as connection:
        return audit.records_of_request(connection, request_id)


@router.get("/health")
async def read_health() -> Health:
    """Check whether the process runs."""
    return Health(status="ok", version=VERSION)


@router.get("/startup", responses={503: {"model": Health, "description": "Models are still being loaded."}})
async def read_startup(service: ServiceDep, response: Response) -> Health:
    """Check whether the process has started: whether it has tried to load the models."""
    if LOADING in service.model_manager.problems:
        response.status_code = 503
        return Health(status="starting", version=VERSION)
    return Health(status="ok", version=VERSION)


RED: dict[int | str, dict[str, Any]] = {
    503: {"model": Readiness, "description": "Red: requests cannot be answered."}
}


@router.get("/ready", responses=RED)
async def read_readiness(key: OptionalKey, service: ServiceDep, response: Response) -> Readiness:
    """Check whether requests can be answered, and whether anything needs attention; details need a key."""
    return _answer(key, response, await service.readiness())


@router.get("/ready/{domain}", responses=RED | {422: error_responses()[422]})
async def read_readiness_of_domain(
    key: OptionalKey, service: ServiceDep, response: Response, domain: Domain
) -> Readiness:
    """Check whether requests of one domain can be answered; details need a key."""
    found = await service.readiness()
    checks = {name: one for name, one in found.checks.items() if name.split()[0] not in {*DOMAINS} - {domain}}
    of_domain = Readiness(
        status=found.domains[domain], domains={domain: found.domains[domain]}, checks=checks
    )
    return _answer(key, response, of_domain)


def _answer(key: ApiKey | None, response: Response, found: Readiness) -> Readiness:
    if found.status == "red":
        response.status_code = 503
    return found if key else found.without_details()


@router.get("/metrics", response_class=Response, responses={200: {"content": {"text/plain": {}}}})
async def read_metrics(service: ServiceDep) -> Response:
    """Read metrics in the format of Prometheus."""
    READY.set(VALUES[(await service.readiness()).status])
    content = await run_in_threadpool(lambda: render_process() + service.forecast_metrics.render())
    return Response(content, media_type=CONTENT_TYPE_LATEST)
