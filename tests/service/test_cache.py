"""The cache of stored forecasts reads pages once, and serves new publications in time."""

import asyncio
import json
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from sqlalchemy import Engine, RowMapping, delete

from publications import publication
from sales_forecast.service.cache import NEWEST_SECONDS, Page, PageCache, Selection, View
from sales_forecast.service.problems import ProblemError
from sales_forecast.service.routes.stored import FORECASTS, FORECASTS_WITH_QUANTILES
from sales_forecast.storage import schema
from sales_forecast.storage.database import writing
from sales_forecast.storage.publications import publish
from sales_forecast.storage.queries import Run
from sales_forecast.storage.rows import RowFilter
from sales_forecast.storage.withdrawals import withdraw

MONDAY = datetime(2017, 10, 2, 8, tzinfo=UTC)
TUESDAY = MONDAY + timedelta(days=1)


def _amount(row: RowMapping) -> dict[str, Any]:
    return {"store": row["store"], "forecast": row["forecast"]}


AMOUNTS = View("forecasts", schema.forecasts, _amount, {}, lambda run, _: {"publication": run.id})


def _of_store(*stores: str, limit: int = 100, offset: int = 0, view: View = AMOUNTS) -> Selection:
    return Selection(view, RowFilter((("store", stores),)), limit, offset)


def _rows(page: Page) -> list[dict[str, Any]]:
    return list(json.loads(page.document.body)["forecasts"])


class _Reader:
    """A cache and its event loop, whose time is set by hand."""

    def __init__(self, engine: Engine) -> None:
        self.cache, self.seconds = PageCache(engine), 0.0
        self._loop = asyncio.new_event_loop()
        self._loop.time = lambda: self.seconds  # type: ignore[method-assign]

    def read(self, selection: Selection, as_of: datetime | None = None) -> tuple[Run, Page]:
        async def read() -> tuple[Run, Page]:
            await asyncio.sleep(0)  # what has expired by now is removed first
            run = await self.cache.newest(selection.view.domain, as_of)
            return run, await self.cache.page(run, selection)

        return self._loop.run_until_complete(read())

    def first(self, as_of: datetime | None = None) -> float:
        """The forecast of the first store."""
        _, page = self.read(_of_store("1"), as_of)
        (row,) = _rows(page)
        return float(row["forecast"])

    def close(self) -> None:
        self._loop.close()


@pytest.fixture
def reader(engine: Engine) -> Iterator[_Reader]:
    opened = _Reader(engine)
    yield opened
    opened.close()


@pytest.fixture
def published(engine: Engine) -> Engine:
    publish(engine, publication(100.0), MONDAY)
    return engine


def test_a_page_is_read_from_the_database_once(published: Engine, reader: _Reader) -> None:
    before = reader.read(_of_store("1"))
    with writing(published) as connection:
        connection.execute(delete(schema.forecasts))
    assert reader.read(_of_store("1")) == before
    with pytest.raises(ProblemError, match="no forecast is stored for store '2'"):
        reader.read(_of_store("2"))


def test_pages_of_other_stores_limits_and_offsets_are_others(published: Engine, reader: _Reader) -> None:
    stores = {
        selection: [row["store"] for row in _rows(reader.read(selection)[1])]
        for selection in (_of_store(), _of_store("2"), _of_store(limit=2), _of_store(limit=2, offset=2))
    }
    assert list(stores.values()) == [["1", "2", "3", "4", "5", "6"], ["2"], ["1", "2"], ["3", "4"]]
    _, last = reader.read(_of_store(limit=4, offset=4))
    assert (last.count, last.total) == (2, 6)


def test_pages_with_and_without_quantiles_are_two(published: Engine, reader: _Reader) -> None:
    for view in (FORECASTS, FORECASTS_WITH_QUANTILES, FORECASTS):
        (row,) = _rows(reader.read(_of_store("1", view=view))[1])
        assert ("quantiles" in row) is (view is FORECASTS_WITH_QUANTILES)
    assert row["forecast"] == 100.0


def test_a_new_publication_is_served_soon_and_the_old_one_with_as_of(
    published: Engine, reader: _Reader
) -> None:
    assert reader.first() == 100.0
    publish(published, publication(200.0), TUESDAY)
    reader.seconds += 0.9 * NEWEST_SECONDS
    assert reader.first() == 100.0
    reader.seconds += 0.2 * NEWEST_SECONDS
    assert reader.first() == 200.0
    assert reader.first(as_of=MONDAY) == 100.0


def test_pages_of_a_database_that_was_started_anew_are_not_served(published: Engine, reader: _Reader) -> None:
    assert reader.first() == 100.0
    with writing(published) as connection:
        for table in (schema.forecasts, schema.level_forecasts, schema.forecast_runs):
            connection.execute(delete(table))
    publish(published, publication(300.0), MONDAY)
    reader.seconds += NEWEST_SECONDS
    assert reader.first() == 300.0


def test_that_all_are_withdrawn_is_told_from_that_there_are_none(published: Engine, reader: _Reader) -> None:
    with writing(published) as connection:
        withdraw(connection, 1, TUESDAY, "ada", "wrong unit")
    with pytest.raises(ProblemError, match=r"all 1 publication\(s\) of turnover are withdrawn"):
        reader.first()


def test_a_missing_publication_is_not_cached(engine: Engine, reader: _Reader) -> None:
    with pytest.raises(ProblemError, match="no turnover forecasts yet"):
        reader.first()
    publish(engine, publication(100.0), MONDAY)
    assert reader.first() == 100.0


def test_labels_and_compressed_pages_count_as_memory_of_the_cache(published: Engine, reader: _Reader) -> None:
    _, short = reader.read(_of_store("1"))
    _, long = reader.read(_of_store("1", "x" * 150, "y" * 150))
    assert long.document.body == short.document.body
    assert long.size == short.size + 300
    _, whole = reader.read(_of_store(view=FORECASTS_WITH_QUANTILES))
    assert whole.document.compressed is not None
    assert whole.size > len(whole.document.body) + len(whole.document.compressed)
