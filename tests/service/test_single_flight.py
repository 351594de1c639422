"""Many ask at the same time, one reads."""

import asyncio
import threading

import pytest

from sales_forecast.service.single_flight import SingleFlight


class _Library:
    """Counts who reads, and lets nobody finish before it is opened."""

    def __init__(self) -> None:
        self.open, self.readers = threading.Event(), 0

    def read(self, book: str) -> str:
        self.readers += 1
        assert self.open.wait(60)
        if book == "torn":
            raise OSError(book)
        return book.upper()


def test_who_asks_for_the_same_waits_for_the_same_read() -> None:
    async def ask() -> list[str]:
        library, reads = _Library(), SingleFlight()
        asked = [asyncio.create_task(reads.read(book, library.read, book)) for book in "aabab"]
        await asyncio.sleep(0)
        library.open.set()
        found = await asyncio.gather(*asked)
        assert library.readers == 2
        assert await reads.read("a", library.read, "a") == "A"
        assert library.readers == 3
        return found

    assert asyncio.run(ask()) == ["A", "A", "B", "A", "B"]


def test_one_that_gives_up_does_not_take_it_from_the_others() -> None:
    async def ask() -> str:
        library, reads = _Library(), SingleFlight()
        first, second = (asyncio.create_task(reads.read("a", library.read, "a")) for _ in range(2))
        await asyncio.sleep(0)
        first.cancel()
        with pytest.raises(asyncio.CancelledError):
            await first
        library.open.set()
        found = await second
        assert library.readers == 1
        return found

    assert asyncio.run(ask()) == "A"


def test_a_read_that_fails_fails_for_all_and_is_tried_again() -> None:
    async def ask() -> None:
        library, reads = _Library(), SingleFlight()
        library.open.set()
        asked = [reads.read("torn", library.read, "torn") for _ in range(3)]
        found = await asyncio.gather(*asked, return_exceptions=True)
        assert [str(each) for each in found] == ["torn"] * 3
        assert library.readers == 1
        with pytest.raises(OSError, match="torn"):
            await reads.read("torn", library.read, "torn")
        assert library.readers == 2

    asyncio.run(ask())
