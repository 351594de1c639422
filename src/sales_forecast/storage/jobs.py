"""Jobs that predict many series, in the database: any process can run them, or tell how far they are.

A job is ``waiting``, then ``running`` in one worker (see ``job_queue``), and at last ``done`` or ``failed``.
Earlier versions left some that are ``cancelled``, until they expire.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Literal
from uuid import NAMESPACE_URL, uuid4, uuid5

from sqlalchemy import ColumnElement, Connection, delete, insert, select

from sales_forecast.storage import schema

JobState = Literal["waiting", "running", "done", "failed", "cancelled"]
UNFINISHED: tuple[JobState, ...] = ("waiting", "running")

JOBS, PARTS = schema.prediction_jobs, schema.prediction_job_parts


@dataclass(frozen=True)
class Job:
    """A job without its request and result.

    Args:
        id: Id of the job.
        key_id: Id of the API key that it was submitted with.
        state: What has become of it.
        series: Number of series to predict.
        predicted: Number of series that are predicted.
        parts: Number of parts of the result so far.
        attempts: How often a worker has taken it up.
        created_at: When it was submitted.
        started_at: When a worker first took it up; None before.
        finished_at: When it was done, failed or cancelled; None before.
        expires_at: When it is deleted with its result; None before it has finished.
        reason: Why it failed; None if it did not.
    """

    id: str
    key_id: str
    state: JobState
    series: int
    predicted: int
    parts: int
    attempts: int
    created_at: datetime
    started_at: datetime | None
    finished_at: datetime | None
    expires_at: datetime | None
    reason: str | None

    @property
    def request_ids(self) -> list[str]:
        """Ids of its predictions in the audit log, one for each part."""
        return [request_id(self.id, part) for part in range(self.parts)]


COLUMNS = [JOBS.c[name] for name in Job.__dataclass_fields__]


def request_id(job: str, part: int) -> str:
    """Return the id of a part of a job in the audit log."""
    return str(uuid5(NAMESPACE_URL, f"{job}/{part}"))


class TooManyJobsError(Exception):
    """The API key has too many jobs that are not finished, or too many altogether."""


class ReusedKeyError(Exception):
    """The idempotency key came with another request before."""


@dataclass(frozen=True)
class JobLimits:
    """How many jobs an API key may have.

    Args:
        unfinished: Largest number of jobs that wait or run.
        stored: Largest number of jobs, with those whose results are kept.
    """

    unfinished: int
    stored: int


@dataclass(frozen=True)
class Submission:
    """A request for a job.

    Args:
        content: Content of the request, as JSON.
        digest: Hash of the content.
        series: Number of series to predict.
        key_id: Id of the API key.
        retailer: Retailer whose models predict.
        idempotency_key: What the client calls this request; None if it does not matter whether it is new.
    """

    content: Mapping[str, object]
    digest: str
    series: int
    key_id: str
    retailer: str
    idempotency_key: str | None


def submit(connection: Connection, submission: Submission, limits: JobLimits, now: datetime) -> Job:
    """Enter a job, or find the one that the same request has entered before.

    Args:
        connection: Connection in a transaction that writes.
        submission: The request.
        limits: How many jobs the API key may have.
        now: Time of the request.

    Raises:
        ReusedKeyError: The idempotency key came with another request before.
        TooManyJobsError: The API key has as many jobs as it may have.
    """
    keys = schema.api_keys  # two requests with the same key wait for each other
    connection.execute(select(keys.c.id).where(keys.c.id == submission.key_id).with_for_update())
    found = find_earlier(connection, submission, limits)
    if found is not None:
        return found
    entry: dict[str, object] = {
        "id": str(uuid4()),
        "retailer": submission.retailer,
        "key_id": submission.key_id,
        "idempotency_key": submission.idempotency_key,
        "request": dict(submission.content),
        "request_digest": submission.digest,
    }
    entry |= {"state": "waiting", "created_at": now, "predicted": 0, "parts": 0, "attempts": 0}
    connection.execute(insert(JOBS).values(entry | {"series": submission.series}))
    return job_where(connection, JOBS.c.id == entry["id"])


def find_earlier(connection: Connection, submission: Submission, limits: JobLimits) -> Job | None:
    """Find the job that the same request has entered before; None if a new one may be entered.

    Args:
        connection: Connection to the database.
        submission: The request.
        limits: How many jobs the API key may have.

    Raises:
        ReusedKeyError: The idempotency key came with another request before.
        TooManyJobsError: The API key has as many jobs as it may have.
    """
    of_key = JOBS.c.key_id == submission.key_id
    if submission.idempotency_key is not None:
        same = (of_key, JOBS.c.idempotency_key == submission.idempotency_key)
        found = connection.execute(select(*COLUMNS, JOBS.c.request_digest).where(*same)).mappings().first()
        if found is not None:
            if found["request_digest"] != submission.digest:
                raise ReusedKeyError
            return Job(**{name: found[name] for name in Job.__dataclass_fields__})
    states = connection.execute(select(JOBS.c.state).where(of_key)).scalars().all()
    if sum(state in UNFINISHED for state in states) >= limits.unfinished:
        raise TooManyJobsError(
            f"{limits.unfinished} jobs of this key are not finished; wait for one of them, or delete one"
        )
    if len(states) >= limits.stored:
        raise TooManyJobsError(
            f"{limits.stored} jobs of this key are kept; delete those whose results you have, or wait until "
            "one expires"
        )
    return None


def find(connection: Connection, job: str, key_id: str) -> Job | None:
    """Find a job of an API key; None if there is none."""
    if "\x00" in job:  # PostgreSQL cannot compare with this character
        return None
    query = select(*COLUMNS).where(JOBS.c.id == job, JOBS.c.key_id == key_id)
    found = connection.execute(query).mappings().first()
    return None if found is None else Job(**found)


def request_of(connection: Connection, job: str) -> Mapping[str, object]:
    """Read the content of a request."""
    query = select(JOBS.c.request).where(JOBS.c.id == job)
    content: Mapping[str, object] = connection.execute(query).scalar_one()
    return content


def delete_job(connection: Connection, job: str) -> None:
    """Delete a job, and what there is of its result; a worker that runs it stops after its part."""
    connection.execute(delete(JOBS).where(JOBS.c.id == job))


def read_part(connection: Connection, job: str, number: int) -> bytes:
    """Read a part of a result."""
    query = select(PARTS.c.content).where(PARTS.c.job == job, PARTS.c.part == number)
    content: bytes = connection.execute(query).scalar_one()
    return content


def job_where(connection: Connection, condition: ColumnElement[bool]) -> Job:
    """Read the one job that fulfils a condition."""
    return Job(**connection.execute(select(*COLUMNS).where(condition)).mappings().one())
