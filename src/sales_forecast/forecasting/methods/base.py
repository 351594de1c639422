"""The one interface behind which every forecasting method stands, and how parameters name a method."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from importlib import import_module
from inspect import isabstract
from typing import Annotated, Any

import numpy as np
import pandas as pd
from pydantic import BaseModel, BeforeValidator, RootModel, SerializeAsAny, model_validator

from sales_forecast.errors import InputError, ShortHistoryError
from sales_forecast.forecasting.attribution import GROUPS, OTHER
from sales_forecast.forecasting.features.cold_start import is_cold, like_peers
from sales_forecast.forecasting.features.context import ForecastContext, repeat_last_year, weeks_ahead
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
            Shape ``(len(forecast_index), contributions.GROUPS)``, square roots of currency units; NaN where the method has
            no answer.
        """
        contributions = np.zeros((len(forecast_index), GROUPS))
        contributions[:, OTHER] = np.sqrt(np.maximum(self.forecast(context, forecast_index, fitted), 0))
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
            forecast index: ``store, department, week``, weeks after the cutoff.
            fitted: What ``fit`` returned.

        Returns:
            Currency units per week, shape ``(len(forecast_index),)``; NaN where the method has no answer.
        """


def _load(declared: Any) -> Any:
    """Turn ``{class: dotted.path, option: value}`` into the method it declares."""
    if not isinstance(declared, dict):
        return declared
    options = dict(declared)
    path = options.pop("class", None)
    if not isinstance(path, str) or "." not in path or path.startswith("."):
        raise ValueError("needs 'class', the dotted path of a forecasting method")
    module, _, name = path.rpartition(".")
    try:
        found = getattr(import_module(module), name)
    except (ImportError, AttributeError) as error:
        raise ValueError(f"cannot import '{path}': {error}") from error
    if not (isinstance(found, type) and issubclass(found, Method)):
        raise ValueError(f"'{path}' is no subclass of sales_forecast.forecasting.methods.base.Method")
    if isabstract(found):
        raise ValueError(f"'{path}' is what methods have in common; name one that can forecast")
    return found(**options)


def declare(method: Method) -> dict[str, Any]:
    """Write a method as parameters declare it: ``_load`` turned round."""

    def plain(value: Any) -> Any:
        if isinstance(value, Method):
            return declare(value)
        if isinstance(value, dict):
            return {name: plain(one) for name, one in value.items()}
        return value

    kind = type(method)
    fields = {name: plain(getattr(method, name)) for name in kind.model_fields}
    return {"class": f"{kind.__module__}.{kind.__qualname__}"} | fields


AnyMethod = Annotated[SerializeAsAny[Method], BeforeValidator(_load)]
"""A method as parameters declare it."""


RESERVED = {"selected", "headline"}
"""What metrics.json holds beside the methods."""


class Methods(RootModel[dict[str, AnyMethod]], frozen=True):
    """The candidates: a short name -> the method."""

    @model_validator(mode="after")
    def _names_that_metrics_can_carry(self) -> Methods:
        if taken := RESERVED & set(self.root):
            raise ValueError(f"turnover.methods: a method cannot be called {', '.join(sorted(taken))}")
        return self

    def refuse_problems(self, needs: Needs) -> None:
        """Refuse what cannot work.

        Raises:
            InputError: Names each impossible option with its path in the parameters; the same one of several
                methods once, with the paths of all.
        """
        paths: dict[tuple[str, str], list[str]] = {}
        for name, method in self.root.items():
            for path, what in method.problems(needs):
                paths.setdefault((path.rpartition(".")[2], what), []).append(
                    f"turnover.methods.{name}.{path}"
                )
        if paths:
            raise InputError(
                "\n".join(
                    f"{first}: {what}" + (f" (as in {', '.join(others)})" if others else "")
                    for (_, what), (first, *others) in paths.items()
                )
            )


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
