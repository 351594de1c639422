"""Tells other processes that a job still runs, while a part of it is computed."""

from __future__ import annotations

import logging
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime

from sqlalchemy import Engine
from sqlalchemy.exc import SQLAlchemyError

from sales_forecast.storage import job_queue
from sales_forecast.storage.database import writing

logger = logging.getLogger(__name__)

HEARTBEAT_SECONDS = 30.0


@contextmanager
def heartbeat(engine: Engine, job: str, worker: str) -> Iterator[None]:
    """Tell every ``HEARTBEAT_SECONDS`` that a worker runs a job, until the block ends.

    Args:
        engine: SQLAlchemy engine of the database.
        job: Id of the job.
        worker: Id of the worker.
    """
    ended = threading.Event()

    def beat() -> None:
        while not ended.wait(HEARTBEAT_SECONDS):
            try:
                with writing(engine) as connection:
                    job_queue.tell_running(connection, job, worker, datetime.now(UTC))
            except SQLAlchemyError as error:  # the next one may succeed
                logger.warning("Job %s cannot tell that it runs: %s", job, getattr(error, "orig", error))

    thread = threading.Thread(target=beat, name="heartbeat", daemon=True)
    thread.start()
    try:
        yield
    finally:
        ended.set()
        thread.join()
