"""Schemas of requests: query parameters and bodies."""

from __future__ import annotations

import re
from datetime import UTC, date, datetime, time
from typing import Annotated, Literal

from pydantic import (
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    ValidatorFunctionWrapHandler,
    WithJsonSchema,
    WrapValidator,
    model_validator,
)
from pydantic_core import PydanticKnownError

MAX_SERIES = 1000
MAX_JOB_SERIES = 50_000
"""Largest number of series of a job; with 8 weeks each, a result has some 60 MB as JSON."""

MAX_WEEKS = 520
MAX_UNKNOWN_FIELDS = 20
MAX_COLUMNS = 50
MAX_ROWS = 10_000
"""Largest number of rows in one response."""

WITH_QUANTILES = "Whether to return the quantiles 0.05, 0.1, ... 0.95 of each forecast as well."

RENAMED_FIELDS = {"body.series.known_ahead": "future_covariates"}
"""Path of a field that an earlier version of the API had, without positions -> its name now."""


def _to_text(value: object) -> object:
    """Convert a label that is given as number."""
    return str(value) if isinstance(value, int) and not isinstance(value, bool) else value


def _check_date(value: object) -> str:
    if isinstance(value, str) and re.fullmatch(r"\d{4}-\d{2}-\d{2}", value, re.ASCII):
        return value
    raise ValueError("must be a date such as 2017-10-07")


def _to_moment(value: object) -> datetime:
    """Convert a date to the end of that day, and a time without time zone to UTC."""
    message = "must be a date or a moment, such as 2017-10-07 or 2017-10-07T12:00:00Z"
    if not isinstance(value, str):
        raise ValueError(message)
    try:
        if re.fullmatch(r"\d{4}-\d{2}-\d{2}", value, re.ASCII):
            return datetime.combine(date.fromisoformat(value), time.max, UTC)
        moment = datetime.fromisoformat(value)
        return (moment if moment.tzinfo else moment.replace(tzinfo=UTC)).astimezone(UTC)
    except (ValueError, OverflowError) as error:
        raise ValueError(message) from error


def _to_flag(value: object) -> object:
    """Convert true and false, in whatever case; pydantic would take 1, on and yes as well."""
    flags: dict[object, bool] = {"true": True, "false": False}
    flag = flags.get(value.lower()) if isinstance(value, str) else value
    if isinstance(flag, bool):
        return flag
    raise ValueError("must be true or false")


Label = Annotated[
    str,
    Field(min_length=1, max_length=200),
    BeforeValidator(_to_text),
    WithJsonSchema({"anyOf": [{"type": "string", "minLength": 1, "maxLength": 200}, {"type": "integer"}]}),
]
Amount = Annotated[float, Field(strict=True, allow_inf_nan=False, ge=-1e15, le=1e15)]
Latitude = Annotated[float, Field(strict=True, ge=-90, le=90)]
Longitude = Annotated[float, Field(strict=True, ge=-180, le=180)]
Flag = Annotated[bool, BeforeValidator(_to_flag)]
Day = Annotated[date, BeforeValidator(_check_date)]
Moment = Annotated[
    datetime,
    BeforeValidator(_to_moment),
    WithJsonSchema(
        {"anyOf": [{"type": "string", "format": "date"}, {"type": "string", "format": "date-time"}]}
    ),
]
LevelName = Literal["department", "region", "region_and_department", "zone", "zone_and_department", "total"]


def _refuse_many_columns(value: object) -> object:
    """Refuse them before each of them is checked."""
    if isinstance(value, dict) and len(value) > MAX_COLUMNS:
        raise ValueError(f"there are {len(value):,} columns here; at most {MAX_COLUMNS} are possible")
    return value


class StrictRequest(BaseModel):
    """A body in which a field of an unknown name is an error."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    @model_validator(mode="before")
    @classmethod
    def _refuse_many_unknown_fields(cls, content: object) -> object:
        """Refuse them all at once: an error for each of thousands would keep all other requests waiting."""
        if isinstance(content, dict) and len(content) > len(cls.model_fields) + MAX_UNKNOWN_FIELDS:
            known = ", ".join(cls.model_fields)
            raise ValueError(f"there are {len(content):,} fields here; those that are known: {known}")
        return content


class RecentWeek(StrictRequest):
    """Turnover of a series in a past week."""

    week: Day = Field(description="First day of the week.")
    turnover: Amount = Field(description="Turnover in currency units.")


class CovariateWeek(StrictRequest):
    """Values of future covariates in a week ahead."""

    week: Day = Field(description="First day of the week.")
    values: Annotated[
        dict[Annotated[str, Field(max_length=200)], Amount], BeforeValidator(_refuse_many_columns)
    ] = Field(
        max_length=MAX_COLUMNS,
        description="Column -> value, for future covariates of the model, such as promotions.",
    )


class Place(StrictRequest):
    """Location of a new store; what is left out counts as unknown."""

    postcode: Annotated[str, Field(max_length=20)] | None = Field(default=None, description="Postcode.")
    latitude: Latitude | None = Field(default=None, description="Latitude in degrees.")
    longitude: Longitude | None = Field(default=None, description="Longitude in degrees.")
    region: Label | None = Field(default=None, description="Region, as the retailer calls it.")
    zone: Label | None = Field(default=None, description="Zone, as the retailer calls it.")


class Series(StrictRequest):
    """A department of a store. A store that the model does not know needs a place."""

    store: Label = Field(description="Store, as the retailer calls it.", examples=["105"])
    department: Label = Field(description="Department, as the retailer calls it.", examples=["117"])
    place: Place | None = Field(
        default=None, description="Location of a store that the model does not know; may be {}."
    )
    recent_weeks: list[RecentWeek] = Field(
        default=[],
        max_length=MAX_WEEKS,
        fail_fast=True,
        description="Turnover of past weeks, which replaces what the model knows of them.",
    )
    future_covariates: list[CovariateWeek] = Field(
        default=[],
        max_length=MAX_WEEKS,
        fail_fast=True,
        description="Values for a what-if analysis, which replace the planned ones of these weeks.",
    )


def _leave_items(most: int) -> WrapValidator:
    """Validate the length of a list only: its items are validated one by one, beside other requests."""

    def leave(value: object, validate: ValidatorFunctionWrapHandler) -> object:
        if not isinstance(value, list) or not value:
            return validate(value)
        if len(value) > most:
            found = {"field_type": "List", "max_length": most, "actual_length": len(value)}
            raise PydanticKnownError("too_long", found)
        return value

    return WrapValidator(leave)


class TurnoverRequest(StrictRequest):
    """Series to predict, for every week ahead."""

    model_config = ConfigDict(
        json_schema_extra={
            "examples": [
                {"series": [{"store": 105, "department": 117}]},
                {"series": [{"store": 105, "department": 117}], "quantiles": True},
                {
                    "series": [
                        {
                            "store": 9001,
                            "department": 117,
                            "place": {"postcode": "59000", "region": 11},
                            "recent_weeks": [{"week": "2017-09-30", "turnover": 1820.0}],
                        }
                    ]
                },
            ]
        }
    )

    series: Annotated[list[Series], _leave_items(MAX_SERIES)] = Field(
        min_length=1, max_length=MAX_SERIES, description="Series to predict."
    )
    """Not validated yet: see ``validation``."""

    quantiles: bool = Field(default=False, strict=True, description=WITH_QUANTILES)


class BulkRequest(StrictRequest):
    """Series to predict as a job, for every week ahead."""

    model_config = ConfigDict(
        json_schema_extra={"examples": [{"series": [{"store": 105, "department": 117}]}]}
    )

    series: Annotated[list[Series], _leave_items(MAX_JOB_SERIES)] = Field(
        min_length=1, max_length=MAX_JOB_SERIES, description="Series to predict."
    )
    """Not validated yet: see ``validation``."""

    quantiles: bool = Field(default=False, strict=True, description=WITH_QUANTILES)


class BudgetRequest(StrictRequest):
    """TV budgets to predict sales for."""

    model_config = ConfigDict(json_schema_extra={"examples": [{"budgets": [100, 500]}]})

    budgets: list[Annotated[float, Field(strict=True, allow_inf_nan=False, ge=0, le=1e12)]] = Field(
        min_length=1, max_length=MAX_SERIES, description="TV budgets, in units of the training data."
    )


class _CompatibleSeries(BaseModel):
    """A department of a store, with the field names of the retailer's files; other fields are ignored."""

    but_num_business_unit: Label = Field(description="Store.", examples=[105])
    dpt_num_department: Label = Field(description="Department.", examples=[117])
    but_postcode: Label | None = None
    but_latitude: Latitude | None = None
    but_longitude: Longitude | None = None
    but_region_idr_region: Label | None = None
    zod_idr_zone_dgr: Label | None = None


class CompatibleRequest(_CompatibleSeries):
    """A department of a store, and the week to predict."""

    day_id: Day = Field(description="First day of the week to predict.", examples=["2017-10-07"])


class CompatibleSeriesRequest(_CompatibleSeries):
    """A department of a store to predict for the next eight weeks."""
