"""What routes depend on: the service, and the API key of the request."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Annotated, NoReturn

from async_lru import alru_cache
from fastapi import Depends, Request
from fastapi.security import HTTPAuthorizationCredentials, HTTPBearer
from fastapi.security.utils import get_authorization_scheme_param
from limits import RateLimitItemPerDay
from sqlalchemy import Engine
from sqlalchemy.exc import DBAPIError
from sqlalchemy.exc import TimeoutError as PoolTimeout
from starlette.concurrency import run_in_threadpool
from starlette.types import Scope as AsgiScope

from sales_forecast.models.marketing import BudgetInterval
from sales_forecast.service.arms import BudgetArm, TurnoverArm
from sales_forecast.service.audit import AuditWriter, RecordedChanges
from sales_forecast.service.auth import CHALLENGE, Authenticator, WrongKeys
from sales_forecast.service.cache import PageCache
from sales_forecast.service.computations import Computations, Turns
from sales_forecast.service.metrics import ForecastMetrics
from sales_forecast.service.model_manager import Domain, ModelManager
from sales_forecast.service.planner.facts import Facts
from sales_forecast.service.problems import ProblemError, unavailable
from sales_forecast.service.published import PublishedForecasts
from sales_forecast.service.rate_limit import RateLimiter
from sales_forecast.service.readiness import WriteProbe, check
from sales_forecast.service.schemas.operations import Readiness
from sales_forecast.service.sessions import BrowserSessions
from sales_forecast.service.settings import BudgetIntervalSettings, ServiceSettings
from sales_forecast.service.staffing import CurrentRules
from sales_forecast.storage.keys import ApiKey, Scope

PAGES_OF_A_KEY = 2
"""Pages for planners that are made at the same time for a key in each process: people read one."""

READINESS_SECONDS = 1.0
"""How long an answer about readiness is used."""


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
        self.refusals = self.audit_writer.refusals
        settings = self.settings
        self.plan_changes = RecordedChanges(self.engine, settings.audit, self.audit_writer.quota)
        wrong_keys = WrongKeys(
            RateLimiter(settings.wrong_keys_per_minute, settings.rate_limit_storage, "wrong keys")
        )
        self.authenticator = Authenticator(self.engine, wrong_keys)
        self.sessions = BrowserSessions(
            self.engine, wrong_keys, settings.audit.key.get_secret_value().encode()
        )
        self.rate_limiter = RateLimiter(settings.units_per_minute, settings.rate_limit_storage, "units")
        of_a_day = settings.jobs.units_per_key_and_day
        self.job_limiter = RateLimiter(of_a_day, settings.rate_limit_storage, "jobs", RateLimitItemPerDay)
        self.computations = Computations(settings.computations, settings.max_waiting_computations)
        # sheets are read in processes of their own, so that nobody else needs to wait for them
        self.sheets = Computations(settings.computations, settings.max_waiting_computations)
        self.page_turns = Turns(PAGES_OF_A_KEY)
        self.write_probe = WriteProbe(self.engine)
        # everybody may ask, without a key and as often as they like
        self.readiness = alru_cache(maxsize=1, ttl=READINESS_SECONDS)(self._readiness)
        self.cache = PageCache(self.engine, self.retailer)
        self.staffing_rules = CurrentRules(self.engine, self.retailer)
        self.facts = Facts(self.engine)
        self.published = PublishedForecasts(self.engine)
        self.forecast_metrics = ForecastMetrics(self.engine, self.retailer, self.model_manager)
        self._budget_interval: tuple[str, BudgetInterval] | None = None

    async def _readiness(self) -> Readiness:
        return await run_in_threadpool(check, self)

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


COST_OF_A_REQUEST = 1
"""Units of a stored answer, which every request costs at least."""

_bearer = HTTPBearer(
    auto_error=False, description="An API key: sales-forecast keys create", scheme_name="ApiKey"
)


def _key_with(scope: Scope) -> Callable[..., Awaitable[ApiKey]]:
    """Make a dependency that authenticates a request, authorizes it for a scope and counts it."""

    async def check(
        request: Request, _: Annotated[HTTPAuthorizationCredentials | None, Depends(_bearer)]
    ) -> ApiKey:
        key = await authenticate(request.scope)
        await admit(request, key, scope)
        return key

    return check


async def _key_if_sent(request: Request) -> ApiKey | None:
    """Find the API key of a request that is answered without one, too; a wrong one is refused."""
    if "Authorization" not in request.headers:
        return None
    try:
        key = await authenticate(request.scope)
    except (DBAPIError, PoolTimeout):  # nobody can be known; the answer says that the database is away
        return None
    request.state.key_id = key.key_id
    return key


async def authenticate(scope: AsgiScope) -> ApiKey:
    """Find the API key that a request came with.

    Args:
        scope: ASGI scope of the request.

    Raises:
        ProblemError: It came with none, or with one that is wrong, expired or revoked.
    """
    request = Request(scope)
    scheme, key = get_authorization_scheme_param(request.headers.get("Authorization"))
    if scheme.lower() != "bearer" or not key:
        raise ProblemError(401, "send an API key: Authorization: Bearer sf_...", headers=CHALLENGE)
    return await service_of(request).authenticator.find(key, client_address(request))


def client_address(request: Request) -> str:
    """Return the address of a client; empty where a test calls the application itself."""
    return request.client.host if request.client else ""


async def admit(request: Request, key: ApiKey, scope: Scope) -> None:
    """Authorize a request that came with a valid key for a scope, and count it.

    Raises:
        ProblemError: The key lacks the scope, came with too many requests, or has filled its part of the log.
    """
    request.state.key_id = key.key_id
    if scope not in key.scopes:
        scopes = ", ".join(sorted(key.scopes))
        raise ProblemError(403, f"this key is for {scopes}; one for {scope} is needed")
    service_of(request).audit_writer.quota.check(key.key_id)
    await spend(request, key, COST_OF_A_REQUEST)


async def spend(request: Request, key: ApiKey, units: int) -> None:
    """Count what a request costs, and tell the client in the headers of the response what is left.

    Args:
        request: Request that is answered.
        key: API key that came with the request.
        units: What it costs beyond what was counted for it before; a stored answer costs one unit.

    Raises:
        ProblemError: The key has spent its units of the minute, or the request costs more than those.
    """
    budget = await service_of(request).rate_limiter.spend(key.key_id, units)
    request.state.response_headers = budget.headers()
    if units > budget.limit:
        units += COST_OF_A_REQUEST
        raise ProblemError(
            413, f"this costs {units:,} units, and a minute has {budget.limit:,}; ask for less at once"
        )
    if budget.is_exceeded:
        detail = f"more than {budget.limit:,} units in a minute; wait {budget.seconds} seconds"
        raise ProblemError(429, detail, headers={"Retry-After": str(budget.seconds)})


ReadKey = Annotated[ApiKey, Depends(_key_with("read"))]
PredictKey = Annotated[ApiKey, Depends(_key_with("predict"))]
OptionalKey = Annotated[ApiKey | None, Depends(_key_if_sent)]
PlanKey = Annotated[ApiKey, Depends(_key_with("plan"))]
AdminKey = Annotated[ApiKey, Depends(_key_with("admin"))]
