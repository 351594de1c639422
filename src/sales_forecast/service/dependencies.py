"""What routes ask for: the database, the models, who calls, and the trail."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from time import perf_counter_ns
from typing import Annotated, Any

from fastapi import Depends, Request
from fastapi.security import HTTPAuthorizationCredentials, HTTPBearer
from sqlalchemy import Engine

from sales_forecast.models.marketing import BudgetRange
from sales_forecast.service.arms import Arm
from sales_forecast.service.callers import Callers
from sales_forecast.service.champions import Champions
from sales_forecast.service.problems import ProblemError, unavailable
from sales_forecast.service.settings import ServiceSettings
from sales_forecast.service.shelf import Shelf
from sales_forecast.service.trail import AuditTrail
from sales_forecast.storage.audit import Answer
from sales_forecast.storage.keys import Caller, Scope


@dataclass
class Service:
    """Everything that outlives a request.

    Args:
        settings: Of the service.
        engine: Of the database.
        champions: The models.
        trail: Of answers.
        curve: The marketing lane's ``curve`` parameters: ``range_share, folds``.
    """

    settings: ServiceSettings
    engine: Engine
    champions: Champions
    trail: AuditTrail
    curve: dict[str, Any]

    def __post_init__(self) -> None:
        self.callers = Callers(self.engine, self.settings.requests_per_minute)
        self.shelf = Shelf(self.engine)
        self._range: tuple[str, BudgetRange] | None = None

    def needed(self, lane: str) -> Arm:
        """The lane's champion.

        Raises:
            ProblemError: None is loaded yet.
        """
        arm = self.champions.champion(lane)
        if arm is None:
            raise unavailable(f"no {lane} model is loaded; see /ready")
        return arm

    def budget_range(self, arm: Arm) -> BudgetRange:
        """How wide a champion's range is; learnt once a version."""
        if self._range is None or self._range[0] != arm.version:
            found = BudgetRange.learn(arm.package, self.curve["range_share"], self.curve["folds"])
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
        callers, key = service_of(request).callers, given.credentials
        caller = await callers.find(key)
        if caller is None:
            wrong = "this key is wrong, expired or revoked; ask for another one"
            raise ProblemError(401, wrong, headers=challenge)
        request.state.key_id = caller.key_id
        if scope not in caller.scopes:
            given_for = ", ".join(sorted(caller.scopes))
            raise ProblemError(403, f"this key is for {given_for}; one for {scope} is needed")
        if seconds := await callers.seconds_to_wait(caller):
            many = f"more than {callers.limit.amount} requests in a minute; wait {seconds} seconds"
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
