"""Writes the audit log; records that wait at the same time share one transaction."""

from __future__ import annotations

import asyncio
import queue
import threading
from concurrent.futures import Future

from sqlalchemy import Engine

from sales_forecast.service.problems import unavailable
from sales_forecast.storage import audit
from sales_forecast.storage.database import write_engine

SECONDS_TO_COMMIT = 20


class AuditWriter:
    """One thread that commits records, while requests wait until theirs is safe.

    Args:
        engine: SQLAlchemy engine of the database.
    """

    def __init__(self, engine: Engine) -> None:
        self._engine = write_engine(engine)
        self._closed = False
        self._waiting: queue.SimpleQueue[tuple[list[audit.AuditRecord], Future[None]] | None] = (
            queue.SimpleQueue()
        )
        self._thread = threading.Thread(target=self._write, name="audit", daemon=True)
        self._thread.start()

    async def record(self, records: list[audit.AuditRecord]) -> None:
        """Write records, and return once they are committed.

        Args:
            records: What one request was answered, one record per arm.

        Raises:
            sqlalchemy.exc.DBAPIError: The records are not committed; the response must not be sent.
            ProblemError: The database takes too long, or the service is stopping.
        """
        if self._closed:
            raise unavailable("the service is stopping; try again in some seconds")
        done: Future[None] = Future()
        done.set_running_or_notify_cancel()  # records are written even if the request is cancelled meanwhile
        self._waiting.put((records, done))
        try:
            await asyncio.wait_for(asyncio.wrap_future(done), SECONDS_TO_COMMIT)
        except TimeoutError as error:
            raise unavailable("the database takes too long; try again in some seconds") from error

    def close(self) -> None:
        """Write what is waiting, then stop the thread."""
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
                    audit.record(connection, [one for records, _ in batch for one in records])
            except Exception as error:  # raised again in each request that waits
                for _, done in batch:
                    done.set_exception(error)
            else:
                for _, done in batch:
                    done.set_result(None)
