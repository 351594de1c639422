"""What routes depend on: the service, and the API key of the request."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from time import perf_counter_ns
from typing import Annotated, NoReturn

from fastapi import Depends, Request
from fastapi.security import HTTPAuthorizationCredentials, HTTPBearer
from sqlalchemy import Engine

from sales_forecast.models.marketing import BudgetInterval
from sales_forecast.service.arms import BudgetArm, TurnoverArm
from sales_forecast.service.audit import AuditWriter
from sales_forecast.service.auth import Authenticator
from sales_forecast.service.cache import PageCache
from sales_forecast.service.metrics import ForecastMetrics
from sales_forecast.service.model_manager import Domain, ModelManager
from sales_forecast.service.problems import ProblemError, unavailable
from sales_forecast.service.rate_limit import RateLimiter
from sales_forecast.service.sessions import BrowserSessions
from sales_forecast.service.settings import BudgetIntervalSettings, ServiceSettings
from sales_forecast.storage.audit import AuditRecord
from sales_forecast.storage.keys import ApiKey, Scope


@dataclass
class Service:
    """Everything that requests share.

    Args:
        settings: Settings of the service.
        engine: SQLAlchemy engine of the database.
        model_manager: Manager of the loaded models.
        audit_writer: Writer of the audit log.
        budget_interval_settings: Parameters of the prediction interval of budgets.
        retailer: Retailer whose forecasts and models are served.
    """

    settings: ServiceSettings
    engine: Engine
    model_manager: ModelManager
    audit_writer: AuditWriter
    budget_interval_settings: BudgetIntervalSettings
    retailer: str

    def __post_init__(self) -> None:
        self.authenticator = Authenticator(self.engine)
        self.sessions = BrowserSessions(self.engine)
        self.rate_limiter = RateLimiter(self.settings.requests_per_minute)
        self.cache = PageCache(self.engine, self.retailer)
        self.forecast_metrics = ForecastMetrics(self.engine, self.retailer, self.model_manager)
        self._budget_interval: tuple[str, BudgetInterval] | None = None

    def turnover_champion(self) -> TurnoverArm:
        """Return the champion of the turnover domain.

        Raises:
            ProblemError: No version is loaded yet.
        """
        return self.model_manager.turnover_champion() or _raise_not_loaded("turnover")

    def budget_champion(self) -> BudgetArm:
        """Return the champion of the marketing domain.

        Raises:
            ProblemError: No version is loaded yet.
        """
        return self.model_manager.budget_champion() or _raise_not_loaded("marketing")

    def budget_interval(self, arm: BudgetArm) -> BudgetInterval:
        """Return the prediction interval of a champion; it is estimated once per version."""
        if self._budget_interval is None or self._budget_interval[0] != arm.version:
            settings = self.budget_interval_settings
            found = BudgetInterval.learn(arm.package, settings.interval_share, settings.folds)
            self._budget_interval = (arm.version, found)
        return self._budget_interval[1]


def _raise_not_loaded(domain: Domain) -> NoReturn:
    raise unavailable(f"no {domain} model is loaded; see /ready")


def service_of(request: Request) -> Service:
    """Return the service of the application that a request came to."""
    service: Service = request.app.state.service
    return service


async def _service(request: Request) -> Service:  # FastAPI would run a plain function in a thread
    return service_of(request)


ServiceDep = Annotated[Service, Depends(_service)]


WRONG_KEY = "this key is wrong, expired or revoked; ask for another one"

_bearer = HTTPBearer(
    auto_error=False, description="An API key: sales-forecast keys create", scheme_name="API key"
)


def _key_with(scope: Scope) -> Callable[..., Awaitable[ApiKey]]:
    """Make a dependency that authenticates a request, authorizes it for a scope and counts it."""

    async def check(
        request: Request, credentials: Annotated[HTTPAuthorizationCredentials | None, Depends(_bearer)]
    ) -> ApiKey:
        challenge = {"WWW-Authenticate": "Bearer"}
        if credentials is None:
            raise ProblemError(401, "send an API key: Authorization: Bearer sf_...", headers=challenge)
        key = await service_of(request).authenticator.find(credentials.credentials)
        if key is None:
            raise ProblemError(401, WRONG_KEY, headers=challenge)
        await admit(request, key, scope)
        return key

    return check


async def admit(request: Request, key: ApiKey, scope: Scope) -> None:
    """Authorize a request that came with a valid key for a scope, and count it.

    Raises:
        ProblemError: The key lacks the scope, or came with too many requests.
    """
    request.state.key_id = key.key_id
    if scope not in key.scopes:
        scopes = ", ".join(sorted(key.scopes))
        raise ProblemError(403, f"this key is for {scopes}; one for {scope} is needed")
    rate_limiter = service_of(request).rate_limiter
    if seconds := await rate_limiter.seconds_to_wait(key.key_id):
        detail = f"more than {rate_limiter.requests_per_minute} requests in a minute; wait {seconds} seconds"
        raise ProblemError(429, detail, headers={"Retry-After": str(seconds)})


ReadKey = Annotated[ApiKey, Depends(_key_with("read"))]
PredictKey = Annotated[ApiKey, Depends(_key_with("predict"))]
AdminKey = Annotated[ApiKey, Depends(_key_with("admin"))]


def audit_record(
    request: Request,
    key: ApiKey,
    arm: str,
    model: tuple[str, str],
    content: object,
    output: object,
    other_output: object = None,
) -> AuditRecord:
    """Make a record for the audit log.

    Args:
        request: Request that was answered.
        key: API key that came with the request.
        arm: Arm that predicted; ``stored`` for forecasts from the database.
        model: Name and version of the model.
        content: Content of the request, as JSON.
        output: Content of the response, as JSON.
        other_output: What the other arm predicts, as JSON; None without an experiment.
    """
    state = request.state
    labels = {"labels.model_name": model[0], f"labels.{arm}_version": model[1]}
    state.log_fields = getattr(state, "log_fields", {}) | labels
    return AuditRecord(
        request_id=state.request_id,
        arm=arm,
        at=datetime.now(UTC),
        key_id=key.key_id,
        endpoint=request.scope["route"].path,
        model_name=model[0],
        model_version=model[1],
        input=content,
        output=output,
        other_output=other_output,
        latency_ms=(perf_counter_ns() - state.start) / 1e6,
    )
