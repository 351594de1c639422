"""The interface of every forecasting method."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Generic

import numpy as np
import pandas as pd
from pydantic import BaseModel, JsonValue
from typing_extensions import TypeVar

from sales_forecast.errors import InputError, ShortHistoryError
from sales_forecast.forecasting.features.cold_start import (
    forecast_from_peers,
    is_cold_start,
    repeat_peers,
)
from sales_forecast.forecasting.features.context import ForecastContext, repeat_last_year, weeks_ahead
from sales_forecast.forecasting.features.feature_groups import FeatureGroup
from sales_forecast.forecasting.panel.matrix import FloatArray

Fitted = dict[str, JsonValue]
"""What a method of any type learned, as JSON holds it; the method alone knows what the keys mean."""

State = TypeVar("State", bound=Mapping[str, object], default=Any)
"""What a method of one type learned: a mapping, or a TypedDict, of values that JSON can hold."""


@dataclass(frozen=True)
class Requirements:
    """What the project's parameters and data require of the methods.

    Args:
        horizon_weeks: Parameter that sets a horizon -> its weeks.
        columns: Attributes of a series that a method may name.
    """

    horizon_weeks: dict[str, int]
    columns: list[str]


class Method(BaseModel, ABC, Generic[State], frozen=True, extra="forbid"):
    """A forecasting method; its fields are its parameters.

    A method of your own is a subclass in any importable module, named under ``turnover.methods`` in the
    parameters by its dotted path. ``Method[State]`` says what it learns; a plain ``Method`` leaves that open.
    """

    def fit(self, context: ForecastContext) -> State:
        """Learn from the past; a method that learns nothing need not override this."""
        return {}  # type: ignore[return-value]  # whoever declares a state with keys overrides fit

    def fit_again(self, context: ForecastContext, fitted: State) -> State:
        """Fit at another cutoff with the choices of an earlier fit, such as the weights of members."""
        return self.fit(context)

    @abstractmethod
    def forecast(self, context: ForecastContext, forecast_index: pd.DataFrame, fitted: State) -> FloatArray:
        """Forecast the turnover of each row.

        Args:
            context: What is known at the cutoff.
            forecast_index: ``store, department, week``, weeks after the cutoff.
            fitted: What ``fit`` returned.

        Returns:
            Currency units per week, shape ``(len(forecast_index),)``; NaN where the method has no forecast.
        """

    def fit_and_forecast(self, context: ForecastContext, forecast_index: pd.DataFrame) -> FloatArray:
        """Forecast each row, fitted for that only; methods of methods ask ``forecast_anew`` for theirs."""
        return self.forecast(context, forecast_index, self.fit(context))

    def contributions(
        self, context: ForecastContext, forecast_index: pd.DataFrame, fitted: State
    ) -> FloatArray:
        """Split the square root of each forecast into contributions by feature group.

        A method that cannot attribute its forecasts assigns all of them to ``FeatureGroup.OTHER``.

        Args:
            context: What is known at the cutoff.
            forecast_index: ``store, department, week``, weeks after the cutoff.
            fitted: What ``fit`` returned.

        Returns:
            Shape ``(len(forecast_index), len(FeatureGroup))``, square roots of currency units; NaN where the
            method has no forecast.
        """
        contributions = np.zeros((len(forecast_index), len(FeatureGroup)))
        contributions[:, FeatureGroup.OTHER] = np.sqrt(
            np.maximum(self.forecast(context, forecast_index, fitted), 0)
        )
        return contributions

    def problems(self, requirements: Requirements) -> Iterator[tuple[str, str]]:
        """Name options that cannot work, before anything is fitted.

        Yields:
            The path of the field, and what is wrong with it.
        """
        for path, method in self.nested():
            yield from ((f"{path}.{inner}", what) for inner, what in method.problems(requirements))

    def nested(self) -> Iterator[tuple[str, Method]]:
        """Methods among the fields, each with its path, such as the members of a blend."""
        for field in type(self).model_fields:
            value = getattr(self, field)
            for name, method in (value if isinstance(value, dict) else {"": value}).items():
                if isinstance(method, Method):
                    yield f"{field}.{name}" if name else field, method

    def learners(self, weeks: int) -> Iterator[Method]:
        """Those of the nested methods, and itself, that learn from rows when so many weeks are known."""
        for _, method in self.nested():
            yield from method.learners(weeks)

    def looks_back(self, weeks: pd.DatetimeIndex) -> set[pd.Timestamp]:
        """Earlier cutoffs at which nested methods forecast, so that this one can learn from their errors.

        Args:
            weeks: Every week up to the cutoff.
        """
        return {cutoff for _, method in self.nested() for cutoff in method.looks_back(weeks)}

    def learn_from_past(self, context: ForecastContext) -> None:
        """Find out, before anything is fitted, what the method learns from errors at earlier cutoffs."""
        for _, method in self.nested():
            method.learn_from_past(context)

    def plain(self) -> Method:
        """The method as it was declared, whoever has fitted it in advance."""
        return self.with_nested(lambda nested: nested.plain())

    def with_nested(self, change: Callable[[Method], Method]) -> Method:
        """The same method with each nested one changed."""
        update: dict[str, Method | dict[str, Method]] = {}
        for field in type(self).model_fields:
            value = getattr(self, field)
            if isinstance(value, Method):
                update[field] = change(value)
            elif isinstance(value, dict) and any(isinstance(one, Method) for one in value.values()):
                update[field] = {name: change(one) for name, one in value.items()}
        return self.model_copy(update=update)


RAW = "raw"
"""Column of a table of forecasts: what the method itself has forecast, NaN where it could not."""


def forecast_anew(method: Method, context: ForecastContext, forecast_index: pd.DataFrame) -> FloatArray:
    """Fit a method and forecast each row, or look up what the context's forecaster has kept of it.

    Returns:
        Currency units per week, shape ``(len(forecast_index),)``; NaN where the method has no forecast.
    """
    if context.forecaster is None:
        return method.fit_and_forecast(context, forecast_index)
    return context.forecaster(method, context, forecast_index)[RAW].to_numpy(dtype=float)


def forecast_all(
    method: Method[State],
    context: ForecastContext,
    forecast_index: pd.DataFrame,
    fitted: State,
    peers: Callable[[], pd.DataFrame] | None = None,
) -> pd.DataFrame:
    """Forecast every row with a fitted method, see ``complete_forecasts``.

    Args:
        method: Method that was fitted.
        context: What is known at the cutoff.
        forecast_index: ``store, department, week``, weeks after the cutoff; no row twice if there are peers.
        fitted: What its ``fit`` returned.
        peers: Gives further rows. It is asked only if a row of the forecast index is a cold start or has no
            forecast of the method, and those of its department are forecast too: it may need them.
    """
    _refuse_past_weeks(context, forecast_index)
    rows, raw = forecast_index, method.forecast(context, forecast_index, fitted)
    if peers is not None:
        needs_peers = np.isnan(raw) | is_cold_start(context, rows)
        if needs_peers.any():
            more = peers()
            more = more[more["department"].isin(rows.loc[needs_peers, "department"])]
            rows = pd.concat([rows, more]).drop_duplicates(ignore_index=True)
            raw = method.forecast(context, rows, fitted)
    return complete_forecasts(raw, context, rows).head(len(forecast_index)).drop(columns=RAW)


def complete_forecasts(
    raw: FloatArray, context: ForecastContext, forecast_index: pd.DataFrame
) -> pd.DataFrame:
    """Complete the forecasts of a method: never below zero and never missing.

    A series of a few weeks, or of none, is forecast from its peers (``cold_start``); another one that the
    method cannot forecast gets the mean of its department's forecasts in that week; a department that the
    method cannot forecast repeats its own past. If none of its series with a past is among the rows, or if
    there are none, the past of other series is repeated (``repeat_peers``).

    Args:
        raw: As ``Method.forecast`` returns them.
        context: What is known at the cutoff.
        forecast_index: ``store, department, week``, weeks after the cutoff.

    Returns:
        The forecast index with ``horizon`` (weeks), ``raw``, ``forecast`` (currency units per week) and
        ``cold_start``.

    Raises:
        InputError: A row lies at or before the cutoff, or no turnover is known at all.
    """
    _refuse_past_weeks(context, forecast_index)
    horizon = weeks_ahead(forecast_index, context.cutoff)
    cold = is_cold_start(context, forecast_index)
    forecasts = forecast_index.assign(horizon=horizon, raw=raw, forecast=raw, cold_start=cold)
    if cold.any():
        from_peers = forecast_from_peers(context, forecasts, cold)
        forecasts["forecast"] = from_peers.where(cold & from_peers.notna(), forecasts["forecast"])
    forecasts = _fill_from_department(forecasts)
    if forecasts["forecast"].isna().any():  # such as a department that is a few weeks old
        repeated = pd.Series(repeat_last_year(context.raw, forecast_index, context.cutoff), forecasts.index)
        forecasts = _fill_from_department(forecasts.fillna({"forecast": repeated}))
    if forecasts["forecast"].isna().any():  # such as a department that only other stores have sold so far
        forecasts = forecasts.fillna({"forecast": repeat_peers(context, forecast_index)})
    forecasts["forecast"] = forecasts["forecast"].clip(lower=0)
    if (missing := forecasts["forecast"].isna()).any():
        raise ShortHistoryError(
            f"no forecast of {missing.sum()} row(s) of the forecast index: no turnover is known up to "
            f"{context.cutoff:%Y-%m-%d}. Bring more history."
        )
    return forecasts


def _refuse_past_weeks(context: ForecastContext, forecast_index: pd.DataFrame) -> None:
    horizon = weeks_ahead(forecast_index, context.cutoff)
    if (horizon < 1).any():
        raise InputError(
            f"{(horizon < 1).sum()} week(s) to forecast are not after the last week seen, "
            f"{context.cutoff:%Y-%m-%d}; the first is {forecast_index['week'].min():%Y-%m-%d}"
        )


def _fill_from_department(forecasts: pd.DataFrame) -> pd.DataFrame:
    """Fill missing forecasts with the mean of the department's forecasts in that week."""
    mean = forecasts.groupby(["department", "week"])["forecast"].transform("mean")
    return forecasts.assign(forecast=forecasts["forecast"].fillna(mean))
