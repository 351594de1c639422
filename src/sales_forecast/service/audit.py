"""Writes the audit log: answers that wait together share one transaction, changes have theirs."""

from __future__ import annotations

import asyncio
import logging
import queue
import threading
from collections.abc import Iterator
from concurrent.futures import Future
from contextlib import contextmanager
from time import monotonic

from sqlalchemy import Connection, Engine

from sales_forecast.service.problems import unavailable
from sales_forecast.service.quota import AuditQuota
from sales_forecast.service.refusals import Refusals, refusal_records
from sales_forecast.storage.audit import AuditRecord
from sales_forecast.storage.audit_chain import AuditChain, Head
from sales_forecast.storage.audit_settings import AuditSettings
from sales_forecast.storage.database import writing

logger = logging.getLogger(__name__)

SECONDS_TO_COMMIT = 20

IDLE_SECONDS = 5.0
"""How often counts of refused requests are looked for while nothing else is to be written."""

WITNESS_SECONDS = 60.0
"""How often the log tells which record is the newest, for ``audit verify --witness``."""

Waiting = tuple[list[AuditRecord], Future[None]]


class AuditWriter:
    """One thread that commits records, while requests wait until theirs is safe.

    Args:
        engine: SQLAlchemy engine of the database.
        settings: Signing key of the chain, and how much each API key may bring in a day.
    """

    def __init__(self, engine: Engine, settings: AuditSettings) -> None:
        self.refusals, self.quota = Refusals(), AuditQuota(engine, settings)
        self._engine = engine
        self._chain = AuditChain(settings.signer, "service")
        self._witnessed: Head | None = None
        self._witnessed_at = monotonic()
        self._closed = False
        self._waiting: queue.SimpleQueue[Waiting | None] = queue.SimpleQueue()
        self._thread = threading.Thread(target=self._write, name="audit", daemon=True)
        self._thread.start()

    async def record(self, records: list[AuditRecord]) -> None:
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
        self.quota.count(records)
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
        goes_on = True
        while goes_on:
            batch, goes_on = self._next_batch()
            if not batch or self._commit(batch):
                self._commit_refusals(everything=not goes_on)
            self._witness(now=not goes_on)

    def _next_batch(self) -> tuple[list[Waiting], bool]:
        """All that waits, after a while nothing; and whether more may come."""
        batch: list[Waiting] = []
        try:
            more = self._waiting.get(timeout=IDLE_SECONDS)
            while more is not None:
                batch.append(more)
                more = self._waiting.get_nowait()
        except queue.Empty:
            return batch, True
        return batch, False

    def _commit(self, batch: list[Waiting]) -> bool:
        """Write what waits, tell the requests, and return whether it is committed."""
        records = [one for answers, _ in batch for one in answers]
        try:
            self._chain.write(self._engine, records)
        except Exception as error:  # raised again in each request that waits
            logger.error("%s records cannot be written to the audit log: %s", len(records), error)
            for _, done in batch:
                done.set_exception(error)
            return False
        for _, done in batch:
            done.set_result(None)
        return True

    def _commit_refusals(self, *, everything: bool) -> None:
        """Write counts on their own, so that no request fails with them; if they fail, they are kept."""
        counts = self.refusals.take(everything=everything)
        if not counts:
            return
        try:
            self._chain.write(self._engine, refusal_records(counts))
        except Exception as error:  # the next try may succeed
            logger.error("%s counts of refused requests wait for the audit log: %s", len(counts), error)
            self.refusals.put_back(counts)

    def _witness(self, *, now: bool) -> None:
        """Tell the log which record is the newest, from time to time."""
        head = self._chain.head
        if head is None or head == self._witnessed:
            return
        if now or monotonic() - self._witnessed_at >= WITNESS_SECONDS:
            self._witnessed, self._witnessed_at = head, monotonic()
            _tell(head)


class RecordedChanges:
    """Commits changes of the plan with their records: neither is there without the other, even after a kill.

    They are a writer of their own, because ``AuditWriter`` commits the records of many requests together. One
    change is committed at a time; any thread may make one.

    Args:
        engine: SQLAlchemy engine of the database.
        settings: Signing key of the chain.
        quota: Counts what each API key brings.
    """

    def __init__(self, engine: Engine, settings: AuditSettings, quota: AuditQuota) -> None:
        self._engine, self._quota, self._lock = engine, quota, threading.Lock()
        self._chain = AuditChain(settings.signer, "changes of the plan")

    @contextmanager
    def begin(self) -> Iterator[tuple[Connection, list[AuditRecord]]]:
        """Open one transaction that writes.

        Yields:
            The connection, and a list for the records of what is changed; without any, none is written.
        """
        records: list[AuditRecord] = []
        with self._lock:
            with writing(self._engine) as connection:
                yield connection, records
                head = self._chain.append(connection, records) if records else self._chain.head
            self._chain.head = head
        self._quota.count(records)
        if records and head is not None:
            _tell(head)  # changes are few, so that each of them is proved


def _tell(head: Head) -> None:
    """Tell the log which record is the newest of a writer, for ``audit verify --witness``."""
    logger.info("Audit log: record %s of writer %s has the digest %s", head.number, head.writer, head.digest)
