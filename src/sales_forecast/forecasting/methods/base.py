"""The interface of every forecasting method."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
from pydantic import BaseModel

from sales_forecast.errors import InputError, ShortHistoryError
from sales_forecast.forecasting.features.cold_start import is_cold, like_peers
from sales_forecast.forecasting.features.context import ForecastContext, repeat_last_year, weeks_ahead
from sales_forecast.forecasting.features.groups import FeatureGroup
from sales_forecast.forecasting.panel.matrix import FloatArray

Fitted = dict[str, Any]
"""What fitting learned, as JSON can hold it: numbers, text, lists."""


@dataclass(frozen=True)
class Needs:
    """What is wanted of the methods.

    Args:
        horizon_weeks: Who wants forecasts -> how many weeks ahead.
        columns: Attributes of a series that a method may name.
    """

    horizon_weeks: dict[str, int]
    columns: list[str]


class Method(BaseModel, ABC, frozen=True, extra="forbid"):
    """A way of forecasting; its fields are its parameters.

    A method of your own is a subclass in any importable module, named under ``turnover.methods`` in the
    parameters by its dotted path.
    """

    def fit(self, context: ForecastContext) -> Fitted:
        """Learn from the past. Methods that only repeat the past need not."""
        return {}

    def contributions(
        self, context: ForecastContext, forecast_index: pd.DataFrame, fitted: Fitted
    ) -> FloatArray:
        """Split the square root of each forecast into contributions.

        Methods that cannot tell leave all of it to ``attribution.OTHER``.

        Returns:
            Shape ``(len(forecast_index), len(FeatureGroup))``, square roots of currency units; NaN where the method has
            no answer.
        """
        contributions = np.zeros((len(forecast_index), len(FeatureGroup)))
        contributions[:, FeatureGroup.OTHER] = np.sqrt(
            np.maximum(self.forecast(context, forecast_index, fitted), 0)
        )
        return contributions

    def problems(self, needs: Needs) -> Iterator[tuple[str, str]]:
        """Say what cannot work, before anything is fitted.

        Yields:
            The path of the field, and what is wrong with it.
        """
        for path, method in self.nested():
            yield from ((f"{path}.{inner}", what) for inner, what in method.problems(needs))

    def nested(self) -> Iterator[tuple[str, Method]]:
        """Methods among the fields, each with its path: what blends are made of."""
        for field in type(self).model_fields:
            value = getattr(self, field)
            for name, method in (value if isinstance(value, dict) else {"": value}).items():
                if isinstance(method, Method):
                    yield f"{field}.{name}" if name else field, method

    def learners(self, weeks: int) -> Iterator[Method]:
        """The methods that learn from rows, among them and in them, when so many weeks are known."""
        for _, method in self.nested():
            yield from method.learners(weeks)

    def with_nested(self, change: Callable[[Method], Method]) -> Method:
        """The same method with each nested one changed."""
        update: dict[str, Any] = {}
        for field in type(self).model_fields:
            value = getattr(self, field)
            if isinstance(value, Method):
                update[field] = change(value)
            elif isinstance(value, dict) and any(isinstance(one, Method) for one in value.values()):
                update[field] = {name: change(one) for name, one in value.items()}
        return self.model_copy(update=update)

    @abstractmethod
    def forecast(self, context: ForecastContext, forecast_index: pd.DataFrame, fitted: Fitted) -> FloatArray:
        """Forecast the turnover of each target.

        Args:
            context: What is known at the cutoff.
            forecast_index: ``store, department, week``, weeks after the cutoff.
            fitted: What ``fit`` returned.

        Returns:
            Currency units per week, shape ``(len(forecast_index),)``; NaN where the method has no answer.
        """


def forecast_all(
    method: Method, context: ForecastContext, forecast_index: pd.DataFrame, fitted: Fitted
) -> pd.DataFrame:
    """Forecast every target, never below zero and never without an answer.

    A series of a few weeks, or of none, sells as its peers do (``cold_start``); another one that the method
    cannot forecast gets the mean of its department's forecasts in that week; a department that the method
    cannot forecast repeats its own past.

    Returns:
        The forecast index with ``horizon`` (weeks), ``forecast`` (currency units per week) and ``cold_start``.

    Raises:
        InputError: A target lies at or before the cutoff, or a whole department has no answer.
    """
    horizon = weeks_ahead(forecast_index, context.cutoff)
    if (horizon < 1).any():
        raise InputError(
            f"{(horizon < 1).sum()} week(s) to forecast are not after the last week seen, "
            f"{context.cutoff:%Y-%m-%d}; the first is {forecast_index['week'].min():%Y-%m-%d}"
        )
    cold = is_cold(context, forecast_index)
    answer = forecast_index.assign(
        horizon=horizon, forecast=method.forecast(context, forecast_index, fitted), cold_start=cold
    )
    if cold.any():
        like_others = like_peers(context, answer, cold)
        answer["forecast"] = like_others.where(cold & like_others.notna(), answer["forecast"])
    answer = _like_its_department(answer)
    if answer["forecast"].isna().any():  # such as a department that is a few weeks old
        repeated = repeat_last_year(context.raw, forecast_index, context.cutoff)
        answer = _like_its_department(answer.fillna({"forecast": pd.Series(repeated, forecast_index.index)}))
    answer["forecast"] = answer["forecast"].clip(lower=0)
    if answer["forecast"].isna().any():
        nameless = sorted(answer.loc[answer["forecast"].isna(), "department"].astype(str).unique())
        raise ShortHistoryError(
            f"no forecast for department(s) {', '.join(nameless)}: no store has any history up to "
            f"{context.cutoff:%Y-%m-%d}. Leave them out until one has."
        )
    return answer


def _like_its_department(answer: pd.DataFrame) -> pd.DataFrame:
    """Fill missing forecasts with the mean of the department's in that week."""
    usual = answer.groupby(["department", "week"])["forecast"].transform("mean")
    return answer.assign(forecast=answer["forecast"].fillna(usual))
