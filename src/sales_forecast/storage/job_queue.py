"""The side of the workers: take up a job, tell its progress, and end it.

A worker commits each part of a result together with the progress; when it dies, another one goes on after the
last part.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime

from sqlalchemy import ColumnElement, Connection, delete, func, insert, select, update

from sales_forecast.storage.jobs import JOBS, PARTS, Job, job_where, request_of

MAX_ATTEMPTS = 3
"""How often a job is taken up; one that ends its process each time would end all of them."""


def is_anything_to_do(connection: Connection, retailer: str, now: datetime, seen_before: datetime) -> bool:
    """Return whether a job can be claimed or has expired; unlike claiming, it locks nothing."""
    query = select(JOBS.c.id).where(_claimable(retailer, seen_before) | (JOBS.c.expires_at <= now)).limit(1)
    return connection.execute(query).first() is not None


def claim(
    connection: Connection, retailer: str, worker: str, now: datetime, seen_before: datetime
) -> tuple[Job, Mapping[str, object]] | None:
    """Take up the oldest job that waits, or that a worker has left.

    Args:
        connection: Connection in a transaction that writes.
        retailer: Whose jobs they are.
        worker: Id of the worker that takes it up.
        now: Time of the claim.
        seen_before: Workers that were last seen before this time have died.

    Returns:
        The job and the content of its request; None if there is nothing to do.
    """
    oldest = select(JOBS.c.id).where(_claimable(retailer, seen_before)).order_by(JOBS.c.created_at, JOBS.c.id)
    found = connection.execute(oldest.limit(1).with_for_update(skip_locked=True)).scalar()
    if found is None:
        return None
    taken = {"state": "running", "worker": worker, "seen_at": now, "attempts": JOBS.c.attempts + 1}
    taken |= {"started_at": func.coalesce(JOBS.c.started_at, now)}
    connection.execute(update(JOBS).where(JOBS.c.id == found).values(taken))
    return job_where(connection, JOBS.c.id == found), request_of(connection, found)


def add_part(
    connection: Connection, job: str, worker: str, part: int, content: bytes, predicted: int, now: datetime
) -> bool:
    """Keep a part of a result, and tell the progress.

    Args:
        connection: Connection in a transaction that writes.
        job: Id of the job.
        worker: Id of the worker.
        part: Number of the part, from 0.
        content: The part.
        predicted: Number of series that are predicted with this part.
        now: Time at which the worker says so.

    Returns:
        Whether the worker still runs the job; otherwise nothing is written.
    """
    progress = {"predicted": predicted, "parts": part + 1, "seen_at": now}
    if not connection.execute(update(JOBS).where(_runs(job, worker)).values(progress)).rowcount:
        return False
    connection.execute(insert(PARTS).values(job=job, part=part, content=content))
    return True


def tell_running(connection: Connection, job: str, worker: str, now: datetime) -> None:
    """Tell the others that a worker still runs a job."""
    connection.execute(update(JOBS).where(_runs(job, worker)).values(seen_at=now))


def finish(
    connection: Connection, job: str, worker: str, now: datetime, expires_at: datetime, reason: str | None
) -> None:
    """End a job that a worker runs: done, or failed for a reason. Its request is not needed any more."""
    state = "done" if reason is None else "failed"
    ended = {"state": state, "finished_at": now, "expires_at": expires_at, "reason": reason, "request": {}}
    connection.execute(update(JOBS).where(_runs(job, worker)).values(ended))


def release(connection: Connection, job: str, worker: str) -> None:
    """Let another worker go on with a job; it does not count as an attempt."""
    waits = {"state": "waiting", "worker": None, "seen_at": None, "attempts": JOBS.c.attempts - 1}
    connection.execute(update(JOBS).where(_runs(job, worker)).values(waits))


def delete_expired(connection: Connection, now: datetime) -> int:
    """Delete jobs that have expired, with their results; return how many."""
    return connection.execute(delete(JOBS).where(JOBS.c.expires_at <= now)).rowcount


def _claimable(retailer: str, seen_before: datetime) -> ColumnElement[bool]:
    left = (JOBS.c.state == "running") & (JOBS.c.seen_at < seen_before)
    return (JOBS.c.retailer == retailer) & ((JOBS.c.state == "waiting") | left)


def _runs(job: str, worker: str) -> ColumnElement[bool]:
    return (JOBS.c.id == job) & (JOBS.c.state == "running") & (JOBS.c.worker == worker)
