"""Whether requests can be answered: by each domain, and by the database, which records every answer."""

from __future__ import annotations

import logging
import threading
from collections.abc import Iterable
from datetime import UTC, datetime, timedelta
from time import monotonic
from typing import TYPE_CHECKING

from prometheus_client import Gauge
from sqlalchemy import Engine
from sqlalchemy.exc import SQLAlchemyError

from sales_forecast.registry.store import CHALLENGER, CHAMPION
from sales_forecast.service.model_manager import DOMAINS, LOADING, Domain, ModelManager
from sales_forecast.service.schemas.operations import Check, CheckStatus, Readiness
from sales_forecast.storage.database import is_busy, short_waits, upsert
from sales_forecast.storage.queries import Run, newest_run
from sales_forecast.storage.schema import write_probes

if TYPE_CHECKING:
    from sales_forecast.service.dependencies import Service

logger = logging.getLogger(__name__)

FORECAST_AGE = Gauge(
    "sales_forecast_forecast_age_seconds",
    "Seconds since the stored forecasts were made.",
    ["domain"],
    multiprocess_mode="livemostrecent",
)

VALUES: dict[CheckStatus, float] = {"green": 1.0, "yellow": 0.5, "red": 0.0}

SECONDS_BETWEEN_PROBES = 5.0

BUSY_SECONDS = 30.0
"""So long the database may be busy with the writes of others; requests give up after that time, too."""


class WriteProbe:
    """Proves that the database takes writes, by one small write once in a while.

    Args:
        engine: SQLAlchemy engine of the database.
    """

    def __init__(self, engine: Engine) -> None:
        self._engine, self._lock = engine, threading.Lock()
        self._next, self._works, self._worked_at = 0.0, False, -BUSY_SECONDS

    def works(self) -> bool:
        """Return whether the last write worked, which is some seconds old, or others write just now."""
        with self._lock:
            if monotonic() >= self._next:
                self._works = self._write()
                self._next = monotonic() + SECONDS_BETWEEN_PROBES
            return self._works

    def _write(self) -> bool:
        try:
            with short_waits(self._engine) as connection:
                upsert(connection, write_probes, [{"id": 1, "at": datetime.now(UTC)}])
        except SQLAlchemyError as error:
            if is_busy(error) and monotonic() - self._worked_at < BUSY_SECONDS:
                return True
            logger.error("The database takes no writes: %s", getattr(error, "orig", error))
            return False
        self._worked_at = monotonic()
        return True


def check(service: Service) -> Readiness:
    """Check what requests need, for each domain and altogether.

    A domain is red if something that it has cannot be used, and yellow if it has nothing yet: a retailer may
    use one domain only. If no domain has anything, nothing can be answered.

    Args:
        service: Service whose models and database are checked.
    """
    manager = service.model_manager
    if service.write_probe.works():
        database = Check(status="green", detail="it answers and takes writes")
    else:
        database = Check(status="red", detail="it takes no writes, so no answer could be recorded")
    checks, domains = {"database": database}, dict.fromkeys(DOMAINS, database.status)
    stored: set[Domain] = set()
    try:
        with service.engine.connect() as connection:
            for domain in DOMAINS:
                run = newest_run(connection, domain, retailer=service.retailer)
                stored |= {domain} if run else set()
                found = _check_domain(service, domain, run)
                domains[domain] = worst([database, *found.values()])
                checks |= found
    except SQLAlchemyError:
        checks["database"] = Check(status="red", detail="it does not answer")
        domains = dict.fromkeys(DOMAINS, "red")
    if LOADING in manager.problems:
        checks[LOADING] = Check(status="red", detail=manager.problems[LOADING])
    elif not any(manager.champion(domain) or domain in stored for domain in DOMAINS):
        checks[LOADING] = Check(status="red", detail="no model is loaded and no forecasts are stored")
    return Readiness(status=worst(checks.values()), domains=domains, checks=checks)


def worst(checks: Iterable[Check]) -> CheckStatus:
    """Return the worst status of some checks."""
    return min((one.status for one in checks), key=VALUES.__getitem__)


def _check_domain(service: Service, domain: Domain, run: Run | None) -> dict[str, Check]:
    champion = _check_champion(service.model_manager, domain, has_stored=run is not None)
    found = {f"{domain} {CHAMPION}": champion, f"{domain} forecasts": _check_forecasts(service, domain, run)}
    for name in (f"{domain} registry", f"{domain} {CHALLENGER}"):
        if reason := service.model_manager.problems.get(name):
            found[name] = Check(status="yellow", detail=reason)
    return found


def _check_champion(manager: ModelManager, domain: Domain, *, has_stored: bool) -> Check:
    """Check that the champion is loaded; without a registry, stored forecasts can still be read."""
    arm, reason = manager.champion(domain), manager.problems.get(f"{domain} {CHAMPION}")
    if arm is not None:
        return Check(
            status="yellow" if reason else "green",
            detail=reason or f"version {arm.version} of {arm.model_name}",
        )
    if reason is not None:
        return Check(status="red", detail=reason)
    if f"{domain} registry" in manager.problems:
        detail = "none is loaded, as the registry does not answer; only stored forecasts can be read"
        return Check(status="yellow" if has_stored else "red", detail=detail)
    return Check(status="yellow", detail="no version serves yet; make one: kedro run")


def _check_forecasts(service: Service, domain: Domain, run: Run | None) -> Check:
    """Check that the stored forecasts are recent, and made by the version that serves."""
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
