"""Authentication by API key. A key is looked up in the database and cached for a second."""

from __future__ import annotations

import hashlib
from datetime import UTC, datetime

from async_lru import alru_cache
from sqlalchemy import Engine
from starlette.concurrency import run_in_threadpool

from sales_forecast.storage.keys import ApiKey, find_key, has_key_format

CACHE_SECONDS = 1.0
"""How soon a revoked key is refused; looking it up for each request would cost a thread and a query."""


class UnknownKeyError(LookupError):
    """The key is wrong, expired or revoked."""


class Authenticator:
    """Finds API keys. It may be used only on one event loop.

    Args:
        engine: SQLAlchemy engine of the database.
    """

    def __init__(self, engine: Engine) -> None:
        self._engine = engine
        # calls for the same key share one query; an error is not cached, so an unknown key is never kept
        self._find = alru_cache(maxsize=1000, ttl=CACHE_SECONDS, key=_digest)(self._look_up)

    async def find(self, key: str) -> ApiKey | None:
        """Find a key.

        Args:
            key: Key as it was sent.

        Returns:
            Its id and scopes, or None if it is wrong, expired or revoked.
        """
        if not has_key_format(key):
            return None
        try:
            return await self._find(key)
        except UnknownKeyError:
            return None

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
    return hashlib.sha256(key.encode()).digest()
