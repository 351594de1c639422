"""Schemas of responses about jobs."""

from __future__ import annotations

from datetime import datetime

from pydantic import BaseModel, Field

from sales_forecast.service.schemas.responses import Prediction
from sales_forecast.storage.jobs import JobState


class JobStatus(BaseModel):
    """A job that predicts many series."""

    id: str = Field(description="Id of the job.")
    state: JobState = Field(description="waiting, then running, and at last done or failed.")
    series: int = Field(description="Number of series to predict.")
    predicted: int = Field(description="Number of series that are predicted.")
    created_at: datetime = Field(description="When it was submitted.")
    started_at: datetime | None = Field(description="When it was begun; null before.")
    finished_at: datetime | None = Field(description="When it was done or failed; null before.")
    expires_at: datetime | None = Field(
        description="When it will be deleted with its result; null before it has finished."
    )
    reason: str | None = Field(description="Why it failed; null if it did not.")
    result: str | None = Field(description="Path of the result; null unless it is done.")
    request_ids: list[str] = Field(
        description="Ids of its predictions in the audit log, one for each part of the result."
    )


class JobResult(BaseModel):
    """Predictions of a job, in the order of its series, for every week ahead."""

    job: str = Field(description="Id of the job.")
    predictions: list[Prediction]
