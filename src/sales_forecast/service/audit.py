"""Writes the audit log: answers that wait at the same time share one transaction."""

from __future__ import annotations

import asyncio
import queue
import threading
from concurrent.futures import Future

from sqlalchemy import Engine

from sales_forecast.service.problems import unavailable
from sales_forecast.storage import audit
from sales_forecast.storage.database import to_write

SECONDS_TO_COMMIT = 20


class AuditWriter:
    """One thread that commits; authenticator wait until their answers are safe.

    Args:
        engine: Of the database.
    """

    def __init__(self, engine: Engine) -> None:
        self._engine = to_write(engine)
        self._closed = False
        self._waiting: queue.SimpleQueue[tuple[list[audit.Answer], Future[None]] | None] = queue.SimpleQueue()
        self._thread = threading.Thread(target=self._write, name="audit", daemon=True)
        self._thread.start()

    async def record(self, answers: list[audit.Answer]) -> None:
        """Return once the answers are committed.

        Raises:
            sqlalchemy.exc.DBAPIError: They are not; the answer must not leave.
            ProblemError: The database takes too long, or the service is stopping.
        """
        if self._closed:
            raise unavailable("the service is stopping")
        done: Future[None] = Future()
        done.set_running_or_notify_cancel()  # what is handed over is written, even if nobody waits any more
        self._waiting.put((answers, done))
        try:
            await asyncio.wait_for(asyncio.wrap_future(done), SECONDS_TO_COMMIT)
        except TimeoutError as error:
            raise unavailable("the database takes too long; try again in some seconds") from error

    def close(self) -> None:
        """Finish what waits, then stop."""
        self._closed = True
        self._waiting.put(None)
        self._thread.join()

    def _write(self) -> None:
        while (first := self._waiting.get()) is not None:
            batch = [first]
            while not self._waiting.empty():
                if (more := self._waiting.get()) is None:
                    self._waiting.put(None)
                    break
                batch.append(more)
            try:
                with self._engine.begin() as connection:
                    audit.record(connection, [answer for answers, _ in batch for answer in answers])
            except Exception as error:  # each caller answers for itself
                for _, done in batch:
                    done.set_exception(error)
            else:
                for _, done in batch:
                    done.set_result(None)
