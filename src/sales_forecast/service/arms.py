"""Arms: model versions that are loaded, and the predictions that they make.

As in statistics, an experiment has one arm per model that is compared. Without an experiment the champion is
the only one.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, NotRequired, TypedDict

import pandas as pd

from sales_forecast.forecasting.features.context import weeks_ahead
from sales_forecast.forecasting.panel.matrix import KEYS
from sales_forecast.models.marketing import BudgetForecaster, BudgetPackage
from sales_forecast.models.turnover import TurnoverForecaster, TurnoverPackage
from sales_forecast.planning.effects import EffectErrors, learn_effect_errors
from sales_forecast.registry.packages import open_package
from sales_forecast.registry.trust import Trust
from sales_forecast.service.schemas.responses import QUANTILE_KEYS, ArmName

if TYPE_CHECKING:
    from mlflow.entities.model_registry import ModelVersion


class PredictionRow(TypedDict):
    """One predicted week of a series, with the fields of ``responses.Prediction``."""

    store: str
    department: str
    model_version: str
    arm: ArmName
    week: str
    horizon: int
    forecast: float
    lo_80: float
    hi_80: float
    lo_95: float
    hi_95: float
    cold_start: bool
    quantiles: NotRequired[dict[str, float]]


Predictions = list[PredictionRow]


@dataclass(frozen=True, slots=True)
class PredictedWeek:
    """One predicted week of a series, with its distribution, which only some requests ask for.

    Args:
        row: Row of the response without quantiles.
        quantiles: Its quantiles, in the order of ``QUANTILE_KEYS``.
    """

    row: PredictionRow
    quantiles: tuple[float, ...]

    def response(self, *, quantiles: bool) -> PredictionRow:
        """Return the row of the response, with or without quantiles."""
        if not quantiles:
            return self.row
        return {**self.row, "quantiles": dict(zip(QUANTILE_KEYS.values(), self.quantiles, strict=True))}


COMPUTED = ["week", "horizon", "forecast", "lo_80", "hi_80", "lo_95", "hi_95", "cold_start"]

SeriesKey = tuple[str, str]
"""Store and department, as text."""


@dataclass(frozen=True, eq=False)
class Arm(ABC):
    """One model version that serves.

    Args:
        name: ``champion`` or ``challenger``.
        model_name: Name of the model in the registry.
        version: Version of the model in the registry.
    """

    name: ArmName
    model_name: str
    version: str

    @abstractmethod
    def warm_up(self) -> None:
        """Compute what is computed only once, so that no request has to wait for it."""


@dataclass(frozen=True, eq=False)
class TurnoverArm(Arm):
    """A version of the turnover model.

    Args:
        package: Model and the tables that it was made from.
        forecaster: Forecaster that makes the predictions.
    """

    package: TurnoverPackage
    forecaster: TurnoverForecaster

    @classmethod
    def load(cls, name: ArmName, found: ModelVersion, trust: Trust) -> TurnoverArm:
        """Load a version from the registry.

        Args:
            name: Arm that the version is loaded for.
            found: Version in the registry.
            trust: What the version must prove before it is loaded.

        Raises:
            InputError: It is not what was registered, or this code cannot read its package.
        """
        package: TurnoverPackage = open_package(found, TurnoverPackage, trust)
        return cls(name, found.name, str(found.version), package, TurnoverForecaster(package))

    def warm_up(self) -> None:
        """Predict all series that the model was made for."""
        self.forecaster.predict(self.package.example())
        _ = self.precomputed

    @cached_property
    def precomputed(self) -> dict[SeriesKey, list[PredictedWeek]]:
        """Predictions of every week ahead, for each series that the model was made for."""
        forecast_index = self.package.forecast_index
        ahead = weeks_ahead(forecast_index, self.package.context.cutoff)
        rows = forecast_index[KEYS].astype(str).assign(horizon=ahead).sort_values([*KEYS, "horizon"])
        every_week = list(range(1, self.package.horizon_weeks + 1))
        return {
            series: weeks
            for series, weeks in self.predict(rows).items()
            if [week.row["horizon"] for week in weeks] == every_week
        }

    @cached_property
    def effect_errors(self) -> EffectErrors:
        """How far predicted effects of plans were off in the past; the first scenario waits for it."""
        return learn_effect_errors(self.package.model, self.package.data)

    def predict(
        self, rows: pd.DataFrame, forecaster: TurnoverForecaster | None = None
    ) -> dict[SeriesKey, list[PredictedWeek]]:
        """Predict rows, grouped by series and labelled as they are in the rows.

        Args:
            rows: ``store, department`` as text, ``horizon``, and future covariates.
            forecaster: Forecaster to use instead of the arm's own, such as one with a request's own data.
        """
        predicted = (forecaster or self.forecaster).predict(rows)
        predicted["week"] = predicted["week"].dt.strftime("%Y-%m-%d")
        computed = zip(*(predicted[name].tolist() for name in COMPUTED), strict=True)
        labels = rows[KEYS].itertuples(index=False, name=None)
        distributions = predicted[list(QUANTILE_KEYS)].itertuples(index=False, name=None)
        found: dict[SeriesKey, list[PredictedWeek]] = {}
        for (store, department), values, quantiles in zip(labels, computed, distributions, strict=True):
            week, horizon, forecast, lo_80, hi_80, lo_95, hi_95, cold_start = values
            row = PredictionRow(
                store=store,
                department=department,
                model_version=self.version,
                arm=self.name,
                week=week,
                horizon=horizon,
                forecast=forecast,
                lo_80=lo_80,
                hi_80=hi_80,
                lo_95=lo_95,
                hi_95=hi_95,
                cold_start=cold_start,
            )
            found.setdefault((store, department), []).append(PredictedWeek(row, quantiles))
        return found


@dataclass(frozen=True, eq=False)
class BudgetArm(Arm):
    """A version of the marketing model.

    Args:
        package: Model and the campaigns that it was made from.
        forecaster: Forecaster that makes the predictions.
    """

    package: BudgetPackage
    forecaster: BudgetForecaster

    @classmethod
    def load(cls, name: ArmName, found: ModelVersion, trust: Trust) -> BudgetArm:
        """Load a version from the registry.

        Args:
            name: Arm that the version is loaded for.
            found: Version in the registry.
            trust: What the version must prove before it is loaded.

        Raises:
            InputError: It is not what was registered, or this code cannot read its package.
        """
        package: BudgetPackage = open_package(found, BudgetPackage, trust)
        return cls(name, found.name, str(found.version), package, BudgetForecaster(package))

    def warm_up(self) -> None:
        """Predict once."""
        self.forecaster.predict(self.package.example())
