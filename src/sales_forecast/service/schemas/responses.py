"""What is answered: the types behind the answers of the OpenAPI page."""

from __future__ import annotations

from datetime import date, datetime
from typing import Any, Literal

from pydantic import BaseModel, Field, create_model

from sales_forecast.forecasting.attribution import PARTS
from sales_forecast.service.schemas.requests import LevelName

ArmName = Literal["champion", "challenger"]
Level = Literal["green", "yellow", "red"]


class CompatibleResponse(BaseModel):
    """One forecast."""

    prediction: float = Field(description="Currency units per week.")


class CompatibleWeeksResponse(BaseModel):
    """A forecast for each week."""

    predictions: dict[str, float] = Field(description="First day of the week -> currency units.")


class Model(BaseModel):
    """Which model, made from which data."""

    name: str
    version: str
    run_id: str
    data_version: str


class _WithIntervals(BaseModel):
    forecast: float = Field(description="Currency units per week.", examples=[1487.9])
    lo_80: float = Field(description="80 % of weeks should lie from here ...", examples=[921.6])
    hi_80: float = Field(description="... to here.", examples=[2054.2])
    lo_95: float = Field(description="The same for 95 %.", examples=[366.5])
    hi_95: float = Field(examples=[2609.3])


class _Weekly(_WithIntervals):
    store: str = Field(examples=["105"])
    department: str = Field(examples=["117"])
    week: date = Field(description="Its first day.", examples=["2017-10-07"])
    horizon: int = Field(description="Weeks after the last week that the model has seen.", examples=[1])
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


class LevelForecast(_WithIntervals):
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


class TurnoverResponse(BaseModel):
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


class BudgetResponse(BaseModel):
    """Sales in the order asked."""

    request_id: str
    model: str
    model_version: str
    interval_share: float = Field(description="Of campaigns that should sell within the range.")
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


class ChampionChange(BaseModel):
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
    champion_changes: list[ChampionChange]


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


class AuditEntry(BaseModel):
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


class AuditResponse(BaseModel):
    """All that one request was answered."""

    answers: list[AuditEntry]
