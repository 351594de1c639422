"""Names that the service may be called by, as the header Host says them."""

from __future__ import annotations

from collections.abc import Sequence

from starlette.datastructures import Headers
from starlette.types import ASGIApp, Receive, Scope, Send

from sales_forecast.service.problems import ProblemError, render


class HostMiddleware:
    """ASGI middleware that refuses requests to any other name, with problem details.

    Args:
        app: Application that handles the requests.
        allowed: Names; ``*`` for any, ``*.example.com`` for those below one.
    """

    def __init__(self, app: ASGIApp, allowed: Sequence[str]) -> None:
        self._app, self._allowed = app, allowed

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Handle one request."""
        if scope["type"] == "http" and not self._is_allowed(Headers(scope=scope).get("host", "")):
            problem = ProblemError(400, "the service is not called by this name, which the header Host says")
            await render(scope, problem)(scope, receive, send)
            return
        await self._app(scope, receive, send)

    def _is_allowed(self, host: str) -> bool:
        name = host.rsplit(":", 1)[0] if not host.endswith("]") else host
        return any(
            one in ("*", name) or (one.startswith("*.") and name.endswith(one[1:])) for one in self._allowed
        )
