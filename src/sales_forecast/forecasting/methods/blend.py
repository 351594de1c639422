"""Several methods together: their mean, and which to ask when history is short."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from typing import Any

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


class Blend(Method, frozen=True):
    """The mean of its members' square roots, squared.

    Methods that err in different ways err less together; the square root keeps one that is far too high
    from ruling. A member whose history is too short stays out.
    """

    members: dict[str, AnyMethod] = Field(min_length=1)
    otherwise: AnyMethod | None = None
    """Answers where no member does, such as for a store that opened last month."""

    def fit(self, context: ForecastContext) -> Fitted:
        """Fit each member.

        Raises:
            ShortHistoryError: Not one member can be fitted.
        """
        _ = context.features  # once, before members ask for it at the same time
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
        fallback = self.otherwise.fit(context) if self.otherwise else {}
        return {"members": able, "otherwise": fallback}

    def forecast(self, context: ForecastContext, forecast_index: pd.DataFrame, fitted: Fitted) -> FloatArray:
        """Average what the members say, where they say something."""
        said = np.stack(
            [
                self.members[name].forecast(context, forecast_index, state)
                for name, state in fitted["members"].items()
            ]
        )
        known = ~np.isnan(said)
        total = np.sqrt(np.where(known, np.maximum(said, 0), 0)).sum(axis=0)
        mean = total / np.maximum(known.sum(axis=0), 1)
        answered = known.any(axis=0)
        if answered.all() or self.otherwise is None:
            return np.where(answered, mean**2, np.nan)
        return np.where(
            answered, mean**2, self.otherwise.forecast(context, forecast_index, fitted["otherwise"])
        )

    def contributions(
        self, context: ForecastContext, forecast_index: pd.DataFrame, fitted: Fitted
    ) -> FloatArray:
        """Average what members say of their contributions, where they say something."""
        said = np.stack(
            [
                self.members[name].contributions(context, forecast_index, state)
                for name, state in fitted["members"].items()
            ]
        )
        known = ~np.isnan(said).any(axis=2, keepdims=True)
        mean = np.where(known, said, 0).sum(axis=0) / np.maximum(known.sum(axis=0), 1)
        answered = known.any(axis=0)
        if answered.all() or self.otherwise is None:
            return np.where(answered, mean, np.nan)
        return np.where(
            answered, mean, self.otherwise.contributions(context, forecast_index, fitted["otherwise"])
        )


def _try_to_fit(member: Method, context: ForecastContext) -> Fitted | ShortHistoryError:
    try:
        return member.fit(context)
    except ShortHistoryError as error:
        return error


class ByHistory(Method, frozen=True):
    """One method where there is enough history, another where there is not."""

    enough_weeks: int = Field(gt=0)
    """Weeks from the first of the panel to the cutoff that are enough."""

    enough: AnyMethod
    short: AnyMethod

    def _choice(self, weeks: int) -> str:
        return "enough" if weeks >= self.enough_weeks else "short"

    def learners(self, weeks: int) -> Iterator[Method]:
        """Those of the one that fits the history."""
        chosen: Method = getattr(self, self._choice(weeks))
        return chosen.learners(weeks)

    def fit(self, context: ForecastContext) -> Fitted:
        """Fit the one that fits the history."""
        choice = self._choice(len(context.raw.weeks))
        chosen: Method = getattr(self, choice)
        return {"choice": choice, "fitted": chosen.fit(context)}

    def forecast(self, context: ForecastContext, forecast_index: pd.DataFrame, fitted: Fitted) -> FloatArray:
        """Ask the one that was fitted."""
        chosen: Method = getattr(self, fitted["choice"])
        state: dict[str, Any] = fitted["fitted"]
        return chosen.forecast(context, forecast_index, state)

    def contributions(
        self, context: ForecastContext, forecast_index: pd.DataFrame, fitted: Fitted
    ) -> FloatArray:
        """Ask the one that was fitted."""
        chosen: Method = getattr(self, fitted["choice"])
        return chosen.contributions(context, forecast_index, fitted["fitted"])
