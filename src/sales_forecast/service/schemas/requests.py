"""What may be asked: the types behind the questions of the OpenAPI page."""

from __future__ import annotations

import re
from datetime import UTC, date, datetime, time
from typing import Annotated, Any, Literal

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, WithJsonSchema

MAX_SERIES = 1000
MAX_WEEKS = 520
MOST = 10_000
"""Rows of one answer."""


def _as_text(given: Any) -> Any:
    """A number is a label as well."""
    return str(given) if isinstance(given, int) and not isinstance(given, bool) else given


def _only_iso(given: Any) -> Any:
    if isinstance(given, str) and re.fullmatch(r"\d{4}-\d{2}-\d{2}", given, re.ASCII):
        return given
    raise ValueError("must be a date such as 2017-10-07")


def _as_moment(given: Any) -> datetime:
    """A date means the end of that day; without a zone, UTC."""
    try:
        if re.fullmatch(r"\d{4}-\d{2}-\d{2}", given, re.ASCII):
            return datetime.combine(date.fromisoformat(given), time.max, UTC)
        moment = datetime.fromisoformat(given)
        return (moment if moment.tzinfo else moment.replace(tzinfo=UTC)).astimezone(UTC)
    except (ValueError, TypeError, OverflowError) as error:
        raise ValueError("must be a date or a moment, such as 2017-10-07 or 2017-10-07T12:00:00Z") from error


Label = Annotated[
    str,
    Field(min_length=1, max_length=200),
    BeforeValidator(_as_text),
    WithJsonSchema({"anyOf": [{"type": "string", "minLength": 1, "maxLength": 200}, {"type": "integer"}]}),
]
Amount = Annotated[float, Field(strict=True, allow_inf_nan=False, ge=-1e15, le=1e15)]
Latitude = Annotated[float, Field(strict=True, ge=-90, le=90)]
Longitude = Annotated[float, Field(strict=True, ge=-180, le=180)]
Day = Annotated[date, BeforeValidator(_only_iso)]
Moment = Annotated[
    datetime,
    BeforeValidator(_as_moment),
    WithJsonSchema(
        {"anyOf": [{"type": "string", "format": "date"}, {"type": "string", "format": "date-time"}]}
    ),
]
LevelName = Literal["department", "region", "region_and_department", "zone", "zone_and_department", "total"]


class _Request(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


Wanted = Annotated[str, Field(min_length=1, max_length=200)]


class CurveQuery(_Request):
    """Which of the stored forecasts."""

    as_of: Moment | None = Field(
        default=None, description="What was known then; a date is the end of that day."
    )


class _ListQuery(CurveQuery):
    department: Wanted | None = Field(default=None, description="All, if it is left out.", examples=["117"])
    limit: int = Field(default=1000, ge=1, le=MOST)
    offset: int = Field(default=0, ge=0, le=1_000_000_000)


class StoredQuery(_ListQuery):
    """Which forecasts of stores and departments."""

    store: Wanted | None = Field(default=None, description="All, if it is left out.", examples=["105"])


class LevelQuery(_ListQuery):
    """Which sums."""

    key: Wanted | None = Field(
        default=None, description="A region or zone; all, if it is left out.", examples=["11"]
    )


class RecentWeek(_Request):
    """What a series sold in a week."""

    week: Day = Field(description="Its first day.")
    turnover: Amount = Field(description="Currency units.")


class CovariateWeek(_Request):
    """What will be so in a week to come."""

    week: Day = Field(description="Its first day.")
    values: dict[Annotated[str, Field(max_length=200)], Amount] = Field(
        max_length=50, description="Columns that the model knows ahead, such as promotions."
    )


class Place(_Request):
    """Where a new store is; what is left out counts as unknown."""

    postcode: Annotated[str, Field(max_length=20)] | None = None
    latitude: Latitude | None = None
    longitude: Longitude | None = None
    region: Label | None = None
    zone: Label | None = None


class Series(_Request):
    """A store's department. A store that the model does not know needs a place."""

    store: Label = Field(examples=["105"])
    department: Label = Field(examples=["117"])
    place: Place | None = Field(default=None, description="For a store that the model does not know.")
    recent_weeks: list[RecentWeek] = Field(
        default=[],
        max_length=MAX_WEEKS,
        fail_fast=True,
        description="Take the place of what the model knows of these weeks.",
    )
    future_covariates: list[CovariateWeek] = Field(
        default=[],
        max_length=MAX_WEEKS,
        fail_fast=True,
        description="What if: take the place of the plan's values.",
    )


class TurnoverRequest(_Request):
    """Series to forecast, every week ahead."""

    model_config = ConfigDict(
        json_schema_extra={
            "examples": [
                {"series": [{"store": 105, "department": 117}]},
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

    series: list[Series] = Field(min_length=1, max_length=MAX_SERIES)


class BudgetRequest(_Request):
    """TV budgets to predict sales for."""

    model_config = ConfigDict(json_schema_extra={"examples": [{"budgets": [100, 500]}]})

    budgets: list[Annotated[float, Field(strict=True, allow_inf_nan=False, ge=0, le=1e12)]] = Field(
        min_length=1, max_length=MAX_SERIES, description="In units of the file."
    )


class _CompatibleSeries(BaseModel):
    """A store's department, as the retailer's files name things; what else is sent is ignored."""

    but_num_business_unit: Label = Field(examples=[105])
    dpt_num_department: Label = Field(examples=[117])
    but_postcode: Label | None = None
    but_latitude: Latitude | None = None
    but_longitude: Longitude | None = None
    but_region_idr_region: Label | None = None
    zod_idr_zone_dgr: Label | None = None


class CompatibleRequest(_CompatibleSeries):
    """A store's department in one week."""

    day_id: Day = Field(description="The week to forecast, as the files name weeks.", examples=["2017-10-07"])


class CompatibleSeriesRequest(_CompatibleSeries):
    """A store's department in the eight weeks ahead."""
