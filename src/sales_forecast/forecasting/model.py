"""The turnover model: a fitted method with its half-widths, as it is registered, packaged and served."""

from __future__ import annotations

from collections.abc import Callable
from datetime import date

import pandas as pd
from pydantic import BaseModel, field_serializer

from sales_forecast.forecasting.attribution import explain
from sales_forecast.forecasting.evaluation.forecaster import fit_and_forecast
from sales_forecast.forecasting.evaluation.past_forecasts import learn_half_widths
from sales_forecast.forecasting.features.context import ForecastContext, mean_weeks
from sales_forecast.forecasting.intervals.conformal import HalfWidths, add_intervals, quantiles
from sales_forecast.forecasting.intervals.hierarchy import LevelHalfWidths
from sales_forecast.forecasting.intervals.windows import IntervalParams
from sales_forecast.forecasting.methods.base import Fitted, Method, forecast_all
from sales_forecast.forecasting.methods.declare import AnyMethod, Declaration, declare
from sales_forecast.forecasting.panel.level_shifts import LevelShiftParams
from sales_forecast.forecasting.panel.matrix import ROW_KEYS
from sales_forecast.forecasting.panel.model_input import ModelInput


class TurnoverModel(BaseModel, frozen=True, extra="forbid"):
    """A fitted method and its half-widths.

    ``TurnoverModel(**content)`` reads it from JSON, and ``model_dump(mode="json")`` writes it.
    """

    name: str
    """Name of the method among the candidates."""

    method: AnyMethod
    fitted: Fitted
    cutoff: date
    """The last week that fitting has seen."""

    horizon_weeks: int
    """Horizon that the half-widths were learned for."""

    level_shifts: LevelShiftParams
    intervals: IntervalParams
    half_widths: HalfWidths
    cold_start_half_widths: HalfWidths
    """Half-widths of cold starts."""

    level_half_widths: LevelHalfWidths
    """Half-widths of sums."""

    @field_serializer("method")
    def _as_parameters_declare_it(self, method: Method) -> Declaration:
        return declare(method)

    def context(self, data: ModelInput) -> ForecastContext:
        """Return the context of the panel's last week, with level shifts as this model finds them."""
        return ForecastContext.latest(data, self.level_shifts)

    def forecast(
        self,
        context: ForecastContext,
        forecast_index: pd.DataFrame,
        peers: Callable[[], pd.DataFrame] | None = None,
    ) -> pd.DataFrame:
        """Forecast every row, with intervals and quantiles.

        Args:
            context: What is known at the cutoff.
            forecast_index: ``store, department, week``, weeks after the cutoff.
            peers: Gives further rows that cold starts may be forecast from, see ``base.forecast_all``.

        Returns:
            The columns of ``base.forecast_all``, ``conformal.add_intervals`` and ``conformal.quantiles``.
        """
        forecasts = forecast_all(self.method, context, forecast_index, self.fitted, peers)
        errors = mean_weeks(forecasts, context), self.half_widths, self.cold_start_half_widths
        return add_intervals(forecasts, *errors).join(quantiles(forecasts, *errors))

    def explain(self, context: ForecastContext, forecasts: pd.DataFrame) -> pd.DataFrame:
        """Split forecasts of this model into attributions, see ``attribution.explain``."""
        contributions = self.method.contributions(context, forecasts[ROW_KEYS], self.fitted)
        return explain(context, forecasts, contributions)

    def refit(self, context: ForecastContext, method: Method | None = None) -> TurnoverModel:
        """Fit the method again on a later context; half-widths of sums and of cold starts stay.

        Args:
            context: What is known at the later cutoff.
            method: The same method, if it was prefitted.
        """
        refitted, forecaster = method or self.method, context.forecaster or fit_and_forecast
        return self.model_copy(
            update={
                "cutoff": context.cutoff.date(),
                "half_widths": learn_half_widths(
                    refitted, context, self.intervals, self.horizon_weeks, forecaster
                ),
                "fitted": refitted.fit(context),
            }
        )
