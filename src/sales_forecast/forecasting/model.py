"""A fitted method with everything else that its forecasts need: what is registered, shipped and served."""

from __future__ import annotations

from datetime import date
from typing import Any

import pandas as pd
from pydantic import BaseModel, field_serializer

from sales_forecast.forecasting.attribution import explain
from sales_forecast.forecasting.evaluation.past_forecasts import learn_half_widths
from sales_forecast.forecasting.features.context import ForecastContext
from sales_forecast.forecasting.intervals.conformal import (
    HalfWidths,
    IntervalParams,
    add_intervals,
)
from sales_forecast.forecasting.intervals.hierarchy import LevelHalfWidths
from sales_forecast.forecasting.methods.base import Fitted, Method, forecast_all
from sales_forecast.forecasting.methods.declare import AnyMethod, declare
from sales_forecast.forecasting.panel.level_shifts import LevelShiftParams
from sales_forecast.forecasting.panel.model_input import ModelInput


class TurnoverModel(BaseModel, frozen=True, extra="forbid"):
    """As JSON holds it: ``TurnoverModel(**content)`` and ``model_dump(mode="json")``."""

    name: str
    """Of the method among the candidates."""

    method: AnyMethod
    fitted: Fitted
    cutoff: date
    """The last week that fitting has seen."""

    horizon_weeks: int
    """For so many weeks ahead the half-widths of intervals were learnt."""

    level_shifts: LevelShiftParams
    intervals: IntervalParams
    half_widths: HalfWidths
    cold_start_half_widths: HalfWidths
    """Of series too young for a past of their own."""

    level_half_widths: LevelHalfWidths
    """Of sums."""

    @field_serializer("method")
    def _as_parameters_declare_it(self, method: Method) -> dict[str, Any]:
        return declare(method)

    def context(self, data: ModelInput) -> ForecastContext:
        """Return what is known at the last week of the panel, with the level shifts that this model sees."""
        return ForecastContext.latest(data, self.level_shifts)

    def forecast(self, context: ForecastContext, forecast_index: pd.DataFrame) -> pd.DataFrame:
        """Forecast every target, with intervals.

        Returns:
            As ``method.forecast_all`` and ``intervals.add_intervals``.
        """
        answer = forecast_all(self.method, context, forecast_index, self.fitted)
        return add_intervals(answer, context, self.half_widths, self.intervals, self.cold_start_half_widths)

    def explain(self, context: ForecastContext, forecasts: pd.DataFrame) -> pd.DataFrame:
        """Split forecasts of this model into parts in business words, see ``attribution.explain``."""
        forecast_index = forecasts[["store", "department", "week"]]
        return explain(context, forecasts, self.method.contributions(context, forecast_index, self.fitted))

    def refit(self, context: ForecastContext, method: Method | None = None) -> TurnoverModel:
        """Learn anew from what is known today; half-widths of sums and of young series stay.

        Args:
            context: What is known today.
            method: The same method, where it was fitted ahead.
        """
        learner = method or self.method
        return self.model_copy(
            update={
                "cutoff": context.cutoff.date(),
                "half_widths": learn_half_widths(learner, context, self.intervals, self.horizon_weeks),
                "fitted": learner.fit(context),
            }
        )
