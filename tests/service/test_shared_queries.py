"""Requests for the same stored rows that arrive together share one query."""

import asyncio
import threading
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import orjson
import pytest
from sqlalchemy import Connection, Table
from sqlalchemy.exc import OperationalError

from sales_forecast.service.cache import Page, PageCache, Selection, View
from sales_forecast.storage import schema
from sales_forecast.storage.database import open_database
from sales_forecast.storage.queries import Run
from sales_forecast.storage.rows import RowFilter

RUN = Run(
    *(1, "default", "turnover", datetime(2017, 10, 2, tzinfo=UTC), "m", "1", "r", "d", "d"),
    *(None, None, None, None, {}, "x" * 64),
)


@dataclass
class _Queries:
    """Stands in for the query of a page: counts its calls, and lets none end before it is released."""

    count: int = 0
    released: threading.Event = field(default_factory=threading.Event)

    def __call__(
        self, connection: Connection, table: Table, run: Run, chosen: RowFilter, limit: int, offset: int
    ) -> tuple[list[dict[str, Any]], int]:
        self.count += 1
        assert self.released.wait(60)
        (store,) = chosen.given["store"]
        if store == "torn":
            raise OperationalError("select", {}, Exception("torn"))
        return [{"store": store}], 1


@pytest.fixture
def queries(monkeypatch: pytest.MonkeyPatch) -> _Queries:
    made = _Queries()
    monkeypatch.setattr("sales_forecast.service.cache.filtered_rows", made)
    return made


@pytest.fixture
def cache(tmp_path: Path) -> Iterator[PageCache]:
    engine = open_database(f"sqlite:///{tmp_path}/shop.db")
    yield PageCache(engine)
    engine.dispose()


STORES = View("stores", schema.forecasts, dict, {}, lambda *_: {})


def _of_store(store: str) -> Selection:
    return Selection(STORES, RowFilter((("store", (store,)),)), 100, 0)


def _store_of(page: Page) -> str:
    (row,) = orjson.loads(page.document.body)["stores"]
    return str(row["store"])


def _tasks(cache: PageCache, *stores: str) -> list[asyncio.Task[Page]]:
    return [asyncio.create_task(cache.page(RUN, _of_store(store))) for store in stores]


@pytest.mark.parametrize(
    ("max_bytes", "later_queries"), [(10**9, 0), (0, 1)], ids=["fits into the cache", "is too large for it"]
)
def test_requests_for_the_same_page_wait_for_the_same_query(
    cache: PageCache,
    queries: _Queries,
    monkeypatch: pytest.MonkeyPatch,
    max_bytes: int,
    later_queries: int,
) -> None:
    monkeypatch.setattr("sales_forecast.service.cache.MAX_BYTES", max_bytes)

    async def call() -> list[str]:
        tasks = _tasks(cache, *"aabab")
        await asyncio.sleep(0)
        queries.released.set()
        found = await asyncio.gather(*tasks)
        assert queries.count == 2
        await asyncio.sleep(0)
        assert _store_of(await cache.page(RUN, _of_store("a"))) == "a"
        assert queries.count == 2 + later_queries
        return [_store_of(page) for page in found]

    assert asyncio.run(call()) == ["a", "a", "b", "a", "b"]


def test_a_request_that_is_cancelled_does_not_cancel_the_query_of_the_others(
    cache: PageCache, queries: _Queries
) -> None:
    async def call() -> str:
        first, second = _tasks(cache, "a", "a")
        await asyncio.sleep(0)
        first.cancel()
        with pytest.raises(asyncio.CancelledError):
            await first
        queries.released.set()
        found = await second
        assert queries.count == 1
        return _store_of(found)

    assert asyncio.run(call()) == "a"


def test_a_query_that_fails_fails_for_all_and_is_tried_again(cache: PageCache, queries: _Queries) -> None:
    async def call() -> None:
        queries.released.set()
        found = await asyncio.gather(*_tasks(cache, "torn", "torn", "torn"), return_exceptions=True)
        assert [type(one) for one in found] == [OperationalError] * 3
        assert queries.count == 1
        with pytest.raises(OperationalError, match="torn"):
            await cache.page(RUN, _of_store("torn"))
        assert queries.count == 2

    asyncio.run(call())
