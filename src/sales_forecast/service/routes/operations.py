"""How the service is: its models, its health, its numbers, and what it has answered."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from importlib.metadata import version
from typing import Annotated

from fastapi import APIRouter, Path, Request, Response
from prometheus_client import CONTENT_TYPE_LATEST, Gauge, generate_latest
from sqlalchemy import Connection, select
from sqlalchemy.exc import SQLAlchemyError

from sales_forecast.registry.store import CHALLENGER, CHAMPION
from sales_forecast.service.dependencies import Admin, AService, Reader, Service
from sales_forecast.service.model_manager import KINDS, LOADING
from sales_forecast.service.problems import ProblemError, documented
from sales_forecast.service.schemas.responses import (
    AuditEntry,
    AuditResponse,
    ChampionChange,
    Check,
    Health,
    Level,
    Models,
    ModelVersion,
    Readiness,
)
from sales_forecast.storage.queries import newest_run
from sales_forecast.storage.schema import audit_log

router = APIRouter()

VERSION = version("sales_forecast")

READY = Gauge("sales_forecast_ready", "1 green, 0.5 yellow, 0 red.")
FORECAST_AGE = Gauge(
    "sales_forecast_forecast_age_seconds", "Since the stored forecasts were made.", ["domain"]
)

LEVELS: dict[Level, float] = {"green": 1.0, "yellow": 0.5, "red": 0.0}


@router.get("/v1/models", responses=documented())
def read_models(request: Request, caller: Reader, service: AService) -> Models:
    """Versions with aliases and metrics, changes of the champion, and how requests are split."""
    model_manager = service.model_manager
    known = [model_manager.records[domain] for domain in sorted(model_manager.records)]
    metrics: dict[tuple[str, str], dict[str, dict[str, float]]] = {}
    for row in (row for domain in known for row in domain.metrics):
        of_version = metrics.setdefault((row["name"], row["version"]), {})
        of_version.setdefault(row["window"], {})[row["metric"]] = row["value"]
    aliases: dict[tuple[str, str], list[str]] = {}
    for each in model_manager.aliases:
        aliases.setdefault((each.model_name, each.version), []).append(each.alias)
    share = service.settings.ab.challenger_share if model_manager.challenger() else 0.0
    return Models(
        request_id=request.state.request_id,
        split={CHAMPION: 1 - share, CHALLENGER: share},
        versions=[
            ModelVersion(
                **row,
                aliases=aliases.get((row["name"], row["version"]), []),
                metrics=metrics.get((row["name"], row["version"]), {}),
            )
            for domain in known
            for row in domain.models
        ],
        champion_changes=[ChampionChange(**row) for domain in known for row in domain.champion_changes],
    )


@router.get("/v1/audit/{request_id}", responses=documented(404))
def read_audit(
    caller: Admin, service: AService, request_id: Annotated[str, Path(max_length=36)]
) -> AuditResponse:
    """What one request was answered, and by which model."""
    with service.engine.connect() as connection:
        impossible = "\x00" in request_id
        asked = select(audit_log).where(audit_log.c.request_id == request_id)
        rows = [] if impossible else connection.execute(asked).all()
    if not rows:
        raise ProblemError(
            404, f"no answer with the request id '{request_id}' is on record", "path.request_id"
        )
    return AuditResponse(answers=[AuditEntry(**row._mapping) for row in rows])


@router.get("/health")
async def read_health() -> Health:
    """Whether the process runs."""
    return Health(status="ok", version=VERSION)


@router.get("/ready", responses={503: {"model": Readiness, "description": "Red: it cannot answer."}})
def read_readiness(service: AService, response: Response) -> Readiness:
    """Whether it can answer, and whether somebody should look: database, models, age of the forecasts."""
    checks = _checks(service)
    worst = _worst(checks)
    if worst == "red":
        response.status_code = 503
    return Readiness(status=worst, checks=checks)


@router.get("/metrics", response_class=Response, responses={200: {"content": {"text/plain": {}}}})
def read_metrics(service: AService) -> Response:
    """Numbers for Prometheus."""
    READY.set(LEVELS[_worst(_checks(service))])
    return Response(generate_latest(), media_type=CONTENT_TYPE_LATEST)


def _worst(checks: dict[str, Check]) -> Level:
    return min((check.status for check in checks.values()), key=LEVELS.__getitem__)


def _checks(service: Service) -> dict[str, Check]:
    model_manager = service.model_manager
    checks = {f"{domain} {CHAMPION}": _champion(service, domain) for domain in KINDS}
    for name, reason in model_manager.problems.items():
        checks[name] = Check(status="yellow", detail=reason)
    if not any(model_manager.champion(domain) for domain in KINDS):
        checks["models"] = Check(status="red", detail=model_manager.problems.get(LOADING, "none is loaded"))
    try:
        with service.engine.connect() as connection:
            stored = {f"{domain} forecasts": _forecasts(service, connection, domain) for domain in KINDS}
    except SQLAlchemyError:
        return checks | {"database": Check(status="red", detail="it does not answer")}
    return checks | stored | {"database": Check(status="green", detail="it answers")}


def _champion(service: Service, domain: str) -> Check:
    """A retailer may have one domain only."""
    arm = service.model_manager.champion(domain)
    if arm is None:
        return Check(status="yellow", detail="no version serves yet; make one: kedro run")
    return Check(status="green", detail=f"version {arm.version} of {arm.model_name}")


def _forecasts(service: Service, connection: Connection, domain: str) -> Check:
    run = newest_run(connection, domain)
    if run is None:
        return Check(status="yellow", detail="none are stored; make some: kedro run")
    age: timedelta = datetime.now(UTC) - run.made_at
    FORECAST_AGE.labels(domain).set(age.total_seconds())
    if age > timedelta(days=(allowed := service.settings.forecasts_older_than_days)):
        return Check(
            status="yellow",
            detail=f"made {age.days} days ago, more than {allowed:g}; bring newer files, then: kedro run",
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
