"""A choice between two methods by the length of the history."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Literal, TypedDict

import pandas as pd
from pydantic import Field

from sales_forecast.forecasting.features.context import ForecastContext
from sales_forecast.forecasting.methods.base import Fitted, Method
from sales_forecast.forecasting.methods.declare import AnyMethod
from sales_forecast.forecasting.panel.matrix import FloatArray


class ByHistoryFit(TypedDict):
    """Which of the two methods was fitted, and what it learned."""

    choice: Literal["enough", "short"]
    fitted: Fitted


class ByHistory(Method[ByHistoryFit], frozen=True):
    """One method where there is enough history, another where there is not."""

    enough_weeks: int = Field(gt=0)
    """Weeks from the first of the panel to the cutoff that are enough."""

    enough: AnyMethod
    short: AnyMethod

    def _choice(self, weeks: int) -> Literal["enough", "short"]:
        return "enough" if weeks >= self.enough_weeks else "short"

    def _chosen(self, choice: Literal["enough", "short"]) -> Method:
        return self.enough if choice == "enough" else self.short

    def learners(self, weeks: int) -> Iterator[Method]:
        """Those of the method that is chosen for so many weeks."""
        return self._chosen(self._choice(weeks)).learners(weeks)

    def fit(self, context: ForecastContext) -> ByHistoryFit:
        """Fit the method that is chosen for the weeks of the context."""
        choice = self._choice(len(context.raw.weeks))
        return {"choice": choice, "fitted": self._chosen(choice).fit(context)}

    def fit_again(self, context: ForecastContext, fitted: ByHistoryFit) -> ByHistoryFit:
        """Fit the method that was chosen."""
        again = self._chosen(fitted["choice"]).fit_again(context, fitted["fitted"])
        return {"choice": fitted["choice"], "fitted": again}

    def forecast(
        self, context: ForecastContext, forecast_index: pd.DataFrame, fitted: ByHistoryFit
    ) -> FloatArray:
        """Forecast with the method that was fitted."""
        return self._chosen(fitted["choice"]).forecast(context, forecast_index, fitted["fitted"])

    def contributions(
        self, context: ForecastContext, forecast_index: pd.DataFrame, fitted: ByHistoryFit
    ) -> FloatArray:
        """Contributions of the method that was fitted."""
        return self._chosen(fitted["choice"]).contributions(context, forecast_index, fitted["fitted"])
