"""Methods made of methods: their mean, and a choice by the length of the history."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from typing import Literal, TypedDict

import numpy as np
import pandas as pd
from joblib import Parallel, delayed
from pydantic import Field
from threadpoolctl import threadpool_limits

from sales_forecast.errors import ShortHistoryError
from sales_forecast.forecasting.features.context import ForecastContext
from sales_forecast.forecasting.methods.base import Fitted, Method
from sales_forecast.forecasting.methods.declare import AnyMethod
from sales_forecast.forecasting.panel.matrix import FloatArray

logger = logging.getLogger(__name__)


class BlendFit(TypedDict):
    """What the members of a blend learned, those with too short a history left out, and its fallback."""

    members: dict[str, Fitted]
    otherwise: Fitted


class Blend(Method[BlendFit], frozen=True):
    """The mean of its members' square roots, squared.

    Methods whose errors differ have a smaller error together; the square root limits the weight of one that
    is far too high. A member whose history is too short is left out.
    """

    members: dict[str, AnyMethod] = Field(min_length=1)
    otherwise: AnyMethod | None = None
    """Forecasts what no member can, such as a store that opened last month."""

    def fit(self, context: ForecastContext) -> BlendFit:
        """Fit each member.

        Raises:
            ShortHistoryError: None of the members can be fitted.
        """
        _ = context.features  # computed once, before members need it at the same time
        with threadpool_limits(1):  # as in each member, and not undone by the first that is ready
            fitted = Parallel(n_jobs=-1, prefer="threads")(
                delayed(_try_to_fit)(member, context) for member in self.members.values()
            )
        able = {
            name: state
            for name, state in zip(self.members, fitted, strict=True)
            if not isinstance(state, ShortHistoryError)
        }
        if not able:
            raise next(error for error in fitted if isinstance(error, ShortHistoryError))
        if len(able) < len(fitted):
            left_out = ", ".join(name for name in self.members if name not in able)
            logger.info("After %s too short a history for: %s", f"{context.cutoff:%Y-%m-%d}", left_out)
        return {"members": able, "otherwise": self.otherwise.fit(context) if self.otherwise else {}}

    def forecast(
        self, context: ForecastContext, forecast_index: pd.DataFrame, fitted: BlendFit
    ) -> FloatArray:
        """Average the members' square roots of each row over those that have a forecast of it."""
        forecasts = np.stack(
            [
                self.members[name].forecast(context, forecast_index, state)
                for name, state in fitted["members"].items()
            ]
        )
        known = ~np.isnan(forecasts)
        total = np.sqrt(np.where(known, np.maximum(forecasts, 0), 0)).sum(axis=0)
        mean = total / np.maximum(known.sum(axis=0), 1)
        any_known = known.any(axis=0)
        if any_known.all() or self.otherwise is None:
            return np.where(any_known, mean**2, np.nan)
        fallback = self.otherwise.forecast(context, forecast_index, fitted["otherwise"])
        return np.where(any_known, mean**2, fallback)

    def contributions(
        self, context: ForecastContext, forecast_index: pd.DataFrame, fitted: BlendFit
    ) -> FloatArray:
        """Average the members' contributions to each row over those that have a forecast of it."""
        contributions = np.stack(
            [
                self.members[name].contributions(context, forecast_index, state)
                for name, state in fitted["members"].items()
            ]
        )
        known = ~np.isnan(contributions).any(axis=2, keepdims=True)
        mean = np.where(known, contributions, 0).sum(axis=0) / np.maximum(known.sum(axis=0), 1)
        any_known = known.any(axis=0)
        if any_known.all() or self.otherwise is None:
            return np.where(any_known, mean, np.nan)
        fallback = self.otherwise.contributions(context, forecast_index, fitted["otherwise"])
        return np.where(any_known, mean, fallback)


def _try_to_fit(member: Method, context: ForecastContext) -> Fitted | ShortHistoryError:
    try:
        state: Fitted = member.fit(context)
    except ShortHistoryError as error:
        return error
    return state


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
