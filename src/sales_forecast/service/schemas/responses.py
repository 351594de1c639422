"""Schemas of forecasts and predictions, for validation and the OpenAPI documentation."""

from __future__ import annotations

from datetime import date, datetime
from typing import Literal

from pydantic import BaseModel, Field, JsonValue

from sales_forecast.forecasting.attribution import PARTS
from sales_forecast.forecasting.intervals.conformal import QUANTILES
from sales_forecast.service.schemas.requests import LevelName

ArmName = Literal["champion", "challenger"]

QUANTILE_KEYS = {column: f"{probability:g}" for column, probability in QUANTILES.items()}
"""Column of a table -> key in ``quantiles`` of a response, such as 0.7."""


class CompatibleResponse(BaseModel):
    """Prediction of one week."""

    prediction: float = Field(description="Forecast in currency units per week.")


class CompatibleWeeksResponse(BaseModel):
    """Predictions of several weeks."""

    predictions: dict[str, float] = Field(description="First day of the week -> forecast in currency units.")


class Model(BaseModel):
    """Model that made the forecasts, and the data it was made from."""

    name: str = Field(description="Name in the registry.")
    version: str = Field(description="Version in the registry.")
    run_id: str = Field(description="Id of the tracked run that made the model.")
    data_version: str = Field(description="Version of the raw files that the model was made from.")


class _WithIntervals(BaseModel):
    forecast: float = Field(description="Forecast in currency units per week.", examples=[1487.9])
    lo_80: float = Field(description="Lower end of the 80 % prediction interval.", examples=[921.6])
    hi_80: float = Field(description="Upper end of the 80 % prediction interval.", examples=[2054.2])
    lo_95: float = Field(description="Lower end of the 95 % prediction interval.", examples=[366.5])
    hi_95: float = Field(description="Upper end of the 95 % prediction interval.", examples=[2609.3])


class _Weekly(_WithIntervals):
    store: str = Field(description="Store, as the retailer calls it.", examples=["105"])
    department: str = Field(description="Department, as the retailer calls it.", examples=["117"])
    week: date = Field(description="First day of the week.", examples=["2017-10-07"])
    horizon: int = Field(description="Weeks after the last week that the model has seen.", examples=[1])
    cold_start: bool = Field(
        description="Whether the series is too young for a history of its own, so that it is forecast from "
        "similar series."
    )
    quantiles: dict[str, float] | None = Field(
        default=None,
        description="Quantiles in currency units per week, only where the request asks for them: turnover is "
        "at most that of key 0.7 with a probability of 70 %; that of 0.5 is the forecast. Null for stored "
        "forecasts from before there were any.",
        examples=[{"0.05": 702.1, "0.5": 1487.9, "0.7": 1702.3, "0.95": 2273.7}],
    )


class Explanation(BaseModel):
    """Attributions in currency units per week; they add up to the forecast, and may be negative."""

    average_week: float = Field(description=PARTS["average_week"])
    level_shift: float = Field(description=PARTS["level_shift"])
    same_week: float = Field(description=PARTS["same_week"])
    recent: float = Field(description=PARTS["recent"])
    season: float = Field(description=PARTS["season"])
    place: float = Field(description=PARTS["place"])
    future_covariates: float = Field(description=PARTS["future_covariates"])
    peers: float = Field(description=PARTS["peers"])
    other: float = Field(description=PARTS["other"])
    earlier_forecast: float = Field(description=PARTS["earlier_forecast"])


class StoredForecast(_Weekly):
    """Stored forecast of one series and week, with its explanation."""

    method: str = Field(description="Forecasting method that made the forecast.")
    explanation: Explanation


class LevelForecast(_WithIntervals):
    """Forecast of a sum, with its own prediction intervals."""

    key: str = Field(description="Region or zone; 'all' if the level has neither.")
    department: str = Field(description="Department; 'all' for sums over all departments.")
    week: date = Field(description="First day of the week.")


class _Stored(BaseModel):
    made_at: datetime = Field(description="Time at which the forecasts were made.")
    publication: int = Field(description="Number of the publication in the ledger.")
    cutoff: date | None = Field(
        description="First day of the last week that was known; null for marketing, and in publications from "
        "before it was kept."
    )
    data_version: str = Field(description="Version of the raw files that the forecasts were made from.")
    model: Model


class Paged(_Stored):
    """A page of rows of a publication."""

    total: int = Field(description="Number of rows without limit and offset.")
    next_offset: int | None = Field(description="Offset of the next page; null on the last page.")


class StoredForecasts(Paged):
    """Stored forecasts of series."""

    forecasts: list[StoredForecast]


class LevelForecasts(Paged):
    """Stored forecasts of sums."""

    level: LevelName = Field(description="What is summed over.")
    forecasts: list[LevelForecast]


class Prediction(_Weekly):
    """Live prediction of one series and week."""

    model_version: str = Field(description="Version of the model in the registry.")
    arm: ArmName = Field(description="Arm of the experiment that predicted; champion without an experiment.")


class TurnoverResponse(BaseModel):
    """Predictions in the order of the request, for every week ahead."""

    request_id: str = Field(description="Id of the request.")
    model: str = Field(description="Name of the model in the registry.")
    predictions: list[Prediction]


class BudgetPrediction(BaseModel):
    """Predicted sales of one TV budget."""

    tv: float = Field(description="TV budget of the request.")
    sales: float = Field(description="Predicted sales.")
    sales_low: float = Field(description="Lower end of the prediction interval.")
    sales_high: float = Field(description="Upper end of the prediction interval.")
    warning: str | None = Field(description="Warning about a budget outside those of the training data.")


class BudgetResponse(BaseModel):
    """Predicted sales in the order of the request."""

    request_id: str = Field(description="Id of the request.")
    model: str = Field(description="Name of the model in the registry.")
    model_version: str = Field(description="Version of the model in the registry.")
    interval_share: float = Field(description="Share of campaigns whose sales the interval should contain.")
    predictions: list[BudgetPrediction]


class CurvePoint(BaseModel):
    """Predicted sales of one budget on the curve."""

    tv: float = Field(description="TV budget.")
    sales: float = Field(description="Predicted sales.")
    sales_low: float = Field(description="Lower end of the prediction interval.")
    sales_high: float = Field(description="Upper end of the prediction interval.")
    marginal_sales: float = Field(description="Additional sales per additional unit of budget.")


class BudgetCurve(_Stored):
    """Predicted sales against TV budget, and the recommended budget."""

    recommendation: dict[str, JsonValue] = Field(description="Recommended budget, and how it was found.")
    curve: list[CurvePoint]
