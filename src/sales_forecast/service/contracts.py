"""What may be asked, and what is answered: the types behind the OpenAPI page."""

from __future__ import annotations

import re
from datetime import UTC, date, datetime, time
from typing import Annotated, Any, Literal

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, WithJsonSchema, create_model

from sales_forecast.forecasting.reasons import PARTS

MAX_SERIES = 1000
MAX_WEEKS = 520


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
Day = Annotated[date, BeforeValidator(_only_iso)]
Moment = Annotated[
    datetime,
    BeforeValidator(_as_moment),
    WithJsonSchema(
        {"anyOf": [{"type": "string", "format": "date"}, {"type": "string", "format": "date-time"}]}
    ),
]
ArmName = Literal["champion", "challenger"]
Level = Literal["green", "yellow", "red"]
LevelName = Literal["department", "region", "region_and_department", "zone", "zone_and_department", "total"]


class _Asked(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class RecentWeek(_Asked):
    """What a series sold in a week."""

    week: Day = Field(description="Its first day.")
    turnover: Amount = Field(description="Currency units.")


class WeekAhead(_Asked):
    """What will be so in a week to come."""

    week: Day = Field(description="Its first day.")
    values: dict[Annotated[str, Field(max_length=200)], Amount] = Field(
        max_length=50, description="Columns that the model knows ahead, such as promotions."
    )


class Place(_Asked):
    """Where a new store is; what is left out counts as unknown."""

    postcode: Annotated[str, Field(max_length=20)] | None = None
    latitude: Annotated[float, Field(strict=True, ge=-90, le=90)] | None = None
    longitude: Annotated[float, Field(strict=True, ge=-180, le=180)] | None = None
    region: Label | None = None
    zone: Label | None = None


class Series(_Asked):
    """A store's department. A store that the model does not know needs a place."""

    store: Label = Field(examples=["105"])
    department: Label = Field(examples=["117"])
    place: Place | None = Field(default=None, description="For a store that the model does not know.")
    recent_weeks: list[RecentWeek] = Field(
        default=[], max_length=MAX_WEEKS, description="Take the place of what the model knows of these weeks."
    )
    known_ahead: list[WeekAhead] = Field(
        default=[], max_length=MAX_WEEKS, description="What if: take the place of the plan's values."
    )


class TurnoverQuestion(_Asked):
    """Series to forecast, every week ahead."""

    series: list[Series] = Field(min_length=1, max_length=MAX_SERIES)


class BudgetQuestion(_Asked):
    """TV budgets to predict sales for."""

    budgets: list[Annotated[float, Field(strict=True, allow_inf_nan=False, ge=0, le=1e12)]] = Field(
        min_length=1, max_length=MAX_SERIES, description="In units of the file."
    )


class _SeedSeries(BaseModel):
    """A store's department, as the retailer's files name things; what else is sent is ignored."""

    but_num_business_unit: Label = Field(examples=[105])
    dpt_num_department: Label = Field(examples=[117])
    but_postcode: Label | None = None
    but_latitude: Annotated[float, Field(strict=True)] | None = None
    but_longitude: Annotated[float, Field(strict=True)] | None = None
    but_region_idr_region: Label | None = None
    zod_idr_zone_dgr: Label | None = None


class SeedQuestion(_SeedSeries):
    """A store's department in one week."""

    day_id: Day = Field(description="The week to forecast, as the files name weeks.", examples=["2017-10-07"])


class SeedSeriesQuestion(_SeedSeries):
    """A store's department in the eight weeks ahead."""


class SeedAnswer(BaseModel):
    """One forecast."""

    prediction: float = Field(description="Currency units per week.")


class SeedWeeksAnswer(BaseModel):
    """A forecast for each week."""

    predictions: dict[str, float] = Field(description="First day of the week -> currency units.")


class Model(BaseModel):
    """Which model, made from which data."""

    name: str
    version: str
    run_id: str
    data_version: str


class _Ranged(BaseModel):
    forecast: float = Field(description="Currency units per week.")
    lo_80: float = Field(description="80 % of weeks should lie from here ...")
    hi_80: float = Field(description="... to here.")
    lo_95: float
    hi_95: float


class _Weekly(_Ranged):
    store: str
    department: str
    week: date = Field(description="Its first day.")
    horizon: int = Field(description="Weeks after the last week that the model has seen.")
    cold_start: bool = Field(description="Too young for a past of its own: forecast as its peers are.")


_parts: dict[str, Any] = {name: (float, Field(description=words)) for name, words in PARTS.items()}
Explanation: Any = create_model(
    "Explanation",
    __doc__="Parts in currency units that add up to the forecast; below zero they take away.",
    **_parts,
)


class StoredForecast(_Weekly):
    """A forecast and why it is what it is."""

    method: str
    explanation: Explanation


class LevelForecast(_Ranged):
    """A sum of forecasts, with a range of its own."""

    key: str = Field(description="The region or zone; 'all' where there is none.")
    department: str = Field(description="The department; 'all' for sums over all.")
    week: date


class _Stored(BaseModel):
    request_id: str
    made_at: datetime
    model: Model
    total: int = Field(description="How many there are.")
    next_offset: int | None = Field(description="Where to go on; null at the end.")


class StoredForecasts(_Stored):
    """What was forecast, as it was known then."""

    forecasts: list[StoredForecast]


class LevelForecasts(_Stored):
    """Sums, as they were known then."""

    level: LevelName
    forecasts: list[LevelForecast]


class Prediction(_Weekly):
    """A forecast made now."""

    model_version: str
    arm: ArmName


class TurnoverAnswer(BaseModel):
    """Forecasts in the order asked, every week ahead."""

    request_id: str
    model: str
    predictions: list[Prediction]


class BudgetPrediction(BaseModel):
    """What a TV budget can be expected to bring."""

    tv: float
    sales: float
    sales_low: float
    sales_high: float
    warning: str | None = Field(description="If the budget lies outside those the model has learnt from.")


class BudgetAnswer(BaseModel):
    """Sales in the order asked."""

    request_id: str
    model: str
    model_version: str
    range_share: float = Field(description="Of campaigns that should sell within the range.")
    predictions: list[BudgetPrediction]


class CurvePoint(BaseModel):
    """Expected sales at one budget."""

    tv: float
    sales: float
    sales_low: float
    sales_high: float
    marginal_sales: float = Field(description="More sales for a unit of budget more.")


class BudgetCurve(BaseModel):
    """Sales against budget, and what follows for the next one."""

    request_id: str
    made_at: datetime
    model: Model
    recommendation: dict[str, Any]
    curve: list[CurvePoint]


class ModelVersion(BaseModel):
    """A version in the registry."""

    name: str
    version: str
    aliases: list[str]
    run_id: str
    data_version: str
    made_at: datetime | None
    decision: str
    metrics: dict[str, dict[str, float]] = Field(
        description="Window (its cutoff, or test) -> metric -> value."
    )


class Promotion(BaseModel):
    """A change of a champion."""

    name: str
    happened_at: datetime
    action: str
    version: str
    previous: str | None
    who: str
    why: str


class Models(BaseModel):
    """The registry, and how requests are split between champion and challenger."""

    request_id: str
    split: dict[str, float] = Field(description="Arm -> share of stores.")
    versions: list[ModelVersion]
    promotions: list[Promotion]


class Health(BaseModel):
    """The process runs."""

    status: Literal["ok"]
    version: str


class Check(BaseModel):
    """One thing that being ready takes."""

    status: Level
    detail: str


class Readiness(BaseModel):
    """Green: all is well. Yellow: it answers, but somebody should look. Red: it cannot answer."""

    status: Level
    checks: dict[str, Check]


class AuditedAnswer(BaseModel):
    """What was answered, by one arm."""

    request_id: str
    arm: str
    at: datetime
    key_id: str
    endpoint: str
    model_name: str
    model_version: str
    input: Any
    output: Any
    other_output: Any
    latency_ms: float


class AuditedAnswers(BaseModel):
    """All that one request was answered."""

    answers: list[AuditedAnswer]
