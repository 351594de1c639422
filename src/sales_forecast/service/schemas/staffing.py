"""Schemas of staffing: the request and its response."""

from __future__ import annotations

from datetime import date
from typing import Literal

from pydantic import BaseModel, Field

from sales_forecast.service.schemas.queries import SORTING, SeriesOrder, _SeriesQuery
from sales_forecast.service.schemas.responses import Paged


class StaffingQuery(_SeriesQuery):
    """Which hours to return."""

    sort: list[Literal[SeriesOrder, "horizon", "-horizon", "forecast", "-forecast"]] = Field(
        default=[], max_length=5, description=f"{SORTING} Default: store, department, week."
    )


class StaffingHours(BaseModel):
    """Hours to plan for one department of a store in one week."""

    store: str = Field(description="Store, as the retailer calls it.", examples=["105"])
    department: str = Field(description="Department, as the retailer calls it.", examples=["117"])
    week: date = Field(description="First day of the week.", examples=["2017-10-07"])
    horizon: int = Field(description="Weeks between the last week that was known and this one.")
    quantile: float = Field(
        description="Critical ratio: cost of a missing hour over the costs of a missing and an idle one."
    )
    turnover: float = Field(
        description="Turnover that hours are planned for, in currency units per week: that quantile, scaled "
        "as a planner has scaled the forecast."
    )
    hours: float = Field(description="Hours to plan: the parts below, in whole shifts.")
    shifts: int = Field(description="Number of shifts.")
    minimum_cover_hours: float = Field(description="Hours that somebody must be there; they count if larger.")
    fixed_hours: float = Field(description="Hours that do not depend on turnover.")
    variable_hours: float = Field(description="Hours that grow with turnover.")
    planned: float = Field(
        description="Planned turnover: the planner's number, or the forecast where no override counts."
    )
    override: int | None = Field(
        description="Number of the override that the hours follow; null where they follow the forecast."
    )
    model_turnover: float = Field(description="Turnover that hours would be planned for without overrides.")
    model_hours: float = Field(description="Hours that would be planned without overrides.")


class PublishedStaffingRule(BaseModel):
    """Rule of a department, from which its hours follow."""

    department: str = Field(description="Department, as the retailer calls it.")
    minimum_cover_hours: float = Field(description="Hours that somebody must be there, whatever is sold.")
    fixed_hours: float = Field(description="Hours of work that does not depend on turnover.")
    productivity: float = Field(description="Turnover that takes one more hour, in currency units.")
    cost_missing: float = Field(description="Cost of an hour that is needed and not planned.")
    cost_idle: float = Field(description="Cost of an hour that is planned and not needed, in the same unit.")
    shift_hours: float = Field(description="Hours of a shift.")
    source: str = Field(description="Where the rule is from: configured, or estimated from timesheets.")


class Staffing(Paged):
    """Hours to plan, by store, department and week, and the rules that they follow from.

    Where a planner has overridden a forecast, hours follow the planner's number.
    """

    rules: list[PublishedStaffingRule] = Field(
        description="Rules of the newest publication; those of an earlier time are not kept."
    )
    staffing: list[StaffingHours]
