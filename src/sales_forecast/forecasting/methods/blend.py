"""The mean of methods, weighted by how well they have forecast the past."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator
from contextlib import suppress
from typing import Annotated, NotRequired, TypedDict, TypeVar

import numpy as np
import pandas as pd
from joblib import Parallel, delayed
from pydantic import BaseModel, Field, model_validator
from threadpoolctl import threadpool_limits

from sales_forecast.errors import ShortHistoryError
from sales_forecast.forecasting.features.context import ForecastContext, actuals_after
from sales_forecast.forecasting.methods.base import Fitted, Method, forecast_anew
from sales_forecast.forecasting.methods.declare import AnyMethod
from sales_forecast.forecasting.panel.matrix import ROW_KEYS, FloatArray
from sales_forecast.forecasting.panel.windows import past_cutoffs

logger = logging.getLogger(__name__)

Result = TypeVar("Result")

VOTE_HALF_LIFE_WEEKS = 26
"""A past window counts half as much as one that is half a year newer."""


class Validation(BaseModel, frozen=True, extra="forbid"):
    """Windows of the past in which alternatives are compared, none of them after the cutoff."""

    windows: int = Field(default=13, gt=0)
    """At most so many, the newest ones."""

    horizon_weeks: int = Field(default=8, gt=0)
    stride_weeks: int = Field(default=4, gt=0)
    """Weeks from one window to the next, on the grid of the backtest."""

    def origins(self, weeks: pd.DatetimeIndex) -> list[pd.Timestamp]:
        """Cutoffs of the windows, oldest first; none where history is shorter than a window."""
        if len(weeks) <= self.horizon_weeks:
            return []
        return past_cutoffs(weeks, self.horizon_weeks, self.stride_weeks)[-self.windows :]


class BlendFit(TypedDict):
    """What the members of a blend learned, those with too short a history left out, and its fallback."""

    members: dict[str, Fitted]
    otherwise: Fitted
    weights: NotRequired[dict[str, float]]
    """Weight of each member; equal without it, as in models of before November 2026."""


class Blend(Method[BlendFit], frozen=True):
    """The mean of its members' square roots, squared.

    Methods whose errors differ have a smaller error together; the square root limits the weight of one that
    is far too high. A member whose history is too short is left out.
    """

    members: dict[str, AnyMethod] = Field(min_length=1)
    alternatives: dict[str, Annotated[tuple[str, ...], Field(min_length=1)]] = {}
    """Sets of members, each of which would be a blend; the past decides how much each counts. A member of
    none is not fitted. Without alternatives, all members count alike."""

    validation: Validation = Validation()
    otherwise: AnyMethod | None = None
    """Forecasts what no member can, such as a store that opened last month."""

    @model_validator(mode="after")
    def _alternatives_of_members(self) -> Blend:
        unknown = {name for names in self.alternatives.values() for name in names} - set(self.members)
        if unknown:
            raise ValueError(
                f"alternatives: {', '.join(sorted(unknown))} is no member; there are "
                f"{', '.join(self.members)}"
            )
        return self

    def learners(self, weeks: int) -> Iterator[Method]:
        """Those of the members that count, and of the fallback."""
        for method in (*self._counting().values(), *([self.otherwise] if self.otherwise else [])):
            yield from method.learners(weeks)

    def looks_back(self, weeks: pd.DatetimeIndex) -> set[pd.Timestamp]:
        """Windows in which the alternatives are compared."""
        return set(self.validation.origins(weeks)) if self.alternatives else super().looks_back(weeks)

    def learn_from_past(self, context: ForecastContext) -> None:
        """Find out the errors of the alternatives at earlier cutoffs."""
        self._weights(context)

    def fit(self, context: ForecastContext) -> BlendFit:
        """Learn the weights, and fit each member that has one.

        Raises:
            ShortHistoryError: None of the members can be fitted.
        """
        return self._fit_members(context, self._weights(context))

    def fit_again(self, context: ForecastContext, fitted: BlendFit) -> BlendFit:
        """Fit the members that were fitted, and keep their weights."""
        weights = fitted.get("weights", dict.fromkeys(fitted["members"], 1.0))
        return self._fit_members(context, dict.fromkeys(self.members, 0.0) | weights)

    def _fit_members(self, context: ForecastContext, weights: dict[str, float]) -> BlendFit:
        _ = context.features  # computed once, before members need it at the same time
        able = self._of_able_members(context, weights, lambda member: member.fit(context))
        fallback: Fitted = self.otherwise.fit(context) if self.otherwise else {}
        return {"members": able, "otherwise": fallback, "weights": {name: weights[name] for name in able}}

    def forecast(
        self, context: ForecastContext, forecast_index: pd.DataFrame, fitted: BlendFit
    ) -> FloatArray:
        """Average the members' square roots of each row over those that have a forecast of it."""
        forecasts = {
            name: self.members[name].forecast(context, forecast_index, state)
            for name, state in fitted["members"].items()
        }
        mean = _mean_of_roots(forecasts, fitted.get("weights", {}))
        if self.otherwise is None or not np.isnan(mean).any():
            return mean
        fallback = self.otherwise.forecast(context, forecast_index, fitted["otherwise"])
        return np.where(np.isnan(mean), fallback, mean)

    def fit_and_forecast(self, context: ForecastContext, forecast_index: pd.DataFrame) -> FloatArray:
        """The same, with forecasts of the members that may have been kept."""
        weights = self._weights(context)
        _ = context.features
        forecasts = self._of_able_members(
            context, weights, lambda member: forecast_anew(member, context, forecast_index)
        )
        mean = _mean_of_roots(forecasts, weights)
        if self.otherwise is None or not np.isnan(mean).any():
            return mean
        return np.where(np.isnan(mean), forecast_anew(self.otherwise, context, forecast_index), mean)

    def contributions(
        self, context: ForecastContext, forecast_index: pd.DataFrame, fitted: BlendFit
    ) -> FloatArray:
        """Average the members' contributions to each row over those that have a forecast of it."""
        _ = context.features
        with threadpool_limits(1):
            parts = Parallel(n_jobs=-1, prefer="threads")(
                delayed(self.members[name].contributions)(context, forecast_index, state)
                for name, state in fitted["members"].items()
            )
        contributions = dict(zip(fitted["members"], parts, strict=True))
        mean = _mean_of_known(contributions, fitted.get("weights", {}))
        if self.otherwise is None or not np.isnan(mean).any():
            return mean
        fallback = self.otherwise.contributions(context, forecast_index, fitted["otherwise"])
        return np.where(np.isnan(mean).any(axis=1, keepdims=True), fallback, mean)

    def _of_able_members(
        self, context: ForecastContext, weights: dict[str, float], apply: Callable[[Method], Result]
    ) -> dict[str, Result]:
        """Apply a function to each member that has a weight and a history that is long enough."""
        names = [name for name in self.members if weights[name] > 0]
        with threadpool_limits(1):  # as in each member, and not undone by the first that is ready
            results = Parallel(n_jobs=-1, prefer="threads")(
                delayed(_unless_short)(apply, self.members[name]) for name in names
            )
        able = {
            name: result
            for name, result in zip(names, results, strict=True)
            if not isinstance(result, ShortHistoryError)
        }
        if not able:
            raise next(error for error in results if isinstance(error, ShortHistoryError))
        if len(able) < len(names):
            left_out = ", ".join(name for name in names if name not in able)
            logger.info("After %s too short a history for: %s", f"{context.cutoff:%Y-%m-%d}", left_out)
        return able

    def _counting(self) -> dict[str, Method]:
        """Members of any alternative, or all members without alternatives."""
        named = {name for names in self.alternatives.values() for name in names} or set(self.members)
        return {name: member for name, member in self.members.items() if name in named}

    def _weights(self, context: ForecastContext) -> dict[str, float]:
        """Weight of each member: those of its alternatives, shared among their members."""
        if not self.alternatives:
            return dict.fromkeys(self.members, 1.0)
        weights = dict.fromkeys(self.members, 0.0)
        for alternative, share in self._shares(context).items():
            for name in self.alternatives[alternative]:
                weights[name] += share / len(self.alternatives[alternative])
        return weights

    def _shares(self, context: ForecastContext) -> dict[str, float]:
        """Share of past windows in which each alternative had the smallest error; newer ones count more.

        One more window counts, in which all were equally good.
        """
        votes = dict.fromkeys(self.alternatives, 1 / len(self.alternatives))
        for origin in self.validation.origins(context.raw.weeks):
            if errors := self._errors(context, origin):
                age = (context.cutoff - origin).days / 7 - self.validation.horizon_weeks
                votes[min(errors, key=errors.__getitem__)] += 0.5 ** (age / VOTE_HALF_LIFE_WEEKS)
        return {alternative: count / sum(votes.values()) for alternative, count in votes.items()}

    def _errors(self, context: ForecastContext, origin: pd.Timestamp) -> dict[str, float]:
        """Mean absolute error of each alternative after an origin; empty if one of them has no forecast."""
        key = (self.plain().model_dump_json(), origin)
        if key in context.past_errors:
            return context.past_errors[key]
        actuals = actuals_after(context.data.panel, origin, self.validation.horizon_weeks)
        known, forecasts = context.as_of(origin), {}
        with suppress(ShortHistoryError):
            if len(actuals):
                forecasts = self._of_able_members(
                    known,
                    {name: float(name in self._counting()) for name in self.members},
                    lambda member: forecast_anew(member, known, actuals[ROW_KEYS]),
                )
        errors = {
            alternative: _mean_absolute_error(
                {name: forecasts[name] for name in names if name in forecasts}, actuals["turnover"]
            )
            for alternative, names in self.alternatives.items()
        }
        complete = errors if all(np.isfinite(error) for error in errors.values()) else {}
        context.past_errors[key] = complete
        return complete


def _unless_short(apply: Callable[[Method], Result], member: Method) -> Result | ShortHistoryError:
    try:
        return apply(member)
    except ShortHistoryError as error:
        return error


def _mean_absolute_error(forecasts: dict[str, FloatArray], turnover: pd.Series[float]) -> float:
    """Error of the equal blend over the rows that it can forecast; NaN if there are none."""
    if not forecasts:
        return float("nan")
    errors = np.abs(_mean_of_roots(forecasts, {}) - turnover.to_numpy())
    return float(np.nanmean(errors)) if np.isfinite(errors).any() else float("nan")


def _mean_of_roots(forecasts: dict[str, FloatArray], weights: dict[str, float]) -> FloatArray:
    """Square of the weighted mean of square roots, over those that are known; NaN where none is."""
    roots = {name: np.sqrt(np.maximum(forecast, 0))[:, None] for name, forecast in forecasts.items()}
    return np.asarray(_mean_of_known(roots, weights)[:, 0] ** 2)


def _mean_of_known(rows: dict[str, FloatArray], weights: dict[str, float]) -> FloatArray:
    """Weighted mean of matrices, row by row, over those in which the row is known; NaN if in none."""
    total = np.zeros_like(next(iter(rows.values())))
    weight = np.zeros((len(total), 1))
    for name, values in rows.items():
        known = ~np.isnan(values).any(axis=1, keepdims=True)
        total += np.where(known, weights.get(name, 1.0) * values, 0)
        weight += np.where(known, weights.get(name, 1.0), 0)
    return np.where(weight > 0, total / np.where(weight > 0, weight, 1), np.nan)
