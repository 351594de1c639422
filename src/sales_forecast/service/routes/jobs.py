"""Predictions of many series as jobs: submit, ask how far it is, read the result."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Annotated

from fastapi import APIRouter, Path, Request, Response
from fastapi.responses import StreamingResponse
from starlette.concurrency import run_in_threadpool

from sales_forecast.service.dependencies import PredictKey, Service, ServiceDep
from sales_forecast.service.idempotency import IdempotencyKey, digest_of_request, reused_key
from sales_forecast.service.jobs import ENDPOINT
from sales_forecast.service.negotiation import NegotiatedFormat, table_responses
from sales_forecast.service.problems import ProblemError, error_responses
from sales_forecast.service.recording import record_event
from sales_forecast.service.results import write_result
from sales_forecast.service.schemas.jobs import JobResult, JobStatus
from sales_forecast.service.schemas.requests import BulkRequest, Series
from sales_forecast.service.validation import validate_series
from sales_forecast.storage import jobs
from sales_forecast.storage.audit import JOB
from sales_forecast.storage.database import writing
from sales_forecast.storage.keys import ApiKey

router = APIRouter()

POLL_AGAIN_SECONDS = 2

COST_OF_A_SERIES = 1
COST_OF_OWN_DATA = 9
"""What a job costs of its key's units of a day: each series, and each one with data of its own beside.

It is less than in live requests, because a job waits for these.
"""

JobId = Annotated[str, Path(max_length=36, description="Id of the job.")]


@router.post(
    ENDPOINT,
    status_code=202,
    responses=error_responses(409)
    | {202: {"headers": {"Location": {"description": "Path of the job.", "schema": {"type": "string"}}}}},
)
async def submit_predictions(
    request: Request,
    response: Response,
    key: PredictKey,
    service: ServiceDep,
    body: BulkRequest,
    idempotency_key: IdempotencyKey = None,
) -> JobStatus:
    """Submit up to 50,000 series to predict as a job, whose progress and result are asked for later."""
    series = await validate_series(request, service, key, body.series)
    submission = await run_in_threadpool(_submission, service, key, series, body.quantiles, idempotency_key)
    job = await _submit(service, submission, COST_OF_A_SERIES * len(series) + _extra_cost(series))
    await record_event(request, key, JOB, {"action": "submit", "series": job.series}, {"job": job.id})
    response.headers["Location"] = _path(request, job)
    return _status(request, job)


@router.get(f"{ENDPOINT}/{{job_id}}", responses=error_responses(404))
async def read_job(request: Request, key: PredictKey, service: ServiceDep, job_id: JobId) -> JobStatus:
    """Read how far a job is, and where its result is."""
    return _status(request, await _find(service, key, job_id))


@router.get(
    f"{ENDPOINT}/{{job_id}}/result",
    response_model=JobResult,
    responses=table_responses() | error_responses(404, 406, 409),
)
async def read_job_result(
    request: Request, key: PredictKey, service: ServiceDep, form: NegotiatedFormat, job_id: JobId
) -> Response:
    """Read the predictions of a job that is done."""
    job = await _find(service, key, job_id)
    if job.state != "done":
        reason = f": {job.reason}" if job.reason else ""
        wait = {"Retry-After": str(POLL_AGAIN_SECONDS)} if job.state in jobs.UNFINISHED else None
        detail = f"the job is {job.state}{reason}; {job.predicted} of {job.series} series are predicted"
        raise ProblemError(409, detail, headers=wait)
    await record_event(request, key, JOB, {"action": "download", "job": job.id}, {"series": job.series})
    content = write_result(service.engine, job, form)
    headers = {"Cache-Control": "private, no-cache", "Vary": "Accept"}
    return StreamingResponse(content, media_type=form, headers=headers)


@router.delete(f"{ENDPOINT}/{{job_id}}", status_code=204, responses=error_responses(404))
async def delete_job(request: Request, key: PredictKey, service: ServiceDep, job_id: JobId) -> None:
    """Delete a job with its result; one that has not finished is cancelled."""
    job = await _find(service, key, job_id)
    await run_in_threadpool(_delete, service, job)
    await record_event(request, key, JOB, {"action": "delete", "job": job.id}, {"state": job.state})


def _extra_cost(series: Sequence[Series]) -> int:
    own_data = sum(bool(one.place or one.recent_weeks or one.future_covariates) for one in series)
    return COST_OF_OWN_DATA * own_data


def _submission(
    service: Service, key: ApiKey, series: Sequence[Series], quantiles: bool, idempotency_key: str | None
) -> jobs.Submission:
    content: dict[str, object] = {
        "series": [one.model_dump(mode="json", exclude_defaults=True) for one in series]
    }
    if quantiles:
        content["quantiles"] = True
    digest = digest_of_request(service.retailer, content)
    return jobs.Submission(content, digest, len(series), key.key_id, service.retailer, idempotency_key)


async def _submit(service: Service, submission: jobs.Submission, units: int) -> jobs.Job:
    """Enter a job that is paid for; one that was entered before is not paid for again.

    Raises:
        ProblemError: The key has too many jobs or has spent its units of the day, or the idempotency key came
            with another request.
    """
    limits = service.settings.jobs
    allowed = jobs.JobLimits(limits.max_unfinished_per_key, limits.max_stored_per_key)
    try:
        found = await run_in_threadpool(_find_earlier, service, submission, allowed)
        if found is not None:
            return found
        await _spend_of_day(service, submission.key_id, units)
        return await run_in_threadpool(_enter, service, submission, allowed)
    except jobs.ReusedKeyError:
        raise reused_key(submission.idempotency_key) from None
    except jobs.TooManyJobsError as error:
        raise ProblemError(429, str(error), headers={"Retry-After": "10"}) from None


async def _spend_of_day(service: Service, key_id: str, units: int) -> None:
    budget = await service.job_limiter.spend(key_id, units)
    if units > budget.limit:
        detail = f"this job costs {units:,} units, and a day has {budget.limit:,}; ask for less at once"
        raise ProblemError(413, detail)
    if budget.is_exceeded:
        detail = (
            f"the jobs of this key cost more than {budget.limit:,} units in a day; wait {budget.seconds} s"
        )
        raise ProblemError(429, detail, headers={"Retry-After": str(budget.seconds)})


def _find_earlier(service: Service, submission: jobs.Submission, limits: jobs.JobLimits) -> jobs.Job | None:
    with service.engine.connect() as connection:
        return jobs.find_earlier(connection, submission, limits)


def _enter(service: Service, submission: jobs.Submission, limits: jobs.JobLimits) -> jobs.Job:
    with writing(service.engine) as connection:
        return jobs.submit(connection, submission, limits, datetime.now(UTC))


async def _find(service: Service, key: ApiKey, job_id: str) -> jobs.Job:
    """Find a job of the key that asks.

    Raises:
        ProblemError: There is none of this id, or it was submitted with another key.
    """
    job = await run_in_threadpool(_query, service, key, job_id)
    if job is None:
        detail = f"there is no job '{job_id}' of this key; results are kept for a limited time"
        raise ProblemError(404, detail, "path.job_id")
    return job


def _query(service: Service, key: ApiKey, job_id: str) -> jobs.Job | None:
    with service.engine.connect() as connection:
        return jobs.find(connection, job_id, key.key_id)


def _delete(service: Service, job: jobs.Job) -> None:
    with writing(service.engine) as connection:
        jobs.delete_job(connection, job.id)


def _path(request: Request, job: jobs.Job) -> str:
    return f"{request.scope.get('root_path', '')}{ENDPOINT}/{job.id}"


def _status(request: Request, job: jobs.Job) -> JobStatus:
    result = f"{_path(request, job)}/result" if job.state == "done" else None
    found = {name: getattr(job, name) for name in JobStatus.model_fields if name != "result"}
    return JobStatus(**found, result=result)
