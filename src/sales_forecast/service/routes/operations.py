"""Operations: registered models, the audit log, health and metrics."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from importlib.metadata import version
from typing import Annotated

from fastapi import APIRouter, Path, Request, Response
from prometheus_client import CONTENT_TYPE_LATEST, Gauge, generate_latest
from sqlalchemy import Connection
from sqlalchemy.exc import SQLAlchemyError

from sales_forecast.registry.store import CHALLENGER, CHAMPION
from sales_forecast.service.dependencies import AdminKey, ReadKey, Service, ServiceDep
from sales_forecast.service.model_manager import DOMAINS, LOADING, Domain
from sales_forecast.service.problems import ProblemError, error_responses
from sales_forecast.service.schemas.responses import (
    AuditEntry,
    AuditResponse,
    ChampionChange,
    Check,
    CheckStatus,
    Health,
    Models,
    ModelVersion,
    Readiness,
)
from sales_forecast.storage import audit
from sales_forecast.storage.queries import newest_run

router = APIRouter()

VERSION = version("sales_forecast")

READY = Gauge("sales_forecast_ready", "1 for green, 0.5 for yellow, 0 for red.")
FORECAST_AGE = Gauge(
    "sales_forecast_forecast_age_seconds", "Seconds since the stored forecasts were made.", ["domain"]
)

READY_VALUES: dict[CheckStatus, float] = {"green": 1.0, "yellow": 0.5, "red": 0.0}


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
        champion_changes=[ChampionChange(**row) for records in known for row in records.champion_changes],
    )


@router.get("/v1/audit/{request_id}", responses=error_responses(404))
def read_audit(
    key: AdminKey,
    service: ServiceDep,
    request_id: Annotated[str, Path(max_length=36, description="Id of the request to look up.")],
) -> AuditResponse:
    """Read what a request was answered, and by which model."""
    with service.engine.connect() as connection:
        records = audit.records_of_request(connection, request_id)
    if not records:
        raise ProblemError(404, f"the audit log has no request with the id '{request_id}'", "path.request_id")
    return AuditResponse(answers=[AuditEntry.model_validate(record) for record in records])


@router.get("/health")
async def read_health() -> Health:
    """Check whether the process runs."""
    return Health(status="ok", version=VERSION)


@router.get(
    "/ready", responses={503: {"model": Readiness, "description": "Red: requests cannot be answered."}}
)
def read_readiness(service: ServiceDep, response: Response) -> Readiness:
    """Check whether requests can be answered, and whether database, models or forecasts need attention."""
    checks = _checks(service)
    worst = _worst(checks)
    if worst == "red":
        response.status_code = 503
    return Readiness(status=worst, checks=checks)


@router.get("/metrics", response_class=Response, responses={200: {"content": {"text/plain": {}}}})
def read_metrics(service: ServiceDep) -> Response:
    """Read metrics in the format of Prometheus."""
    READY.set(READY_VALUES[_worst(_checks(service))])
    content = generate_latest() + service.forecast_metrics.render()
    return Response(content, media_type=CONTENT_TYPE_LATEST)


def _worst(checks: dict[str, Check]) -> CheckStatus:
    return min((check.status for check in checks.values()), key=READY_VALUES.__getitem__)


def _checks(service: Service) -> dict[str, Check]:
    manager = service.model_manager
    checks = {f"{domain} {CHAMPION}": _check_champion(service, domain) for domain in DOMAINS}
    for name, reason in manager.problems.items():
        checks[name] = Check(status="yellow", detail=reason)
    if not any(manager.champion(domain) for domain in DOMAINS):
        checks["models"] = Check(status="red", detail=manager.problems.get(LOADING, "none is loaded"))
    try:
        with service.engine.connect() as connection:
            stored = {
                f"{domain} forecasts": _check_forecasts(service, connection, domain) for domain in DOMAINS
            }
    except SQLAlchemyError:
        return checks | {"database": Check(status="red", detail="it does not answer")}
    return checks | stored | {"database": Check(status="green", detail="it answers")}


def _check_champion(service: Service, domain: Domain) -> Check:
    """Check that a champion is loaded; without one is yellow, since a retailer may use one domain only."""
    arm = service.model_manager.champion(domain)
    if arm is None:
        return Check(status="yellow", detail="no version serves yet; make one: kedro run")
    return Check(status="green", detail=f"version {arm.version} of {arm.model_name}")


def _check_forecasts(service: Service, connection: Connection, domain: Domain) -> Check:
    """Check that the stored forecasts are recent, and made by the version that serves."""
    run = newest_run(connection, domain, retailer=service.retailer)
    if run is None:
        return Check(status="yellow", detail="none are stored; make some: kedro run")
    age: timedelta = datetime.now(UTC) - run.made_at
    FORECAST_AGE.labels(domain).set(age.total_seconds())
    if age > timedelta(days=(allowed := service.settings.forecasts_older_than_days)):
        return Check(
            status="yellow",
            detail=f"made {age.days} days ago, more than {allowed:g}; add newer files, then: kedro run",
        )
    arm = service.model_manager.champion(domain)
    if arm is not None and arm.version != run.model_version:
        return Check(
            status="yellow",
            detail=f"made by version {run.model_version}, while version {arm.version} serves; make new ones: "
            "kedro run --pipelines inference",
        )
    return Check(
        status="green", detail=f"made {run.made_at:%Y-%m-%d %H:%M} UTC by version {run.model_version}"
    )
