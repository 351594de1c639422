"""Schemas of requests for stored forecasts: query parameters."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field

from sales_forecast.service.schemas.requests import (
    MAX_ROWS,
    MAX_WEEKS,
    WITH_QUANTILES,
    Day,
    Flag,
    Moment,
)

MAX_LABELS = 200
"""Largest number of stores or departments that one request may name."""

Filter = Annotated[str, Field(min_length=1, max_length=200)]
Labels = Annotated[list[Filter], Field(max_length=MAX_LABELS)]

MAY_BE_REPEATED = "May be repeated, for several. Default: all."
SORTING = (
    "Column to sort by, with a minus for the largest value first. May be repeated: the second column decides "
    "between rows that are equal in the first."
)


class CurveQuery(BaseModel):
    """Which of the stored forecasts to return."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    as_of: Moment | None = Field(
        default=None,
        description="Return what was known at this time; a date is the end of that day. Default: now.",
    )


class ListQuery(CurveQuery):
    """Which rows of a publication to return."""

    department: Labels = Field(
        default=[], description=f"Department to return. {MAY_BE_REPEATED}", examples=[["117"]]
    )
    week_from: Day | None = Field(
        default=None, description="First day of the first week.", examples=["2017-10-07"]
    )
    week_to: Day | None = Field(
        default=None, description="First day of the last week.", examples=["2017-10-28"]
    )
    horizon: list[Annotated[int, Field(ge=1, le=MAX_WEEKS)]] = Field(
        default=[], max_length=MAX_WEEKS, description=f"Weeks after the cutoff. {MAY_BE_REPEATED}"
    )
    limit: int = Field(default=1000, ge=1, le=MAX_ROWS, description="Largest number of rows to return.")
    offset: int = Field(default=0, ge=0, le=1_000_000_000, description="Number of rows to skip.")


class _SeriesQuery(ListQuery):
    store: Labels = Field(default=[], description=f"Store to return. {MAY_BE_REPEATED}", examples=[["105"]])


SeriesOrder = Literal["store", "-store", "department", "-department", "week", "-week"]


class StoredQuery(_SeriesQuery):
    """Which forecasts of stores and departments to return."""

    sort: list[Literal[SeriesOrder, "horizon", "-horizon", "forecast", "-forecast"]] = Field(
        default=[], max_length=5, description=f"{SORTING} Default: store, department, week."
    )
    quantiles: Flag = Field(default=False, description=WITH_QUANTILES)


class ChangesQuery(_SeriesQuery):
    """Which changes of forecasts to return."""

    sort: list[Literal[SeriesOrder, "before", "-before", "after", "-after"]] = Field(
        default=[], max_length=5, description=f"{SORTING} Default: store, department, week."
    )


class LevelQuery(ListQuery):
    """Which sums to return."""

    key: Labels = Field(
        default=[], description=f"Region or zone to return. {MAY_BE_REPEATED}", examples=[["11"]]
    )
    sort: list[
        Literal["key", "-key", "department", "-department", "week", "-week", "forecast", "-forecast"]
    ] = Field(default=[], max_length=4, description=f"{SORTING} Default: key, department, week.")
