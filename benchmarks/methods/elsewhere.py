"""Libraries that cannot share the project's environment, set up as their users would.

Each runs in the virtual environment that ``make peers`` sets up, fits at the cutoff and forecasts the weeks
after it at once; these forecasts are what it learned. A series too short for it repeats last year.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any, ClassVar, TypedDict

import numpy as np
import pandas as pd
from pydantic import Field

from benchmarks.methods.exchange import Request, forecast_elsewhere
from benchmarks.methods.quantiles import QuantileMethod
from sales_forecast.errors import InputError
from sales_forecast.forecasting.features.context import ForecastContext, repeat_last_year, weeks_ahead
from sales_forecast.forecasting.panel.matrix import SERIES_KEYS, FloatArray

ROOT = Path(__file__).resolve().parents[2]
WORKERS = ROOT / "benchmarks/workers"


class ElsewhereFit(TypedDict):
    """Forecasts of the weeks after a cutoff."""

    cutoff: str
    series: list[list[str]]
    """Store and department."""

    quantiles: list[list[list[float | None]]]
    """By series, week and level."""

    about: dict[str, Any]
    """What the other interpreter says of itself."""


class Elsewhere(QuantileMethod[ElsewhereFit], frozen=True):
    """A method that another interpreter runs."""

    worker: ClassVar[str]
    """Program in ``benchmarks/workers``."""

    horizon_weeks: int = Field(gt=0)
    seed: int = 42

    environment: Path = Path(".venv-peers")
    """Folder of the virtual environment, relative to the project or absolute."""

    def fit(self, context: ForecastContext) -> ElsewhereFit:
        """Let the other interpreter fit, and forecast the weeks after the cutoff.

        Raises:
            InputError: The environment is not set up, or the program failed.
        """
        if not self.is_at_hand():
            raise InputError(
                f"{type(self).__name__} needs an environment of its own, and {self.environment} is not set "
                "up: make peers"
            )
        matrix = self.history(context)
        options = self.model_dump(
            mode="json", exclude={"environment", "horizon_weeks", "levels", "repair_level_shifts"}
        )
        answer = forecast_elsewhere(
            [str(ROOT / self.environment / "bin/python"), str(WORKERS / self.worker)],
            context,
            matrix,
            Request(self.horizon_weeks, self.levels, options),
        )
        quantiles = answer.quantiles.astype(object)
        quantiles[np.isnan(answer.quantiles)] = None
        return {
            "cutoff": context.cutoff.isoformat(),
            "series": matrix.series[SERIES_KEYS].astype(str).to_numpy().tolist(),
            "quantiles": quantiles.tolist(),
            "about": answer.about,
        }

    def forecast_quantiles(
        self, context: ForecastContext, forecast_index: pd.DataFrame, fitted: ElsewhereFit
    ) -> FloatArray:
        """Select the forecasts of each row."""
        known = pd.MultiIndex.from_tuples([tuple(keys) for keys in fitted["series"]], names=SERIES_KEYS)
        series = known.get_indexer(pd.MultiIndex.from_frame(forecast_index[SERIES_KEYS].astype(str)))
        step = weeks_ahead(forecast_index, pd.Timestamp(fitted["cutoff"])) - 1
        quantiles = np.array(fitted["quantiles"], dtype=float)
        selected = quantiles[series, np.clip(step, 0, self.horizon_weeks - 1)]
        has_one = (series >= 0) & (step >= 0) & (step < self.horizon_weeks)
        return np.where(has_one[:, None], selected, np.nan)

    def forecast(
        self, context: ForecastContext, forecast_index: pd.DataFrame, fitted: ElsewhereFit
    ) -> FloatArray:
        """Forecast the median of each row; last year's turnover where there is none."""
        median = super().forecast(context, forecast_index, fitted)
        repeated = repeat_last_year(self.history(context), forecast_index, context.cutoff)
        return np.where(np.isnan(median), repeated, median)

    def is_at_hand(self) -> bool:
        """Whether the environment was set up to the end."""
        return (ROOT / self.environment / ".ready").exists()


class AutoGluon(Elsewhere, frozen=True):
    """AutoGluon-TimeSeries: fits several methods within a time limit and weights them by their errors."""

    worker = "run_autogluon.py"

    preset: str
    """A preset of AutoGluon, such as ``high_quality``."""

    time_limit_seconds: int = Field(gt=0)
    eval_metric: str
    excluded_models: tuple[str, ...] = ()
    """Members of the preset that are left out, such as those that download weights."""

    def members(self, fitted: ElsewhereFit) -> str | None:
        """Members of the ensemble with their weights, largest first."""
        weights = sorted(fitted["about"]["weights"].items(), key=lambda member: -member[1])
        return ", ".join(f"{name} {weight:.2f}" for name, weight in weights)


class Skforecast(Elsewhere, frozen=True):
    """skforecast with LightGBM: one model of the next week for all series, applied week after week."""

    worker = "run_skforecast.py"

    trees: int = Field(gt=0)
    learning_rate: float = Field(gt=0, le=1)
    leaves: int = Field(gt=1)
    lags: tuple[int, ...]
    mean_weeks: tuple[int, ...]
    """Rolling means of so many latest weeks."""
