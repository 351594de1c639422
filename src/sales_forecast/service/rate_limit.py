"""Limits how many requests a minute may come with each API key; every process counts on its own."""

from __future__ import annotations

from math import ceil
from time import time

from limits import RateLimitItemPerMinute
from limits.aio.storage import MemoryStorage
from limits.aio.strategies import FixedWindowRateLimiter


class RateLimiter:
    """Counts requests in fixed windows of a minute.

    Args:
        requests_per_minute: Largest number of requests a minute with each key.
    """

    def __init__(self, requests_per_minute: int) -> None:
        self.requests_per_minute = requests_per_minute
        self._limit = RateLimitItemPerMinute(requests_per_minute)
        self._limiter = FixedWindowRateLimiter(MemoryStorage())

    async def seconds_to_wait(self, key_id: str) -> int:
        """Count a request.

        Args:
            key_id: Id of the API key that came with the request.

        Returns:
            Seconds until the next request is accepted; 0 if this one is.
        """
        if await self._limiter.hit(self._limit, key_id):
            return 0
        window = await self._limiter.get_window_stats(self._limit, key_id)
        return max(1, ceil(window.reset_time - time()))
