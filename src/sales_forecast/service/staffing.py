"""Staffing rules that hold now."""

from __future__ import annotations

from async_lru import alru_cache
from sqlalchemy import Engine
from starlette.concurrency import run_in_threadpool

from sales_forecast.service.cache import NEWEST_SECONDS
from sales_forecast.service.problems import ProblemError
from sales_forecast.storage.staffing import NO_RULES, PublishedRule, staffing_rules


class CurrentRules:
    """Reads the staffing rules from the database, once a second at most.

    Args:
        engine: SQLAlchemy engine of the database.
        retailer: Retailer whose rules are read.
    """

    def __init__(self, engine: Engine, retailer: str) -> None:
        self._engine, self._retailer = engine, retailer
        self._read = alru_cache(maxsize=1, ttl=NEWEST_SECONDS)(self._read_rules)

    async def read(self) -> tuple[PublishedRule, ...]:
        """Return the rules, ordered by department.

        Raises:
            ProblemError: None are published.
        """
        return await self._read()

    async def _read_rules(self) -> tuple[PublishedRule, ...]:
        found = await run_in_threadpool(self._query)
        if not found:
            raise ProblemError(404, NO_RULES)
        return found

    def _query(self) -> tuple[PublishedRule, ...]:
        with self._engine.connect() as connection:
            return staffing_rules(connection, self._retailer)
