"""Schemas of requests: query parameters and bodies."""

from __future__ import annotations

import re
from datetime import UTC, date, datetime, time
from typing import Annotated, Literal

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, WithJsonSchema

MAX_SERIES = 1000
MAX_WEEKS = 520
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


class _Request(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


Filter = Annotated[str, Field(min_length=1, max_length=200)]


class CurveQuery(_Request):
    """Which of the stored forecasts to return."""

    as_of: Moment | None = Field(
        default=None,
        description="Return what was known at this time; a date is the end of that day. Default: now.",
    )


class _ListQuery(CurveQuery):
    department: Filter | None = Field(
        default=None, description="Department to return. Default: all.", examples=["117"]
    )
    limit: int = Field(default=1000, ge=1, le=MAX_ROWS, description="Largest number of rows to return.")
    offset: int = Field(default=0, ge=0, le=1_000_000_000, description="Number of rows to skip.")


class SeriesQuery(_ListQuery):
    """Which rows of stores and departments to return."""

    store: Filter | None = Field(default=None, description="Store to return. Default: all.", examples=["105"])


class StoredQuery(SeriesQuery):
    """Which forecasts of stores and departments to return."""

    quantiles: Flag = Field(default=False, description=WITH_QUANTILES)


class LevelQuery(_ListQuery):
    """Which sums to return."""

    key: Filter | None = Field(
        default=None, description="Region or zone to return. Default: all.", examples=["11"]
    )


class RecentWeek(_Request):
    """Turnover of a series in a past week."""

    week: Day = Field(description="First day of the week.")
    turnover: Amount = Field(description="Turnover in currency units.")


class CovariateWeek(_Request):
    """Values of future covariates in a week ahead."""

    week: Day = Field(description="First day of the week.")
    values: dict[Annotated[str, Field(max_length=200)], Amount] = Field(
        max_length=50, description="Column -> value, for future covariates of the model, such as promotions."
    )


class Place(_Request):
    """Location of a new store; what is left out counts as unknown."""

    postcode: Annotated[str, Field(max_length=20)] | None = Field(default=None, description="Postcode.")
    latitude: Latitude | None = Field(default=None, description="Latitude in degrees.")
    longitude: Longitude | None = Field(default=None, description="Longitude in degrees.")
    region: Label | None = Field(default=None, description="Region, as the retailer calls it.")
    zone: Label | None = Field(default=None, description="Zone, as the retailer calls it.")


class Series(_Request):
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


class TurnoverRequest(_Request):
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

    series: list[Series] = Field(min_length=1, max_length=MAX_SERIES, description="Series to predict.")
    quantiles: bool = Field(default=False, strict=True, description=WITH_QUANTILES)


class BudgetRequest(_Request):
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
