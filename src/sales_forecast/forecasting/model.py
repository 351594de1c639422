"""A fitted method with everything else that its forecasts need: what is registered, shipped and served."""

from __future__ import annotations

from datetime import date
from typing import Any

import pandas as pd
from pydantic import BaseModel, field_serializer

from sales_forecast.forecasting.level_shifts import LevelShiftParams
from sales_forecast.forecasting.levels import LevelWidths
from sales_forecast.forecasting.market import Market
from sales_forecast.forecasting.method import AnyMethod, Fitted, Method, declare, forecast_all
from sales_forecast.forecasting.ranges import RangeParams, Widths, add_ranges, learn_widths
from sales_forecast.forecasting.reasons import explain


class TurnoverModel(BaseModel, frozen=True, extra="forbid"):
    """As JSON holds it: ``TurnoverModel(**content)`` and ``model_dump(mode="json")``."""

    name: str
    """Of the method among the candidates."""

    method: AnyMethod
    fitted: Fitted
    cutoff: date
    """The last week that fitting has seen."""

    horizon_weeks: int
    """For so many weeks ahead the widths of ranges were learnt."""

    level_shifts: LevelShiftParams
    ranges: RangeParams
    widths: Widths
    cold_widths: Widths
    """Of series too young for a past of their own."""

    level_widths: LevelWidths
    """Of sums."""

    @field_serializer("method")
    def _as_parameters_declare_it(self, method: Method) -> dict[str, Any]:
        return declare(method)

    def market(
        self, panel: pd.DataFrame, stores: pd.DataFrame, calendar: pd.DataFrame, known_ahead: pd.DataFrame
    ) -> Market:
        """What is known today, as this model sees it."""
        return Market.of_today(panel, stores, calendar, self.level_shifts, known_ahead)

    def forecast(self, market: Market, targets: pd.DataFrame) -> pd.DataFrame:
        """Forecast every target, with ranges.

        Returns:
            As ``method.forecast_all`` and ``ranges.add_ranges``.
        """
        answer = forecast_all(self.method, market, targets, self.fitted)
        return add_ranges(answer, market, self.widths, self.ranges, self.cold_widths)

    def explain(self, market: Market, forecasts: pd.DataFrame) -> pd.DataFrame:
        """Split forecasts of this model into parts in business words, see ``reasons.explain``."""
        targets = forecasts[["store", "department", "week"]]
        return explain(market, forecasts, self.method.reasons(market, targets, self.fitted))

    def refit(self, market: Market, method: Method | None = None) -> TurnoverModel:
        """Learn anew from what is known today; widths of sums and of young series stay.

        Args:
            market: What is known today.
            method: The same method, where it was fitted ahead.
        """
        learner = method or self.method
        return self.model_copy(
            update={
                "cutoff": market.cutoff.date(),
                "widths": learn_widths(learner, market, self.ranges, self.horizon_weeks),
                "fitted": learner.fit(market),
            }
        )
