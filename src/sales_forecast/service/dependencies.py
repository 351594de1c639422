"""What routes ask for: the database, the models, who calls, and the trail."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from time import perf_counter_ns
from typing import Annotated, Any

from fastapi import Depends, Request
from fastapi.security import HTTPAuthorizationCredentials, HTTPBearer
from limits import RateLimitItemPerMinute
from limits.storage import MemoryStorage
from limits.strategies import FixedWindowRateLimiter
from sqlalchemy import Engine

from sales_forecast.models.marketing import BudgetRange
from sales_forecast.service.champions import Arm, Champions
from sales_forecast.service.problems import ProblemError, unavailable
from sales_forecast.service.settings import ServiceSettings
from sales_forecast.service.trail import AuditTrail
from sales_forecast.storage.audit import Answer
from sales_forecast.storage.keys import Caller, Scope, find_caller


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
        self.limiter = FixedWindowRateLimiter(MemoryStorage())
        self.limit = RateLimitItemPerMinute(self.settings.requests_per_minute)
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


async def service_of(request: Request) -> Service:  # a function that is not async would cost a thread
    """The service that this request came to."""
    found: Service = request.app.state.service
    return found


AService = Annotated[Service, Depends(service_of)]


_bearer = HTTPBearer(
    auto_error=False, description="An API key: sales-forecast keys create", scheme_name="API key"
)


def _may(scope: Scope) -> Callable[..., Caller]:
    def check(
        request: Request,
        service: AService,
        given: Annotated[HTTPAuthorizationCredentials | None, Depends(_bearer)],
    ) -> Caller:
        challenge = {"WWW-Authenticate": "Bearer"}
        if given is None:
            raise ProblemError(401, "send an API key: Authorization: Bearer sf_...", headers=challenge)
        with service.engine.connect() as connection:
            caller = find_caller(connection, given.credentials, datetime.now(UTC))
        if caller is None:
            wrong = "this key is wrong, expired or revoked; ask for another one"
            raise ProblemError(401, wrong, headers=challenge)
        request.state.key_id = caller.key_id
        if scope not in caller.scopes:
            raise ProblemError(
                403, f"this key is for {', '.join(sorted(caller.scopes))}; one for {scope} is needed"
            )
        if not service.limiter.hit(service.limit, caller.key_id):
            wait = service.limiter.get_window_stats(service.limit, caller.key_id).reset_time
            seconds = max(1, round(wait - datetime.now(UTC).timestamp()))
            raise ProblemError(
                429,
                f"more than {service.limit.amount} requests in a minute; wait {seconds} seconds",
                headers={"Retry-After": str(seconds)},
            )
        return caller

    return check


Reader = Annotated[Caller, Depends(_may("read"))]
Predictor = Annotated[Caller, Depends(_may("predict"))]
Admin = Annotated[Caller, Depends(_may("admin"))]


def only_known_queries(request: Request) -> None:
    """Refuse a misspelt parameter: without it, '?stoer=105' would be answered with all stores.

    Raises:
        ProblemError: The route has no such parameter.
    """
    known = [each.alias for each in request.scope["route"].dependant.query_params]
    for name in request.query_params:
        if name not in known:
            raise ProblemError(422, f"there is no '{name}'; there are {', '.join(known)}", f"query.{name}")


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
