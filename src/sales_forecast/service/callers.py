"""Who calls, and how often: keys are looked up in the database, and remembered for a second."""

from __future__ import annotations

import hashlib
from datetime import UTC, datetime
from time import time

from cachetools import TTLCache
from limits import RateLimitItemPerMinute
from limits.aio.storage import MemoryStorage
from limits.aio.strategies import FixedWindowRateLimiter
from sqlalchemy import Engine
from starlette.concurrency import run_in_threadpool

from sales_forecast.storage.keys import Caller, find_caller, looks_like_a_key

REMEMBERED_SECONDS = 1.0
"""How soon a revoked key is refused; looking it up on each request would cost a thread and a query."""


class Callers:
    """Everybody with a key.

    Args:
        engine: Of the database.
        requests_per_minute: Of each key.
    """

    def __init__(self, engine: Engine, requests_per_minute: int) -> None:
        self._engine = engine
        self._known: TTLCache[bytes, Caller] = TTLCache(1000, REMEMBERED_SECONDS)
        self._limiter = FixedWindowRateLimiter(MemoryStorage())
        self.limit = RateLimitItemPerMinute(requests_per_minute)

    async def find(self, key: str) -> Caller | None:
        """Who has this key; None if it is wrong, expired or revoked."""
        known = self._known.get(_digest(key))
        if known is None and looks_like_a_key(key):
            known = await run_in_threadpool(self._look_up, key)
            if known is not None:
                self._known[_digest(key)] = known
        return known

    def _look_up(self, key: str) -> Caller | None:
        with self._engine.connect() as connection:
            return find_caller(connection, key, datetime.now(UTC))

    async def seconds_to_wait(self, caller: Caller) -> int:
        """Count a request; 0 if it may go on."""
        if await self._limiter.hit(self.limit, caller.key_id):
            return 0
        window = await self._limiter.get_window_stats(self.limit, caller.key_id)
        return max(1, round(window.reset_time - time()))


def _digest(key: str) -> bytes:
    return hashlib.sha256(key.encode()).digest()
