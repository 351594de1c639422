"""Cache of stored forecasts: a published run never changes, so its pages are read once and kept as JSON.

The pages stay in a cache of ``cachetools``, which counts bytes; ``async_lru`` counts entries only, and lets
requests for the same page that arrive together share one query.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime

import orjson
from async_lru import alru_cache
from cachetools import LRUCache
from sqlalchemy import Engine, RowMapping, Table
from starlette.concurrency import run_in_threadpool

from sales_forecast.service.problems import ProblemError
from sales_forecast.storage import schema
from sales_forecast.storage.queries import Run, newest_run, rows_of_run
from sales_forecast.storage.withdrawals import why_nothing_serves

NEWEST_SECONDS = 1.0
"""How soon a new publication is served; asking for each request would cost a thread and a query."""

MAX_BYTES = 64 * 2**20
BYTES_BESIDE_ROWS = 1000
"""Memory of a page and its key beside its rows, roughly; so that empty pages count, too."""

PageKey = tuple[int, str, "Selection"]


@dataclass(frozen=True)
class Selection:
    """Which rows of a run are requested.

    Args:
        table: ``schema.forecasts``, ``schema.level_forecasts``, ``schema.forecast_changes`` or
            ``schema.budget_curves``.
        to_response: Converts a row to what the response contains; with and without quantiles are two pages.
        where: Column and the value that it must have; None for any value.
        limit: Largest number of rows.
        offset: Number of rows to skip.
    """

    table: Table
    to_response: Callable[[RowMapping], Mapping[str, object]]
    where: tuple[tuple[str, str | None], ...]
    limit: int
    offset: int

    @property
    def domain(self) -> str:
        """Domain whose forecasts the table holds."""
        return "marketing" if self.table is schema.budget_curves else "turnover"


@dataclass(frozen=True)
class Page:
    """Rows of a run.

    Args:
        rows: JSON list of the rows.
        count: Number of these rows.
        total: Number of rows without limit and offset.
    """

    rows: bytes
    count: int
    total: int


class PageCache:
    """Reads stored forecasts through a cache. It may be used only on one event loop: it has no locks.

    Args:
        engine: SQLAlchemy engine of the database.
        retailer: Retailer whose forecasts are read; None for any.
    """

    def __init__(self, engine: Engine, retailer: str | None = None) -> None:
        self._engine, self._retailer = engine, retailer
        self._pages: LRUCache[PageKey, Page] = LRUCache(MAX_BYTES, getsizeof=_size)
        self._newest = alru_cache(maxsize=1000, ttl=NEWEST_SECONDS)(self._read_newest)
        # an entry lives as long as its query: the pages themselves are kept above
        self._read = alru_cache(maxsize=None, ttl=0, key=_page_key)(self._read_page)

    async def newest(self, domain: str, as_of: datetime | None) -> Run:
        """Find the newest run of a domain.

        Args:
            domain: ``turnover`` or ``marketing``.
            as_of: Time by which the run must have been published; None for now.

        Raises:
            ProblemError: There is no such run.
        """
        return await self._newest(domain, as_of)

    async def page(self, run: Run, selection: Selection) -> Page:
        """Read rows of a run, ordered by their primary key.

        Args:
            run: Run whose rows are read.
            selection: Which of its rows.

        Raises:
            ProblemError: No row matches.
        """
        key = _page_key(run, selection)
        page = self._pages.get(key)
        if page is None:
            page = await self._read(run, selection)
            if _size(page) <= MAX_BYTES:
                self._pages[key] = page
        return page

    async def _read_newest(self, domain: str, as_of: datetime | None) -> Run:
        run = await run_in_threadpool(self._query_newest, domain, as_of)
        if run is None and as_of is None:
            raise ProblemError(404, await run_in_threadpool(self._query_why_none, domain))
        if run is None:
            when = f"before {as_of:%Y-%m-%d %H:%M:%S} UTC"
            raise ProblemError(404, f"there are no {domain} forecasts {when}", "query.as_of")
        return run

    def _query_newest(self, domain: str, as_of: datetime | None) -> Run | None:
        with self._engine.connect() as connection:
            return newest_run(connection, domain, as_of, self._retailer)

    def _query_why_none(self, domain: str) -> str:
        with self._engine.connect() as connection:
            return why_nothing_serves(connection, domain, self._retailer)

    async def _read_page(self, run: Run, selection: Selection) -> Page:
        return await run_in_threadpool(self._query_page, run, selection)

    def _query_page(self, run: Run, selection: Selection) -> Page:
        where = {name: value for name, value in selection.where if value}
        if any("\x00" in value for value in where.values()):  # PostgreSQL cannot compare with this character
            raise _not_found(selection.table, where)
        with self._engine.connect() as connection:
            rows, total = rows_of_run(
                connection, selection.table, run, where, selection.limit, selection.offset
            )
        if not total and where:
            raise _not_found(selection.table, where)
        return Page(orjson.dumps([selection.to_response(row) for row in rows]), len(rows), total)


def _page_key(run: Run, selection: Selection) -> PageKey:
    """Return what a page is cached under; the digest differs when the database was started anew."""
    return run.id, run.digest, selection


def _size(page: Page) -> int:
    return len(page.rows) + BYTES_BESIDE_ROWS


def _not_found(table: Table, where: Mapping[str, str]) -> ProblemError:
    what = "change of a forecast" if table is schema.forecast_changes else "forecast"
    named = ", ".join(f"{name} '{value}'" for name, value in where.items())
    queries = [f"query.{name}" for name in where if name != "level"] or ["path.level"]
    return ProblemError(404, f"no {what} is stored for {named}", queries[0] if len(queries) == 1 else None)
