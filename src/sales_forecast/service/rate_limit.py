"""Limits how much may be asked for in a minute or a day, by each API key or address.

Processes that name the same Redis count together; otherwise every process counts on its own.
"""

from __future__ import annotations

import logging
from dataclasses import dataclass
from math import ceil
from time import monotonic, time

from limits import RateLimitItem, RateLimitItemPerMinute
from limits.aio.storage import MemoryStorage, RedisStorage
from limits.aio.strategies import FixedWindowRateLimiter
from limits.errors import StorageError

logger = logging.getLogger(__name__)

WINDOW_SECONDS = 60

IN_THIS_PROCESS = "memory://"

SECONDS_TO_ANSWER = 0.2
"""How long a request waits for Redis."""

PAUSE_SECONDS = 10.0
"""How long nothing is asked of Redis after it has not answered."""


@dataclass(frozen=True)
class Budget:
    """What is left of a minute or a day.

    Args:
        limit: Units of the whole time.
        remaining: Units that are left.
        seconds: Seconds until the next minute or day begins.
        is_exceeded: Whether the request asked for more than was left.
    """

    limit: int
    remaining: int
    seconds: int
    is_exceeded: bool = False

    def headers(self) -> dict[str, str]:
        """Return the headers of draft-ietf-httpapi-ratelimit-headers-10 that tell a client."""
        return {
            "RateLimit-Policy": f'"key";q={self.limit};w={WINDOW_SECONDS}',
            "RateLimit": f'"key";r={self.remaining};t={self.seconds}',
        }


class RateLimiter:
    """Counts units in fixed windows of time. Without its storage it counts in this process.

    Args:
        units: Largest number of units in a window.
        storage: Where the counts are: ``memory://`` or ``redis://host:port``.
        name: What is limited: counts of one name are kept apart from those of others.
        per: Length of a window, as a limit of ``limits``.
    """

    def __init__(
        self, units: int, storage: str, name: str, per: type[RateLimitItem] = RateLimitItemPerMinute
    ) -> None:
        self._limit = per(units, namespace=f"sales_forecast.{name}")
        self._here = FixedWindowRateLimiter(MemoryStorage())
        self._shared: FixedWindowRateLimiter | None = None
        if storage != IN_THIS_PROCESS:
            redis = RedisStorage(
                f"async+{storage}",
                implementation="redispy",
                wrap_exceptions=True,
                socket_timeout=SECONDS_TO_ANSWER,
                socket_connect_timeout=SECONDS_TO_ANSWER,
            )
            self._shared = FixedWindowRateLimiter(redis)
        self._paused_until = 0.0

    async def spend(self, who: str, units: int = 1) -> Budget:
        """Count units. Those of a request that asks for more than is left are counted, too.

        Args:
            who: Id of an API key, or an address.
            units: What is asked for; nothing of it is counted if it is more than a whole window has.

        Returns:
            What is left afterwards.
        """
        if self._shared is not None and monotonic() >= self._paused_until:
            try:
                return await self._spend(self._shared, who, units)
            except StorageError as error:
                self._paused_until = monotonic() + PAUSE_SECONDS
                logger.warning(
                    "The storage of the rate limits does not answer, and is left alone for %g s: %s",
                    *(PAUSE_SECONDS, error),
                )
        return await self._spend(self._here, who, units)

    async def _spend(self, limiter: FixedWindowRateLimiter, who: str, units: int) -> Budget:
        has_enough = not units or (
            units <= self._limit.amount and await limiter.hit(self._limit, who, cost=units)
        )
        window = await limiter.get_window_stats(self._limit, who)
        seconds = max(1, ceil(window.reset_time - time()))
        return Budget(self._limit.amount, window.remaining, seconds, is_exceeded=not has_enough)
