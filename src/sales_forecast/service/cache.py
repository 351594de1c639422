"""Stored forecasts at hand: what a run has published never changes, so it is read once and kept as JSON."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from time import monotonic
from typing import Any

import orjson
from cachetools import LRUCache, TTLCache
from sqlalchemy import Engine, RowMapping, Table

from sales_forecast.service.problems import ProblemError
from sales_forecast.service.single_flight import SingleFlight
from sales_forecast.storage import schema
from sales_forecast.storage.queries import Run, newest_run, rows_of_run

NEWEST_SECONDS = 1.0
"""How soon a new publication is answered from; asking on every request would cost a thread and a query."""

KEPT_BYTES = 64 * 2**20
BYTES_BESIDE_ROWS = 1000
"""Of a page and its key, about: empty pages are not for nothing."""


@dataclass(frozen=True)
class Selection:
    """Which rows.

    Args:
        table: ``schema.forecasts``, ``schema.level_forecasts`` or ``schema.budget_curves``.
        as_answer: A row, as it is answered.
        where: Column and value; None means any.
        limit: At most so many.
        offset: After so many.
    """

    table: Table
    as_answer: Callable[[RowMapping], dict[str, Any]]
    where: tuple[tuple[str, str | None], ...]
    limit: int
    offset: int

    @property
    def domain(self) -> str:
        """Whose forecasts these are."""
        return "marketing" if self.table is schema.budget_curves else "turnover"


@dataclass(frozen=True)
class Page:
    """Some rows.

    Args:
        rows: A JSON list of them.
        count: How many these are.
        total: How many there are in all.
    """

    rows: bytes
    count: int
    total: int


class PageCache:
    """Reads what is stored. Only for the event loop: nothing here is locked.

    Args:
        engine: Of the database.
        timer: Tells seconds.
    """

    def __init__(self, engine: Engine, timer: Callable[[], float] = monotonic) -> None:
        self._engine = engine
        self._reads = SingleFlight()
        self._newest: TTLCache[Any, Run] = TTLCache(1000, NEWEST_SECONDS, timer)
        self._pages: LRUCache[Any, Page] = LRUCache(KEPT_BYTES, getsizeof=_size)

    async def newest(self, domain: str, as_of: datetime | None) -> Run:
        """The newest run; with ``as_of``, the newest one of then.

        Raises:
            ProblemError: There is none.
        """
        key = (domain, as_of)
        run = self._newest.get(key)
        if run is None:
            run = await self._reads.read(key, self._read_newest, domain, as_of)
            if run is None:
                when = f"before {as_of:%Y-%m-%d %H:%M:%S} UTC" if as_of else "yet; make some: kedro run"
                field = "query.as_of" if as_of else None
                raise ProblemError(404, f"there are no {domain} forecasts {when}", field)
            self._newest[key] = run
        return run

    async def page(self, run: Run, wanted: Selection) -> Page:
        """Rows of a run, in the order of their keys.

        Args:
            run: Whose.
            wanted: Which.

        Raises:
            ProblemError: There are none.
        """
        key = (run.id, run.digest, wanted)
        page = self._pages.get(key)
        if page is None:
            page = await self._reads.read(key, self._read_page, run, wanted)
            if _size(page) <= KEPT_BYTES:
                self._pages[key] = page
        return page

    def _read_newest(self, domain: str, as_of: datetime | None) -> Run | None:
        with self._engine.connect() as connection:
            return newest_run(connection, domain, as_of)

    def _read_page(self, run: Run, wanted: Selection) -> Page:
        given = {name: value for name, value in wanted.where if value}
        if any("\x00" in value for value in given.values()):  # PostgreSQL knows no such text
            raise _nothing_for(given)
        with self._engine.connect() as connection:
            rows, total = rows_of_run(connection, wanted.table, run, given, wanted.limit, wanted.offset)
        if not total and given:
            raise _nothing_for(given)
        return Page(orjson.dumps([wanted.as_answer(row._mapping) for row in rows]), len(rows), total)


def _size(page: Page) -> int:
    return len(page.rows) + BYTES_BESIDE_ROWS


def _nothing_for(given: dict[str, str]) -> ProblemError:
    named = ", ".join(f"{name} '{value}'" for name, value in given.items())
    queries = [f"query.{name}" for name in given if name != "level"] or ["path.level"]
    return ProblemError(404, f"no forecast is stored for {named}", queries[0] if len(queries) == 1 else None)
