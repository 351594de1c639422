"""Schemas of realised accuracy: the request and its response."""

from __future__ import annotations

from datetime import date
from typing import Literal

from pydantic import BaseModel, ConfigDict, Field

from sales_forecast.service.schemas.queries import Filter
from sales_forecast.service.schemas.requests import MAX_ROWS, MAX_WEEKS, Day

ScoredLevel = Literal["series", "department", "total"]


class AccuracyQuery(BaseModel):
    """Which forecasts to tell the accuracy of."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    level: ScoredLevel = Field(
        default="series",
        description="Whose errors are told: those of single series, or of sums over departments or all.",
    )
    department: Filter | None = Field(
        default=None, description="Department to return. Default: all of them together.", examples=["117"]
    )
    horizon: int | None = Field(
        default=None, ge=1, le=MAX_WEEKS, description="Weeks ahead. Default: each of them."
    )
    since: Day | None = Field(
        default=None, description="First day of the first week. Default: the first week that was scored."
    )
    limit: int = Field(default=1000, ge=1, le=MAX_ROWS, description="Largest number of rows to return.")
    offset: int = Field(default=0, ge=0, le=1_000_000_000, description="Number of rows to skip.")


class WeekAccuracy(BaseModel):
    """How right the last forecasts before a week were; ratios are null where nothing can be divided."""

    week: date = Field(description="First day of the week.")
    horizon: int = Field(description="Weeks between the last week that was known and this one.")
    department: str = Field(description="Department; 'all' for all of them together.")
    count: int = Field(description="Number of series, or of sums, whose prediction intervals are judged.")
    wape: float | None = Field(description="Absolute error over turnover, as first delivered.")
    bias: float | None = Field(
        description="Forecast minus turnover, over turnover; positive where forecasts were too high."
    )
    coverage_80: float | None = Field(description="Share inside the 80 % prediction intervals.")
    coverage_95: float | None = Field(description="Share inside the 95 % prediction intervals.")
    forecast_value_added: float | None = Field(
        description="Share of the error of seasonal naive, the same week a year before, that was avoided; "
        "below zero where seasonal naive was better."
    )
    restated_wape: float | None = Field(
        description="The same as wape, against turnover as it is known now, after later corrections."
    )


class Accuracy(BaseModel):
    """Realised accuracy, oldest week first."""

    level: ScoredLevel = Field(description="Whose errors these are.")
    total: int = Field(description="Number of rows without limit and offset.")
    next_offset: int | None = Field(description="Offset of the next page; null on the last page.")
    accuracy: list[WeekAccuracy]
