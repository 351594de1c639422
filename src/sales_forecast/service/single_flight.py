"""Reads that many wait for at the same time, done once."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Hashable
from typing import Any, TypeVar

from starlette.concurrency import run_in_threadpool

T = TypeVar("T")


class SingleFlight:
    """Runs blocking reads in threads, one at a time for each key. Only for the event loop."""

    def __init__(self) -> None:
        self._under_way: dict[Hashable, asyncio.Task[Any]] = {}

    async def read(self, key: Hashable, blocking: Callable[..., T], *arguments: Any) -> T:
        """What ``blocking(*arguments)`` returns or raises; whoever asks meanwhile waits for the same call.

        Args:
            key: Of what is read.
            blocking: Reads it, in a thread.
            arguments: Of ``blocking``.
        """
        task: asyncio.Task[T] | None = self._under_way.get(key)
        if task is None:
            task = asyncio.create_task(run_in_threadpool(blocking, *arguments))
            self._under_way[key] = task
            task.add_done_callback(lambda _: self._under_way.pop(key))
        return await asyncio.shield(task)  # one that gives up does not take it from the others
