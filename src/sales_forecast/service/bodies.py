"""Bodies of requests: how large they may be, and how many of them may be read at the same time."""

from __future__ import annotations

from collections import Counter

from fastapi import Request
from starlette.types import Receive, Scope

from sales_forecast.service.dependencies import authenticate, spend
from sales_forecast.service.planner.browsers import PAGES, find_session
from sales_forecast.service.problems import RETRY_AFTER_SECONDS, ProblemError, unavailable
from sales_forecast.storage.keys import ApiKey

BYTES_WITHOUT_KEY = 4096
"""Enough for the form that signs a browser in. Longer bodies need a key or a session, and count as large."""

COST_OF_A_LARGE_BODY = 1
"""Units that a large body costs, before it is read, beside those of what it asks for."""

BODIES_AT_ONCE = 20
BODIES_OF_A_KEY = 5
"""How many large bodies of the largest size may be read at the same time; most are much smaller."""


class BodyReader:
    """Reads bodies. It may be used only on one event loop: it has no locks.

    Args:
        max_bytes: Largest size of a body.
    """

    def __init__(self, max_bytes: int) -> None:
        self._max_bytes = max_bytes
        self._held: Counter[str] = Counter()

    async def read(self, scope: Scope, receive: Receive) -> bytes:
        """Read a body; a large one only with a valid key or session, so that nobody else fills the memory.

        Args:
            scope: ASGI scope of the request.
            receive: What the body comes from.

        Raises:
            ProblemError: The body is too large or has no end, there is no valid key, the units of the minute
                are spent, or too many large bodies are being read.
        """
        body, key, held = bytearray(), None, 0
        try:
            while True:
                message = await receive()
                if message["type"] == "http.disconnect":
                    raise ProblemError(400, "the connection ended before the body did")
                body += message.get("body", b"")
                if len(body) > self._max_bytes:
                    raise ProblemError(
                        413, f"the body has more than {self._max_bytes:,} bytes; send less at once"
                    )
                if len(body) > BYTES_WITHOUT_KEY:
                    if key is None:
                        key = await _key_of(scope)
                        await spend(Request(scope), key, COST_OF_A_LARGE_BODY)
                    self._held[key.key_id] += len(body) - held
                    held = len(body)
                    self._refuse_too_many(key.key_id)
                if not message.get("more_body"):
                    return bytes(body)  # from here on the request holds it, whose number is limited
        finally:
            if key is not None:
                self._held[key.key_id] -= held
                self._held += Counter()  # forgets the keys that hold nothing

    def _refuse_too_many(self, key_id: str) -> None:
        detail = "too many large requests {}at once; try again in some seconds"
        if self._held[key_id] > BODIES_OF_A_KEY * self._max_bytes:
            wait = {"Retry-After": str(RETRY_AFTER_SECONDS)}
            raise ProblemError(429, detail.format("with this key "), headers=wait)
        if self._held.total() > BODIES_AT_ONCE * self._max_bytes:
            raise unavailable(detail.format(""))


async def _key_of(scope: Scope) -> ApiKey:
    """Find the API key of a request; forms of the pages come with the session of one.

    Raises:
        ProblemError: There is none, or no valid one.
    """
    request = Request(scope)
    if scope["path"].startswith(f"{PAGES}/") and "Authorization" not in request.headers:
        session = await find_session(request)
        if session is not None:
            return session.key
    return await authenticate(scope)
