"""A pool of its own for long computations, so that short requests do not wait for them."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from functools import partial
from typing import ParamSpec, TypeVar
from weakref import WeakValueDictionary

from prometheus_client import Gauge

from sales_forecast.service.problems import unavailable

P = ParamSpec("P")
ResultT = TypeVar("ResultT")

COMPUTATIONS = Gauge(
    "sales_forecast_computations", "Long computations that run or wait.", multiprocess_mode="livesum"
)

LONGEST_WAIT_SECONDS = 20.0
"""How long a part of a job waits for requests; then it is next, so that jobs come to their end."""


class Turns:
    """Lets few requests of each API key go on at the same time; the others wait for their turn.

    Args:
        at_once: Number of requests of a key that go on.
    """

    def __init__(self, at_once: int) -> None:
        self._at_once = at_once
        self._of_keys = WeakValueDictionary[str, asyncio.Semaphore]()  # until nobody holds it or waits for it

    def of(self, key_id: str) -> asyncio.Semaphore:
        """Return what a request of a key must hold to go on."""
        return self._of_keys.setdefault(key_id, asyncio.Semaphore(self._at_once))


class Computations:
    """Runs computations in few threads. It may be used only on one event loop: it has no locks.

    Python computes in one thread at a time, so that more threads would only slow down everything else.

    Args:
        threads: Number of computations at the same time.
        max_waiting: Number of computations that may wait beside; half of them with the same API key.
    """

    def __init__(self, threads: int, max_waiting: int) -> None:
        self._pool = ThreadPoolExecutor(threads, thread_name_prefix="computation")
        self._places = threads + max_waiting
        self._places_of_a_key = threads + max_waiting // 2
        self._taken: Counter[str] = Counter()
        self._is_free = asyncio.Event()
        self._is_free.set()

    async def run(
        self, key_id: str, function: Callable[P, ResultT], *arguments: P.args, **options: P.kwargs
    ) -> ResultT:
        """Run a function, after those that came before it.

        Args:
            key_id: Id of the API key that asks for it.
            function: What is run, with its arguments and options.
            arguments: Its arguments.
            options: Its options.

        Raises:
            ProblemError: Too many computations are waiting already.
        """
        if self._taken.total() >= self._places or self._taken[key_id] >= self._places_of_a_key:
            raise unavailable(
                "too many long computations at once, such as new stores, future covariates, many series or "
                "plans; try again in some seconds"
            )
        self._taken[key_id] += 1
        self._is_free.clear()
        try:
            return await self._run(partial(function, *arguments, **options))
        finally:
            self._taken[key_id] -= 1
            if not self._taken.total():
                self._is_free.set()

    async def run_last(self, function: Callable[[], ResultT]) -> ResultT:
        """Run a function once no request computes, or after some time all the same.

        Args:
            function: Part of a job.
        """
        with suppress(TimeoutError):
            await asyncio.wait_for(self._is_free.wait(), LONGEST_WAIT_SECONDS)
        return await self._run(function)

    async def _run(self, function: Callable[[], ResultT]) -> ResultT:
        COMPUTATIONS.inc()
        try:
            return await asyncio.get_running_loop().run_in_executor(self._pool, function)
        finally:
            COMPUTATIONS.dec()

    def close(self) -> None:
        """Wait for computations that run, and start no other."""
        self._pool.shutdown(cancel_futures=True)
