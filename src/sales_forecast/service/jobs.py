"""Runs jobs that predict many series, one at a time in each process, when no live request computes."""

from __future__ import annotations

import asyncio
import gzip
import logging
import threading
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from functools import partial
from time import perf_counter
from typing import Any
from uuid import uuid4

import orjson
from pydantic import ValidationError
from sqlalchemy.exc import SQLAlchemyError

from sales_forecast.service.assignment import predict_by_arm
from sales_forecast.service.dependencies import Service
from sales_forecast.service.heartbeat import heartbeat
from sales_forecast.service.problems import ProblemError
from sales_forecast.service.schemas.requests import Series
from sales_forecast.storage import job_queue, jobs
from sales_forecast.storage.audit import AuditRecord
from sales_forecast.storage.audit_chain import AuditChain
from sales_forecast.storage.database import writing

logger = logging.getLogger(__name__)

ENDPOINT = "/v1/turnover/predictions"

POLL_SECONDS = 1.0
"""How soon a job is taken up that another process was asked for."""

SERIES_AT_A_TIME = 200
"""Size of a part; progress is told, and a cancelled job ends, after each."""

DEAD_AFTER_SECONDS = 120.0
"""A worker that has not told for so long that it runs has died; another one goes on with its job."""


class JobRunner:
    """One thread that takes up jobs from the database.

    Args:
        service: Service with database, models and settings.
    """

    def __init__(self, service: Service) -> None:
        self._service, self._worker = service, str(uuid4())
        self._chain = AuditChain(service.settings.audit.signer, "jobs")
        self._stopping = threading.Event()
        self._thread = threading.Thread(target=self._run, name="jobs", daemon=True)

    def start(self, loop: asyncio.AbstractEventLoop) -> None:
        """Begin to take up jobs.

        Args:
            loop: Event loop of the requests, which share the pool of long computations with the jobs.
        """
        self._loop = loop
        self._thread.start()

    def stop(self) -> None:
        """Let another process go on with the job that runs, after the part that is computed now."""
        self._stopping.set()
        self._thread.join(timeout=30)

    def _run(self) -> None:
        while not self._stopping.wait(POLL_SECONDS):
            try:
                while not self._stopping.is_set() and self._take_up():
                    pass
            except SQLAlchemyError as error:  # the job waits until its worker counts as dead
                logger.warning("Jobs wait for the database: %s", getattr(error, "orig", error))
            except Exception:  # the thread must go on with other jobs
                logger.exception("A job cannot be taken up")

    def _take_up(self) -> bool:
        """Run the next job; return whether another one may be run at once."""
        now, service = datetime.now(UTC), self._service
        seen_before = now - timedelta(seconds=DEAD_AFTER_SECONDS)
        with service.engine.connect() as connection:
            if not job_queue.is_anything_to_do(connection, service.retailer, now, seen_before):
                return False
        with writing(service.engine) as connection:
            job_queue.delete_expired(connection, now)
            taken = job_queue.claim(connection, service.retailer, self._worker, now, seen_before)
        return taken is not None and self._work(*taken)

    def _work(self, job: jobs.Job, content: Mapping[str, Any]) -> bool:
        """Run a job; return False if it has to wait."""
        if job.attempts > job_queue.MAX_ATTEMPTS:
            self._finish(
                job, f"the process that worked on it ended {job_queue.MAX_ATTEMPTS} times; ask for less"
            )
            return True
        try:
            for part, first in enumerate(range(job.predicted, job.series, SERIES_AT_A_TIME), job.parts):
                if self._stopping.is_set():
                    self._release(job)
                    return False
                if not self._predict(job, content, part, first):
                    return True  # it was deleted
        except ProblemError as problem:
            if problem.status == 503:  # no model is loaded yet
                self._release(job)
                return False
            self._finish(job, f"{problem.field}: {problem.detail}" if problem.field else problem.detail)
        except ValidationError as error:
            logger.warning("Job %s cannot be read: %s", job.id, error)
            self._finish(job, "it was submitted to another version of the service; submit it again")
        except SQLAlchemyError:
            raise
        except Exception:
            logger.exception("Job %s failed", job.id)
            self._finish(job, "it failed here; report its id")
        else:
            self._finish(job, None)
        return True

    def _predict(self, job: jobs.Job, content: Mapping[str, Any], part: int, first: int) -> bool:
        """Predict a part and commit it with its records of the audit log; return whether to go on."""
        start, service = perf_counter(), self._service
        series = [Series.model_validate(one) for one in content["series"][first : first + SERIES_AT_A_TIME]]
        quantiles = content.get("quantiles", False)
        call = partial(predict_by_arm, service, series, quantiles=quantiles, first=first)
        waits = asyncio.run_coroutine_threadsafe(service.computations.run_last(call), self._loop)
        with heartbeat(service.engine, job.id, self._worker):
            predictions, answers = waits.result()
        result = gzip.compress(orjson.dumps(predictions), mtime=0)
        now = datetime.now(UTC)
        records = [
            AuditRecord(
                request_id=jobs.request_id(job.id, part),
                arm=answer.arm.name,
                at=now,
                key_id=job.key_id,
                endpoint=ENDPOINT,
                model_name=answer.arm.model_name,
                model_version=answer.arm.version,
                input=answer.content,
                output=answer.predictions,
                other_output=answer.other,
                latency_ms=1000 * (perf_counter() - start),
            )
            for answer in answers
        ]
        with writing(service.engine) as connection:
            predicted = first + len(series)
            if not job_queue.add_part(connection, job.id, self._worker, part, result, predicted, now):
                return False
            head = self._chain.append(connection, records)
        self._chain.head = head
        service.audit_writer.quota.count(records)
        return True

    def _finish(self, job: jobs.Job, reason: str | None) -> None:
        now = datetime.now(UTC)
        expires_at = now + timedelta(hours=self._service.settings.jobs.keep_hours)
        if reason is not None:  # a label may have this character, which PostgreSQL cannot store
            reason = reason.replace("\x00", "\ufffd")
        with writing(self._service.engine) as connection:
            job_queue.finish(connection, job.id, self._worker, now, expires_at, reason)
        logger.info("Job %s of %d series: %s", job.id, job.series, reason or "done")

    def _release(self, job: jobs.Job) -> None:
        with writing(self._service.engine) as connection:
            job_queue.release(connection, job.id, self._worker)
