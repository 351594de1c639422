"""Who calls, and how often: keys are looked up in the database, and remembered for a second."""

from __future__ import annotations

import hashlib
from datetime import UTC, datetime
from time import monotonic, time

from limits import RateLimitItemPerMinute
from limits.storage import MemoryStorage
from limits.strategies import FixedWindowRateLimiter
from sqlalchemy import Engine

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
        self._known: dict[bytes, tuple[float, Caller]] = {}
        self._limiter = FixedWindowRateLimiter(MemoryStorage())
        self.limit = RateLimitItemPerMinute(requests_per_minute)

    def remembered(self, key: str) -> Caller | None:
        """Who had this key a moment ago."""
        until, caller = self._known.get(_digest(key), (0.0, None))
        return caller if monotonic() < until else None

    def look_up(self, key: str) -> Caller | None:
        """Who has this key; None if it is wrong, expired or revoked."""
        if not looks_like_a_key(key):
            return None
        with self._engine.connect() as connection:
            caller = find_caller(connection, key, datetime.now(UTC))
        if caller is None:
            self._known.pop(_digest(key), None)
        else:
            self._known[_digest(key)] = (monotonic() + REMEMBERED_SECONDS, caller)
        return caller

    def seconds_to_wait(self, caller: Caller) -> int:
        """Count a request; 0 if it may go on."""
        if self._limiter.hit(self.limit, caller.key_id):
            return 0
        return max(1, round(self._limiter.get_window_stats(self.limit, caller.key_id).reset_time - time()))


def _digest(key: str) -> bytes:
    return hashlib.sha256(key.encode()).digest()
