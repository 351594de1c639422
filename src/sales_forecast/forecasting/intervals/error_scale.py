"""How large errors of forecasts usually are: the nonconformity scale that intervals are measured in.

Errors are differences of powers of turnover, by default of square roots, so that a range reaches farther up
than down. Their size is a power of the forecast, of the series' mean week and of how volatile the series was,
with exponents that are learned from past errors: large stores have relatively smaller errors than small ones,
by how much differs between retailers.
"""

from __future__ import annotations

import numpy as np
import pandas as pd
from pydantic import BaseModel

from sales_forecast.forecasting.panel.matrix import SERIES_KEYS, FloatArray

PRIOR_ERRORS = 8
"""The relative error of a series is averaged with so many mean errors of its department."""

SMALLEST_ERROR = 0.01
"""Share of the mean error that is added to each error before its logarithm is taken."""

PRIOR_ROWS = 10.0
"""Exponents are drawn towards errors in proportion to forecasts, by so many errors of forecasts that differ
by a factor of e: few errors, or those of forecasts that are all alike, say little about exponents."""

MIN_WEEK = 1e-9
"""Currency units: the mean week of a series that sells nothing."""

MIN_SHARE = 0.01
"""The mean week counts as at least so much of the forecast: a power of almost nothing has no bound."""


class ErrorScale(BaseModel, frozen=True, extra="forbid"):
    """Nonconformity scale: usual size of the error of a forecast, up to a factor for each department."""

    share: float
    """Share of the mean week that is added to forecasts and turnover: weeks off season have errors too."""

    power: float = 0.5
    """Errors are differences of this power of turnover."""

    forecast_exponent: float = 1.0
    mean_week_exponent: float = 0.0
    volatility_exponent: float = 0.0
    volatility: dict[str, dict[str, float]] = {}
    """Department -> store -> logarithm of the series' usual relative error; others have that of ``""``."""

    def transform(self, amount: FloatArray, mean_week: FloatArray) -> FloatArray:
        """Currency units per week in units of errors."""
        raised: FloatArray = (np.maximum(amount, 0) + self.share * mean_week + MIN_WEEK) ** self.power
        return raised

    def ends(
        self, forecast: FloatArray, mean_week: FloatArray, distance: FloatArray
    ) -> tuple[FloatArray, FloatArray]:
        """Amounts that are a distance in units of errors below and above forecasts, none below zero."""
        if self.power == 1:
            return np.maximum(forecast - distance, 0), forecast + distance
        centre, floor = self.transform(forecast, mean_week), self.share * mean_week + MIN_WEEK
        low = np.maximum(centre - distance, 0) ** (1 / self.power) - floor
        high = (centre + distance) ** (1 / self.power) - floor
        return np.clip(low, 0, forecast), np.maximum(high, forecast)

    def of(self, forecasts: pd.DataFrame, mean_week: pd.Series[float]) -> FloatArray:
        """Nonconformity scale of each forecast.

        Args:
            forecasts: ``store, department, forecast``.
            mean_week: Mean week of each row's series, currency units.
        """
        forecast = forecasts["forecast"].to_numpy(dtype=float)
        mean = _at_least(mean_week, forecast)
        level = forecast + self.share * mean + MIN_WEEK
        scale = level**self.forecast_exponent * mean**self.mean_week_exponent
        if self.volatility_exponent:
            scale = scale * np.exp(self.volatility_exponent * self._volatility_of(forecasts))
        return np.asarray(scale, dtype=np.float64)

    def _volatility_of(self, rows: pd.DataFrame) -> FloatArray:
        number = rows.groupby(SERIES_KEYS, sort=False, observed=True).ngroup().to_numpy()
        series = rows[SERIES_KEYS].drop_duplicates().astype(str)
        of_series = [self._volatility_of_series(*labels) for labels in series.itertuples(index=False)]
        return np.array(of_series, dtype=float)[number]

    def _volatility_of_series(self, store: str, department: str) -> float:
        """That of the series, of its department, or of all."""
        known = self.volatility.get(department, self.volatility.get("", {}))
        return known.get(store, known.get("", 0.0))


def learn_error_scale(past: pd.DataFrame, share: float, *, with_volatility: bool) -> ErrorScale:
    """Learn the exponents by a weighted ridge regression of the logarithms of past errors.

    Args:
        past: ``cutoff, store, department, forecast, turnover, mean_week, weight``.
        share: Share of the mean week that is added to forecasts and turnover.
        with_volatility: Whether the past errors of a series tell how large its next ones are. Those of every
            second window are explained by those of the others, so that none explains itself.
    """
    plain = ErrorScale(share=share)
    mean = _at_least(past["mean_week"], past["forecast"].to_numpy(dtype=float))
    forecast = plain.transform(past["forecast"].to_numpy(dtype=float), mean)
    error = np.abs(plain.transform(past["turnover"].to_numpy(dtype=float), mean) - forecast)
    columns = [np.log(past["forecast"].to_numpy(dtype=float) + share * mean + MIN_WEEK), np.log(mean)]
    volatility: dict[str, dict[str, float]] = {}
    if with_volatility:
        relative = past[[*SERIES_KEYS, "cutoff"]].assign(error=error / forecast)
        volatility = _volatility(relative)
        odd = past["cutoff"].rank(method="dense").to_numpy() % 2 == 1
        explained = np.zeros(len(past))
        for half in (odd, ~odd):
            others = relative[~half] if (~half).any() else relative
            scale = ErrorScale(share=share, volatility=_volatility(others))
            explained[half] = scale._volatility_of(past[half])
        columns.append(explained)
    target = np.log(error + SMALLEST_ERROR * error.mean() + MIN_WEEK)
    prior = np.array([plain.power, 0.0, 0.0][: len(columns)])
    slopes = _within_departments(np.column_stack(columns), target, past, prior)
    return ErrorScale(
        share=share,
        forecast_exponent=slopes[0],
        mean_week_exponent=slopes[1],
        volatility_exponent=slopes[2] if with_volatility else 0.0,
        volatility=volatility,
    )


def _at_least(mean_week: pd.Series[float], forecast: FloatArray) -> FloatArray:
    floor = np.maximum(MIN_SHARE * forecast, MIN_WEEK)
    return np.asarray(np.maximum(mean_week.to_numpy(dtype=float), floor), dtype=np.float64)


def _volatility(relative: pd.DataFrame) -> dict[str, dict[str, float]]:
    """Logarithm of the mean relative error of each series, drawn towards that of its department."""
    of_department = relative.groupby("department", observed=True)["error"].mean()
    sums = relative.groupby(["department", "store"], observed=True)["error"].agg(["sum", "count"])
    prior = of_department.reindex(sums.index.get_level_values(0)).to_numpy()
    means = np.log((sums["sum"] + PRIOR_ERRORS * prior) / (sums["count"] + PRIOR_ERRORS) + MIN_WEEK)
    found: dict[str, dict[str, float]] = {"": {"": float(np.log(relative["error"].mean() + MIN_WEEK))}}
    for department, rows in means.groupby(level=0):
        stores = rows.droplevel(0)
        found[str(department)] = {"": float(rows.mean())} | dict(
            zip(map(str, stores.index), stores, strict=True)
        )
    return found


def _within_departments(
    columns: FloatArray, target: FloatArray, past: pd.DataFrame, prior: FloatArray
) -> list[float]:
    """Slopes of a weighted ridge regression, drawn towards others, with an intercept for each department."""
    weight = past["weight"].to_numpy(dtype=float)
    weight = weight / weight.mean()
    number, _ = pd.factorize(past["department"])
    total = np.bincount(number, weight)
    joint = np.column_stack([columns, target - columns @ prior])
    for column in range(joint.shape[1]):
        mean = np.bincount(number, weight * joint[:, column]) / np.maximum(total, MIN_WEEK)
        joint[:, column] -= mean[number]
    weighted = weight[:, None] * joint[:, :-1]
    slopes = np.linalg.solve(
        weighted.T @ joint[:, :-1] + PRIOR_ROWS * np.eye(len(prior)), weighted.T @ joint[:, -1]
    )
    return [float(slope) for slope in prior + slopes]
