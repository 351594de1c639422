"""What routes ask for: the database, the models, who calls, and the audit writer."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from time import perf_counter_ns
from typing import Annotated, Any

from fastapi import Depends, Request
from fastapi.security import HTTPAuthorizationCredentials, HTTPBearer
from sqlalchemy import Engine

from sales_forecast.models.marketing import BudgetInterval
from sales_forecast.service.arms import Arm
from sales_forecast.service.audit import AuditWriter
from sales_forecast.service.auth import Authenticator
from sales_forecast.service.cache import PageCache
from sales_forecast.service.model_manager import ModelManager
from sales_forecast.service.problems import ProblemError, unavailable
from sales_forecast.service.settings import ServiceSettings
from sales_forecast.storage.audit import Answer
from sales_forecast.storage.keys import Caller, Scope


@dataclass
class Service:
    """Everything that outlives a request.

    Args:
        settings: Of the service.
        engine: Of the database.
        model_manager: The models.
        audit_writer: Of answers.
        curve: The marketing domain's ``curve`` parameters: ``interval_share, folds``.
    """

    settings: ServiceSettings
    engine: Engine
    model_manager: ModelManager
    audit_writer: AuditWriter
    curve: dict[str, Any]

    def __post_init__(self) -> None:
        self.authenticator = Authenticator(self.engine, self.settings.requests_per_minute)
        self.cache = PageCache(self.engine)
        self._range: tuple[str, BudgetInterval] | None = None

    def needed(self, domain: str) -> Arm:
        """The domain's champion.

        Raises:
            ProblemError: None is loaded yet.
        """
        arm = self.model_manager.champion(domain)
        if arm is None:
            raise unavailable(f"no {domain} model is loaded; see /ready")
        return arm

    def budget_interval(self, arm: Arm) -> BudgetInterval:
        """How wide a champion's range is; learnt once a version."""
        if self._range is None or self._range[0] != arm.version:
            found = BudgetInterval.learn(arm.package, self.curve["interval_share"], self.curve["folds"])
            self._range = (arm.version, found)
        return self._range[1]


def service_of(request: Request) -> Service:
    """The service that this request came to."""
    found: Service = request.app.state.service
    return found


async def _service(request: Request) -> Service:  # a plain def would cost a thread of its own
    return service_of(request)


AService = Annotated[Service, Depends(_service)]


_bearer = HTTPBearer(
    auto_error=False, description="An API key: sales-forecast keys create", scheme_name="API key"
)


def _may(scope: Scope) -> Callable[..., Awaitable[Caller]]:
    async def check(
        request: Request, given: Annotated[HTTPAuthorizationCredentials | None, Depends(_bearer)]
    ) -> Caller:
        challenge = {"WWW-Authenticate": "Bearer"}
        if given is None:
            raise ProblemError(401, "send an API key: Authorization: Bearer sf_...", headers=challenge)
        authenticator, key = service_of(request).authenticator, given.credentials
        caller = await authenticator.find(key)
        if caller is None:
            wrong = "this key is wrong, expired or revoked; ask for another one"
            raise ProblemError(401, wrong, headers=challenge)
        request.state.key_id = caller.key_id
        if scope not in caller.scopes:
            given_for = ", ".join(sorted(caller.scopes))
            raise ProblemError(403, f"this key is for {given_for}; one for {scope} is needed")
        if seconds := await authenticator.seconds_to_wait(caller):
            many = f"more than {authenticator.limit.amount} requests in a minute; wait {seconds} seconds"
            raise ProblemError(429, many, headers={"Retry-After": str(seconds)})
        return caller

    return check


Reader = Annotated[Caller, Depends(_may("read"))]
Predictor = Annotated[Caller, Depends(_may("predict"))]
Admin = Annotated[Caller, Depends(_may("admin"))]


def answer_of(
    request: Request,
    caller: Caller,
    arm: str,
    model: tuple[str, str],
    asked: Any,
    output: Any,
    other_output: Any = None,
) -> Answer:
    """What goes into the audit log.

    Args:
        request: For its id, path and beginning.
        caller: Who asked.
        arm: Which answered.
        model: Name and version.
        asked: As JSON knows it.
        output: As JSON knows it.
        other_output: What the other arm would have said.
    """
    state = request.state
    return Answer(
        request_id=state.request_id,
        arm=arm,
        at=datetime.now(UTC),
        key_id=caller.key_id,
        endpoint=request.scope["route"].path,
        model_name=model[0],
        model_version=model[1],
        input=asked,
        output=output,
        other_output=other_output,
        latency_ms=(perf_counter_ns() - state.start) / 1e6,
    )
