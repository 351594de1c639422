"""Middleware around every request: its id, limits of size and time, one log line, and metrics."""

from __future__ import annotations

import asyncio
import logging
import re
from collections.abc import MutableMapping
from time import perf_counter_ns
from typing import Any
from uuid import uuid4

from prometheus_client import Counter, Histogram
from sqlalchemy.exc import DBAPIError
from sqlalchemy.exc import TimeoutError as PoolTimeout
from starlette.datastructures import Headers, MutableHeaders
from starlette.requests import Request
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from sales_forecast.ecs import current_fields
from sales_forecast.service.bodies import BodyReader
from sales_forecast.service.planner.browsers import PAGES
from sales_forecast.service.planner.frame import problem_page
from sales_forecast.service.problems import METHODS, ProblemError, problem_of_database, render, unavailable
from sales_forecast.service.settings import ServiceSettings

logger = logging.getLogger(__name__)
access = logging.getLogger("sales_forecast.access")

LATENCY = Histogram(
    "sales_forecast_request_seconds",
    "From the first byte of the request to the end of the response.",
    ["method", "route", "status"],
    buckets=(0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30),
)
GIVEN_UP = Counter("sales_forecast_requests_given_up_total", "Requests that took too long.")

TRACEPARENT = re.compile(r"[0-9a-f]{2}-([0-9a-f]{32})-[0-9a-f]{16}-[0-9a-f]{2}")
"""Header of W3C's Trace Context; the group is the id of the trace."""


class RequestMiddleware:
    """ASGI middleware around all others but that of proxies: every response has an id and a log line.

    Args:
        app: Application that handles the requests.
        settings: Settings of the service.
    """

    def __init__(self, app: ASGIApp, settings: ServiceSettings) -> None:
        self._app, self._settings = app, settings
        self._bodies = BodyReader(settings.max_body_bytes)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Handle one request."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        start, response = perf_counter_ns(), _Response(send, scope.setdefault("state", {}))
        scope["state"].update(request_id=response.request_id, start=start)
        trace = TRACEPARENT.match(Headers(scope=scope).get("traceparent", ""))
        current_fields.set({"http.request.id": response.request_id, "trace.id": trace and trace[1]})
        task = asyncio.create_task(self._handle(scope, receive, response.send))
        done, _ = await asyncio.wait({task}, timeout=self._settings.max_seconds)
        if not done and response.started:  # a client that reads nothing more loses its connection
            done, _ = await asyncio.wait({task})
        problem = None
        if not done:
            task.cancel()  # a thread runs to its end; its result is discarded
            GIVEN_UP.inc()
            response.given_up = True
            seconds = f"{self._settings.max_seconds:g}"
            problem = unavailable(f"no answer within {seconds} seconds; ask for less at once, or try again")
        elif error := task.exception():
            logger.error("Request %s failed", response.request_id, exc_info=error)
            problem = ProblemError(500, "the request failed here; report its request_id")
        if problem is not None and not response.started:
            await render(scope, problem)(scope, receive, response.send_always)
        self._log(scope, response.status, perf_counter_ns() - start)

    async def _handle(self, scope: Scope, receive: Receive, send: Send) -> None:
        try:
            body = await self._bodies.read(scope, receive)
            scope["state"]["body_bytes"] = len(body)
        except ProblemError as problem:
            is_page = scope["path"].startswith(f"{PAGES}/")
            refused = problem_page(Request(scope), None, problem) if is_page else render(scope, problem)
            await refused(scope, receive, send)
            return
        except (DBAPIError, PoolTimeout) as error:
            await render(scope, problem_of_database(error))(scope, receive, send)
            return
        bodies = iter([body])

        async def replay() -> Message:
            content = next(bodies, None)
            return {"type": "http.request", "body": content} if content is not None else await receive()

        await self._app(scope, replay, send)

    def _log(self, scope: Scope, status: int, nanoseconds: int) -> None:
        route = getattr(scope.get("route"), "path", "none")
        LATENCY.labels(_counted(scope["method"], status), route, status).observe(nanoseconds / 1e9)
        scope["app"].state.service.refusals.note(scope, status)
        state = scope["state"]
        access.info(
            "%s %s %s",
            *(scope["method"], scope["path"], status),
            extra=state.get("log_fields", {})
            | {
                "event.dataset": "sales_forecast.access",
                "http.request.method": scope["method"],
                "http.response.status_code": status,
                "url.path": scope["path"],
                "event.duration": nanoseconds,
                "user.id": state.get("key_id"),
                "client.address": scope["client"][0] if scope.get("client") else None,
                "labels.route": route,
            },
        )


def _counted(method: str, status: int) -> str:
    """Return the method that a request counts as: anybody may send dozens of them to any route."""
    return method if method in (*METHODS, "HEAD") and status != 405 else "other"


class _Response:
    """What was sent so far, and whether more may be sent."""

    def __init__(self, send: Send, state: MutableMapping[str, Any]) -> None:
        self._send, self._state = send, state
        self.request_id = str(uuid4())
        self.started = self.given_up = False
        self.status = 500

    async def send(self, message: Message) -> None:
        if not self.given_up:
            await self.send_always(message)

    async def send_always(self, message: Message) -> None:
        if message["type"] == "http.response.start":
            self.started, self.status = True, message["status"]
            headers = MutableHeaders(scope=message)
            headers["X-Request-ID"] = self._state["request_id"]
            headers.update(self._state.get("response_headers", {}))
        await self._send(message)
