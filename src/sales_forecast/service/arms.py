"""A model that answers, and what it says to the usual questions."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import Any

import pandas as pd

from sales_forecast.forecasting.features.context import weeks_ahead
from sales_forecast.forecasting.panel.matrix import KEYS
from sales_forecast.models.turnover import TurnoverPackage

Predictions = list[dict[str, Any]]
"""The fields of ``answered.Prediction``, week by week."""


@dataclass(frozen=True, eq=False)
class Arm:
    """One model that answers.

    Args:
        name: ``champion`` or ``challenger``.
        model_name: In the registry.
        version: In the registry.
        package: Model and tables.
        forecaster: What is asked.
    """

    name: str
    model_name: str
    version: str
    package: Any
    forecaster: Any

    def warm_up(self) -> None:
        """Compute what is computed once, before anybody waits for it."""
        self.forecaster.predict(self.package.example())
        if isinstance(self.package, TurnoverPackage):
            _ = self.usual

    @cached_property
    def usual(self) -> dict[tuple[str, str], Predictions]:
        """What the turnover model says of each series that it was made for, every week ahead."""
        forecast_index = self.package.forecast_index
        ahead = weeks_ahead(forecast_index, self.package.context.cutoff)
        question = forecast_index[KEYS].astype(str).assign(horizon=ahead).sort_values([*KEYS, "horizon"])
        every_week = list(range(1, self.package.horizon_weeks + 1))
        said = self.answers(self.forecaster, question)
        return {
            series: weeks
            for series, weeks in said.items()
            if [week["horizon"] for week in weeks] == every_week
        }

    def answers(self, forecaster: Any, question: pd.DataFrame) -> dict[tuple[str, str], Predictions]:
        """Predictions by series; labels as they were asked.

        Args:
            forecaster: The model's own, or one that knows more.
            question: ``store, department`` as text, ``horizon``, and columns known ahead.
        """
        said = forecaster.predict(question).drop(columns=KEYS)
        said["week"] = said["week"].dt.strftime("%Y-%m-%d")
        named = {"model_version": self.version, "arm": self.name}
        answers: dict[tuple[str, str], Predictions] = {}
        labels = question[KEYS].itertuples(index=False, name=None)
        for (store, department), row in zip(labels, said.to_dict("records"), strict=True):
            figures = {str(name): value for name, value in row.items()}
            answers.setdefault((store, department), []).append(
                {"store": store, "department": department} | named | figures
            )
        return answers
