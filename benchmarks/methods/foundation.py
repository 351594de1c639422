"""A foundation model for time series, with weights that its user brings."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import lru_cache
from importlib import import_module
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from pydantic import Field, ValidationInfo, field_validator

from benchmarks.methods.quantiles import QuantileMethod
from sales_forecast.errors import InputError
from sales_forecast.forecasting.features.context import ForecastContext, weeks_ahead
from sales_forecast.forecasting.methods.base import Fitted, Requirements
from sales_forecast.forecasting.methods.declare import refuse_in_model_file
from sales_forecast.forecasting.panel.matrix import FloatArray, PanelMatrix

Forecaster = Callable[[FloatArray, int], FloatArray]
"""Turnover ``(series, weeks)`` and the horizon in weeks -> quantiles ``(series, horizon, levels)``."""


class FoundationModel(QuantileMethod[Fitted], frozen=True):
    """A pretrained model that forecasts series it has never seen; nothing is fitted here.

    It sees the latest weeks of each series: gaps are filled by linear interpolation, weeks after the last
    known one repeat it, weeks before the first one are NaN, and returns count as zero.
    """

    loader: str
    """Dotted path of a function that takes ``weights`` and returns a ``Forecaster``."""

    weights: Path | None = None
    """File or folder of the weights; the loader gets it as it stands here. None: the loader needs none."""

    context_weeks: int = Field(default=512, gt=0)
    """So many weeks of the past are shown at most."""

    batch_series: int = Field(default=256, gt=0)
    """Number of series that are forecast at once, which bounds the memory."""

    @field_validator("loader")
    @classmethod
    def _of_a_named_module(cls, loader: str, info: ValidationInfo) -> str:
        refuse_in_model_file(loader, info)
        return loader

    def forecast_quantiles(
        self, context: ForecastContext, forecast_index: pd.DataFrame, fitted: Fitted
    ) -> FloatArray:
        """Let the model forecast each series that is wanted, through the last week that is wanted.

        Raises:
            InputError: The loader cannot be imported, or the quantiles have another shape than declared.
        """
        matrix = self.history(context)
        rows, horizon = matrix.position_of(forecast_index), weeks_ahead(forecast_index, context.cutoff)
        quantiles = np.full((len(forecast_index), len(self.levels)), np.nan)
        past = latest_weeks(matrix, self.context_weeks)
        known = (rows >= 0) & ~np.isnan(past[rows, -1])
        series, position = np.unique(rows[known], return_inverse=True)
        if len(series):
            found = self._forecast(past[series], int(horizon.max()))
            quantiles[known] = found[position, horizon[known] - 1]
        return quantiles

    def problems(self, requirements: Requirements) -> Iterator[tuple[str, str]]:
        """Name weights that are not there, and levels without a median."""
        yield from super().problems(requirements)
        if self.weights is not None and not self.weights.exists():
            yield "weights", f"there is no '{self.weights}'; put the weights of the model there"
        if 0.5 not in self.levels:
            yield "levels", f"{list(self.levels)} lacks 0.5, the median, which is the forecast"

    def _forecast(self, past: FloatArray, horizon_weeks: int) -> FloatArray:
        forecaster = load(self.loader, self.weights)
        parts = []
        for first in range(0, len(past), self.batch_series):
            batch = past[first : first + self.batch_series]
            part = np.asarray(forecaster(batch, horizon_weeks), dtype=float)
            wanted = (len(batch), horizon_weeks, len(self.levels))
            if part.shape != wanted:
                raise InputError(
                    f"'{self.loader}' returned quantiles of shape {part.shape} instead of {wanted}: series, "
                    "weeks and one for each of turnover.methods.<name>.levels"
                )
            parts.append(part)
        return np.concatenate(parts)


def latest_weeks(matrix: PanelMatrix, weeks: int) -> FloatArray:
    """The latest weeks of each series without gaps, shape ``(series, weeks)``, NaN before its first week."""
    sold = pd.DataFrame(np.maximum(matrix.turnover, 0))
    filled: FloatArray = sold.interpolate(axis=1, limit_area="inside").ffill(axis=1).to_numpy(dtype=float)
    return filled[:, -weeks:]


@lru_cache(maxsize=4)
def load(loader: str, weights: Path | None) -> Forecaster:
    """Load a model, once for a process.

    Raises:
        InputError: The loader cannot be imported.
    """
    module, _, name = loader.rpartition(".")
    try:
        function: Any = getattr(import_module(module), name)
    except (ImportError, AttributeError, ValueError) as error:
        raise InputError(
            f"turnover.methods.<name>.loader: cannot import '{loader}' ({error}). Give the dotted path of a "
            "function that takes the path of the weights."
        ) from error
    forecaster: Forecaster = function(weights)
    return forecaster
