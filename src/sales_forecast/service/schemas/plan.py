"""Schemas of the plan, and of what overrides were worth."""

from __future__ import annotations

from typing import Literal

from pydantic import BaseModel, Field

from sales_forecast.service.schemas.overrides import PagedQuery, PlannedWeek
from sales_forecast.service.schemas.queries import MAY_BE_REPEATED, SORTING, Labels, ListQuery, SeriesOrder
from sales_forecast.service.schemas.requests import Day, Flag
from sales_forecast.service.schemas.responses import Paged


class PlanQuery(ListQuery):
    """Which rows of the plan to return."""

    store: Labels = Field(default=[], description=f"Store to return. {MAY_BE_REPEATED}", examples=[["105"]])
    overridden: Flag = Field(default=False, description="Return only rows that a planner has overridden.")
    sort: list[
        Literal[SeriesOrder, "horizon", "-horizon", "forecast", "-forecast", "planned", "-planned"]
    ] = Field(default=[], max_length=6, description=f"{SORTING} Default: store, department, week.")


class PlannedRow(PlannedWeek):
    """The forecast of one series and week, and the planner's number beside it."""

    store: str = Field(description="Store, as the retailer calls it.")
    department: str = Field(description="Department, as the retailer calls it.")
    horizon: int = Field(description="Weeks after the last week that the model has seen.")
    planned_lo_80: float = Field(description="lo_80, scaled as the forecast was.")
    planned_hi_80: float = Field(description="hi_80, scaled as the forecast was.")
    planned_lo_95: float = Field(description="lo_95, scaled as the forecast was.")
    planned_hi_95: float = Field(description="hi_95, scaled as the forecast was.")
    override: int | None = Field(description="Number of the override; null where the forecast is the plan.")
    reason: str | None = Field(description="Code of its reason.")


class Plan(Paged):
    """Forecasts with the planners' numbers beside them."""

    plan: list[PlannedRow]


class ValueQuery(PagedQuery):
    """Which weeks to judge."""

    since: Day | None = Field(default=None, description="First day of the first week. Default: all weeks.")


class ValueAdded(BaseModel):
    """What overrides were worth; WAPE is the absolute error over turnover, as first delivered."""

    by: Literal["all", "reason", "direction"] = Field(description="What the rows are grouped by.")
    group: str = Field(description="Code of the reason, or up or down.")
    rows: int = Field(description="Number of series and weeks that were overridden and have come.")
    weeks: int = Field(description="Number of different weeks.")
    turnover: float = Field(description="What they sold, in currency units.")
    naive_rows: int = Field(description="Number of rows with a seasonal naive forecast.")
    naive_wape: float | None = Field(description="WAPE of the same week a year before.")
    model_wape: float | None = Field(description="WAPE of the model.")
    planned_wape: float | None = Field(description="WAPE of the planners.")
    model_gain: float | None = Field(
        description="WAPE of naive minus that of the model, where both are known."
    )
    model_gain_low: float | None = Field(description="Lower end of its 95 % interval; null with few weeks.")
    model_gain_high: float | None = Field(description="Upper end of it.")
    planned_gain: float | None = Field(
        description="WAPE of the model minus that of the planners; positive where overrides have helped."
    )
    planned_gain_low: float | None = Field(description="Lower end of its 95 % interval; null with few weeks.")
    planned_gain_high: float | None = Field(description="Upper end of it.")
    verdict: str = Field(description="What the interval means, in words; 'too few to say' without one.")


class OverrideValue(BaseModel):
    """Forecast value added: from seasonal naive to the model to the planners."""

    total: int = Field(description="Number of rows without limit and offset.")
    next_offset: int | None = Field(description="Offset of the next page; null on the last page.")
    value: list[ValueAdded]
