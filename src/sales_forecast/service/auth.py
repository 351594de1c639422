"""Authentication by API key. A key is looked up in the database and cached for a second."""

from __future__ import annotations

import hashlib
from contextlib import suppress
from datetime import UTC, datetime
from ipaddress import ip_address, ip_network

from async_lru import alru_cache
from cachetools import TTLCache
from prometheus_client import Counter
from sqlalchemy import Engine
from starlette.concurrency import run_in_threadpool

from sales_forecast.service.problems import ProblemError
from sales_forecast.service.rate_limit import RateLimiter
from sales_forecast.storage.keys import ApiKey, find_key, has_key_format

CACHE_SECONDS = 1.0
"""How soon a revoked key is refused; looking it up for each request would cost a thread and a query."""

RECENT_SECONDS = 3600.0
"""How long a key that was right is looked up from any address, however many wrong ones come from there."""

WRONG_KEYS = Counter(
    "sales_forecast_wrong_keys_total", "Requests with a key that is wrong, expired or revoked."
)

CHALLENGE = {"WWW-Authenticate": "Bearer"}

WRONG_KEY = "this key is wrong, expired or revoked; ask for another one"


class UnknownKeyError(LookupError):
    """The key is wrong, expired or revoked."""


class WrongKeys:
    """Limits the wrong keys of an address. What was right lately is looked up from there all the same.

    Args:
        limiter: Counts wrong keys.
    """

    def __init__(self, limiter: RateLimiter) -> None:
        self._limiter = limiter
        self._right: TTLCache[bytes, None] = TTLCache(10_000, RECENT_SECONDS)

    async def check(self, secret: str, address: str) -> None:
        """Refuse to look a key, or what stands for one, up.

        Raises:
            ProblemError: Too many wrong ones came from the address, and this one was not right lately.
        """
        if _digest(secret) not in self._right:
            await self._spend(address, 0)

    async def note(self, secret: str, address: str, *, is_right: bool) -> None:
        """Note whether a key was right, and count it if it was not.

        Raises:
            ProblemError: Too many wrong ones came from the address.
        """
        if is_right:
            self._right[_digest(secret)] = None
            return
        self._right.pop(_digest(secret), None)
        WRONG_KEYS.inc()
        await self._spend(address, 1)

    async def _spend(self, address: str, units: int) -> None:
        budget = await self._limiter.spend(_neighbours(address), units)
        if budget.is_exceeded or (not units and not budget.remaining):
            detail = f"too many wrong keys came from your address; wait {budget.seconds} seconds"
            raise ProblemError(429, detail, headers={"Retry-After": str(budget.seconds)})


class Authenticator:
    """Finds API keys. It may be used only on one event loop.

    Args:
        engine: SQLAlchemy engine of the database.
        wrong_keys: Limit of wrong keys from one address.
    """

    def __init__(self, engine: Engine, wrong_keys: WrongKeys) -> None:
        self._engine, self._wrong_keys = engine, wrong_keys
        # calls for the same key share one query; an error is not cached, so an unknown key is never kept
        self._find = alru_cache(maxsize=1000, ttl=CACHE_SECONDS, key=_digest)(self._look_up)

    async def find(self, key: str, address: str) -> ApiKey:
        """Find a key.

        Args:
            key: Key as it was sent.
            address: Address of the client.

        Returns:
            Its id and scopes.

        Raises:
            ProblemError: It is wrong, expired or revoked, or too many wrong ones came from the address.
        """
        if has_key_format(key):
            await self._wrong_keys.check(key, address)
            with suppress(UnknownKeyError):
                found = await self._find(key)
                await self._wrong_keys.note(key, address, is_right=True)
                return found
        await self._wrong_keys.note(key, address, is_right=False)
        raise ProblemError(401, WRONG_KEY, headers=CHALLENGE)

    async def _look_up(self, key: str) -> ApiKey:
        found = await run_in_threadpool(self._query, key)
        if found is None:
            raise UnknownKeyError
        return found

    def _query(self, key: str) -> ApiKey | None:
        with self._engine.connect() as connection:
            return find_key(connection, key, datetime.now(UTC))


def _digest(key: str) -> bytes:
    """Return what a key is cached under: the secret itself is not kept in memory."""
    return hashlib.sha256(key.encode(errors="surrogateescape")).digest()


def _neighbours(address: str) -> str:
    """Return what wrong keys are counted by: one client of IPv6 usually has 2**64 addresses."""
    try:
        found = ip_address(address)
        found = getattr(found, "ipv4_mapped", None) or found
        return str(ip_network((found, 32 if found.version == 4 else 64), strict=False))
    except ValueError:
        return address
