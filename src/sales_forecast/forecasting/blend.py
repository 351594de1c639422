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

from sales_forecast.forecasting.errors import ShortHistoryError
from sales_forecast.forecasting.grid import Matrix
from sales_forecast.forecasting.market import Market
from sales_forecast.forecasting.method import AnyMethod, Fitted, Method

logger = logging.getLogger(__name__)


class Blend(Method, frozen=True):
    """The mean of its members' square roots, squared.

    Methods that err in different ways err less together; the square root keeps one that is far too high
    from ruling. A member whose history is too short stays out.
    """

    members: dict[str, AnyMethod] = Field(min_length=1)
    otherwise: AnyMethod | None = None
    """Answers where no member does, such as for a store that opened last month."""

    def fit(self, market: Market) -> Fitted:
        """Fit each member.

        Raises:
            ShortHistoryError: Not one member can be fitted.
        """
        _ = market.features  # once, before members ask for it at the same time
        with threadpool_limits(1):  # as in each member, and not undone by the first that is ready
            fitted = Parallel(n_jobs=-1, prefer="threads")(
                delayed(_try_to_fit)(member, market) for member in self.members.values()
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
            logger.info("After %s too short a history for: %s", f"{market.cutoff:%Y-%m-%d}", left_out)
        fallback = self.otherwise.fit(market) if self.otherwise else {}
        return {"members": able, "otherwise": fallback}

    def forecast(self, market: Market, targets: pd.DataFrame, fitted: Fitted) -> Matrix:
        """Average what the members say, where they say something."""
        said = np.stack(
            [self.members[name].forecast(market, targets, state) for name, state in fitted["members"].items()]
        )
        known = ~np.isnan(said)
        total = np.sqrt(np.where(known, np.maximum(said, 0), 0)).sum(axis=0)
        mean = total / np.maximum(known.sum(axis=0), 1)
        answered = known.any(axis=0)
        if answered.all() or self.otherwise is None:
            return np.where(answered, mean**2, np.nan)
        return np.where(answered, mean**2, self.otherwise.forecast(market, targets, fitted["otherwise"]))

    def reasons(self, market: Market, targets: pd.DataFrame, fitted: Fitted) -> Matrix:
        """Average what members say of their roots, where they say something."""
        said = np.stack(
            [self.members[name].reasons(market, targets, state) for name, state in fitted["members"].items()]
        )
        known = ~np.isnan(said).any(axis=2, keepdims=True)
        mean = np.where(known, said, 0).sum(axis=0) / np.maximum(known.sum(axis=0), 1)
        answered = known.any(axis=0)
        if answered.all() or self.otherwise is None:
            return np.where(answered, mean, np.nan)
        return np.where(answered, mean, self.otherwise.reasons(market, targets, fitted["otherwise"]))


def _try_to_fit(member: Method, market: Market) -> Fitted | ShortHistoryError:
    try:
        return member.fit(market)
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

    def fit(self, market: Market) -> Fitted:
        """Fit the one that fits the history."""
        choice = self._choice(len(market.as_sold.weeks))
        chosen: Method = getattr(self, choice)
        return {"choice": choice, "fitted": chosen.fit(market)}

    def forecast(self, market: Market, targets: pd.DataFrame, fitted: Fitted) -> Matrix:
        """Ask the one that was fitted."""
        chosen: Method = getattr(self, fitted["choice"])
        state: dict[str, Any] = fitted["fitted"]
        return chosen.forecast(market, targets, state)

    def reasons(self, market: Market, targets: pd.DataFrame, fitted: Fitted) -> Matrix:
        """Ask the one that was fitted."""
        chosen: Method = getattr(self, fitted["choice"])
        return chosen.reasons(market, targets, fitted["fitted"])
