"""Who calls, and how often: keys are looked up in the database, and remembered for a second."""

from __future__ import annotations

import hashlib
from datetime import UTC, datetime
from math import ceil
from time import time

from cachetools import TTLCache
from limits import RateLimitItemPerMinute
from limits.aio.storage import MemoryStorage
from limits.aio.strategies import FixedWindowRateLimiter
from sqlalchemy import Engine

from sales_forecast.service.single_flight import SingleFlight
from sales_forecast.storage.keys import Caller, find_caller, looks_like_a_key

REMEMBERED_SECONDS = 1.0
"""How soon a revoked key is refused; looking it up on each request would cost a thread and a query."""


class Authenticator:
    """Everybody with a key.

    Args:
        engine: Of the database.
        requests_per_minute: Of each key.
    """

    def __init__(self, engine: Engine, requests_per_minute: int) -> None:
        self._engine = engine
        self._reads = SingleFlight()
        self._known: TTLCache[bytes, Caller] = TTLCache(1000, REMEMBERED_SECONDS)
        self._limiter = FixedWindowRateLimiter(MemoryStorage())
        self.limit = RateLimitItemPerMinute(requests_per_minute)

    async def find(self, key: str) -> Caller | None:
        """Who has this key; None if it is wrong, expired or revoked."""
        digest = hashlib.sha256(key.encode()).digest()
        caller = self._known.get(digest)
        if caller is None and looks_like_a_key(key):
            caller = await self._reads.read(digest, self._look_up, key)
            if caller is not None:
                self._known[digest] = caller
        return caller

    def _look_up(self, key: str) -> Caller | None:
        with self._engine.connect() as connection:
            return find_caller(connection, key, datetime.now(UTC))

    async def seconds_to_wait(self, caller: Caller) -> int:
        """Count a request; 0 if it may go on."""
        if await self._limiter.hit(self.limit, caller.key_id):
            return 0
        window = await self._limiter.get_window_stats(self.limit, caller.key_id)
        return max(1, ceil(window.reset_time - time()))
