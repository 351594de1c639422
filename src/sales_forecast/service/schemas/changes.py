"""Schemas of responses that say why forecasts changed."""

from __future__ import annotations

from datetime import date

from pydantic import BaseModel, Field

from sales_forecast.forecasting.changes import CAUSES
from sales_forecast.service.schemas.responses import Paged


class Causes(BaseModel):
    """What each cause adds to the forecast, in currency units per week; they add up to after minus before."""

    restated: float = Field(description=CAUSES["restated"])
    new_weeks: float = Field(description=CAUSES["new_weeks"])
    future_covariates: float = Field(description=CAUSES["future_covariates"])
    level_shift: float = Field(description=CAUSES["level_shift"])
    refit: float = Field(description=CAUSES["refit"])
    model: float = Field(description=CAUSES["model"])
    steadiness: float = Field(description=CAUSES["steadiness"])


class ForecastChange(BaseModel):
    """Change of one forecast since the publication before."""

    store: str = Field(description="Store, as the retailer calls it.", examples=["105"])
    department: str = Field(description="Department, as the retailer calls it.", examples=["117"])
    week: date = Field(description="First day of the week.", examples=["2017-10-07"])
    before: float = Field(description="Forecast in the publication before, in currency units per week.")
    after: float = Field(description="Forecast in this publication.")
    causes: Causes


class ForecastChanges(Paged):
    """Changes of the weeks that are in both publications; none if there was no publication before."""

    changes: list[ForecastChange]
