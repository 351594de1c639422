"""Cache of stored forecasts: a published run never changes, so its pages are read and written once.

The pages stay in a cache of ``cachetools``, which counts bytes; ``async_lru`` counts entries only, and lets
requests for the same page that arrive together share one query.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from datetime import datetime
from importlib.metadata import version

import orjson
from async_lru import alru_cache
from cachetools import LRUCache
from sqlalchemy import Engine, RowMapping, Table
from starlette.concurrency import run_in_threadpool

from sales_forecast.service.documents import Document, tag_of
from sales_forecast.service.negotiation import Format
from sales_forecast.service.problems import ProblemError
from sales_forecast.service.tables import Columns, encode
from sales_forecast.storage import schema
from sales_forecast.storage.queries import Run, newest_run
from sales_forecast.storage.rows import RowFilter, UnknownHorizonError, filtered_rows
from sales_forecast.storage.withdrawals import why_nothing_serves

NEWEST_SECONDS = 1.0
"""How soon a new publication is served; asking for each request would cost a thread and a query."""

MAX_BYTES = 64 * 2**20
BYTES_BESIDE_ROWS = 1000
"""Memory of a page beside its body and the labels it is filtered by, roughly; so that empty pages count."""

VERSION = version("sales_forecast")

PageKey = tuple[int, str, datetime, "Selection"]

InThread = Callable[..., Awaitable["Page"]]
"""Runs a function with its arguments in a thread."""


@dataclass(frozen=True, eq=False)  # each one is made once, and equal to itself only
class View:
    """What responses show of a table.

    Args:
        name: Field of the response that holds the rows.
        table: Table of the database that has a column ``run``.
        to_response: Converts a row to what the response contains.
        columns: Columns of the rows as CSV, Arrow or Parquet.
        about: Returns what the response says beside its rows, which are paged, about a run and its filter.
        version: What the rows depend on beside the publication; another one makes another entity tag.
    """

    name: str
    table: Table
    to_response: Callable[[RowMapping], Mapping[str, object]]
    columns: Columns
    about: Callable[[Run, RowFilter], Mapping[str, object]]
    version: str = ""

    @property
    def domain(self) -> str:
        """Domain whose forecasts the table holds."""
        return "marketing" if self.table is schema.budget_curves else "turnover"


@dataclass(frozen=True)
class Selection:
    """Which rows of a run are requested, and as what.

    Args:
        view: What is shown of them.
        rows: Which rows, and in which order.
        limit: Largest number of rows.
        offset: Number of rows to skip.
        form: Format of the response.
    """

    view: View
    rows: RowFilter
    limit: int
    offset: int
    form: Format = Format.JSON

    def etag(self, run: Run) -> str:
        """Return the opaque part of the entity tag of these rows of a run; it needs no query.

        The version of this software is part of it, since another one may write the same rows differently.
        """
        view = (self.view.name, *self.view.columns, self.view.version)
        parts = (VERSION, run.id, run.digest, run.made_at.isoformat(), *view)
        return tag_of(repr((*parts, self.rows, self.limit, self.offset, self.form)).encode())


@dataclass(frozen=True)
class Page:
    """Rows of a run.

    Args:
        document: The response.
        count: Number of rows in it.
        total: Number of rows without limit and offset.
        size: Bytes that the page takes in the cache.
    """

    document: Document
    count: int
    total: int
    size: int


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

    def has(self, run: Run, selection: Selection) -> bool:
        """Return whether these rows of a run are kept, so that reading them costs nothing."""
        return _page_key(run, selection) in self._pages

    async def page(self, run: Run, selection: Selection, in_thread: InThread = run_in_threadpool) -> Page:
        """Read rows of a run.

        Args:
            run: Run whose rows are read.
            selection: Which of its rows.
            in_thread: Runs the query in a thread, if these rows are not kept.

        Raises:
            ProblemError: No row matches.
        """
        key = _page_key(run, selection)
        page = self._pages.get(key)
        if page is None:
            page = await self._read(run, selection, in_thread)
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

    async def _read_page(self, run: Run, selection: Selection, in_thread: InThread) -> Page:
        return await in_thread(self._query_page, run, selection)

    def _query_page(self, run: Run, selection: Selection) -> Page:
        chosen, view = selection.rows, selection.view
        if any("\x00" in label for labels in chosen.given.values() for label in labels):
            raise _not_found(view.table, chosen)  # PostgreSQL cannot compare with this character
        with self._engine.connect() as connection:
            try:
                found, total = filtered_rows(
                    connection, view.table, run, chosen, selection.limit, selection.offset
                )
            except UnknownHorizonError:
                detail = f"the cutoff of publication {run.id} is not known; use week_from and week_to"
                raise ProblemError(404, detail, "query.horizon") from None
        if not total and chosen.leaves_out:
            raise _not_found(view.table, chosen)
        rows = [view.to_response(row) for row in found]
        about = {**view.about(run, chosen), **paging(len(rows), total, selection.offset)}
        etag = selection.etag(run)
        document = Document.of(write(view, about, rows, selection.form), selection.form, etag)
        labels = sum(len(label) for values in chosen.given.values() for label in values)
        return Page(document, len(rows), total, document.size + labels + BYTES_BESIDE_ROWS)


def write(view: View, about: Mapping[str, object], rows: list[Mapping[str, object]], form: Format) -> bytes:
    """Write the body of a response, without validating it: the tables have types, and that would be slow."""
    if form is Format.JSON:
        return orjson.dumps({**about, view.name: rows}, option=orjson.OPT_UTC_Z)
    return encode(rows, view.columns, form, about)


def paging(count: int, total: int, offset: int) -> dict[str, int | None]:
    """Say how many rows there are, and where the next page begins."""
    end = offset + count
    return {"total": total, "next_offset": end if end < total else None}


def _page_key(run: Run, selection: Selection, _: InThread | None = None) -> PageKey:
    """Return what a page is cached under; the digest differs when the database was started anew."""
    return run.id, run.digest, run.made_at, selection


def _size(page: Page) -> int:
    return page.size


def _not_found(table: Table, chosen: RowFilter) -> ProblemError:
    what = "change of a forecast" if table is schema.forecast_changes else "forecast"
    limits = {"week_from": chosen.week_from, "week_to": chosen.week_to}
    named = {name: ", ".join(f"'{value}'" for value in values) for name, values in chosen.given.items()}
    named |= {name: f"{week}" for name, week in limits.items() if week is not None}
    if chosen.horizons:
        named["horizon"] = ", ".join(map(str, chosen.horizons))
    queries = [f"query.{name}" for name in named if name != "level"] or ["path.level"]
    detail = f"no {what} is stored for {', '.join(f'{name} {value}' for name, value in named.items())}"
    return ProblemError(404, detail, queries[0] if len(queries) == 1 else None)
