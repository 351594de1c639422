"""What proxies say about a request is believed from those that are trusted, and from nobody else."""

from __future__ import annotations

from collections.abc import Sequence

from fastapi import Request
from starlette.types import ASGIApp, Receive, Scope, Send
from uvicorn.middleware.proxy_headers import ProxyHeadersMiddleware

from sales_forecast.service.problems import ProblemError


class ProxyMiddleware:
    """ASGI middleware that notes whether a trusted proxy has sent a request, and believes what it says.

    Afterwards the address of the client is the one that the proxy has named: only this middleware knows who
    is on the connection. uvicorn must not have changed it before: ``proxy_headers=False``.

    Args:
        app: Application that handles the requests.
        trusted: Addresses or networks of the proxies; none for no proxy.
    """

    def __init__(self, app: ASGIApp, trusted: Sequence[str]) -> None:
        self._believing = ProxyHeadersMiddleware(app, list(trusted))  # type: ignore[arg-type]

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Handle one request."""
        if scope["type"] == "http":
            peer = scope["client"][0] if scope.get("client") else None
            scope.setdefault("state", {})["from_trusted_proxy"] = peer in self._believing.trusted_hosts
        await self._believing(scope, receive, send)  # type: ignore[arg-type]


def announced_login(request: Request, header: str | None) -> str | None:
    """Return who is signed in according to a trusted proxy; None if none says so.

    Args:
        request: Request that may have come through a proxy.
        header: Header that names the login; None if logins are not believed at all.

    Raises:
        ProblemError: The proxy has sent the header more than once, as if the client had sent one as well.
    """
    if header is None or not request.state.from_trusted_proxy:
        return None
    logins = request.headers.getlist(header)
    if len(logins) > 1:
        detail = f"the header {header} came {len(logins)} times; the proxy must replace what clients send"
        raise ProblemError(403, detail)
    return next((login.strip() for login in logins if login.strip()), None)
