"""Methods of Nixtla's libraries, each set up as its users would.

They take part in the same backtest as the methods of this project, under the same rules: nothing after the
cutoff is used, and every row has a forecast. Both need the extra ``bench``.
"""

from __future__ import annotations

import warnings
from importlib import import_module
from typing import Any, TypedDict

import lightgbm as lgb
import numpy as np
import numpy.typing as npt
import pandas as pd
from pydantic import Field
from threadpoolctl import threadpool_limits

from benchmarks.methods.calendar_forest import Codes, codes_of, place_of
from sales_forecast.errors import InputError, ShortHistoryError
from sales_forecast.forecasting.features.context import ForecastContext, repeat_last_year
from sales_forecast.forecasting.methods.base import Fitted, Method
from sales_forecast.forecasting.panel.matrix import WEEKS_PER_YEAR, FloatArray, PanelMatrix

TWO_YEARS = 2 * WEEKS_PER_YEAR + 1
MIN_WEEKS_OF_SHORT_PANEL = 60
"""Weeks that a series needs where no series can have two years: a season seen once is better than none."""

RECURSIVE_LAGS = (1, 2, 3, 4, 8, 13, 26, 51, 52, 53)
MEANS = {1: (4, 13, 52), 52: (4,)}
"""Rolling means: lag that they end at -> numbers of weeks."""

MIN_RECURSIVE_WEEKS = 56
"""A series needs so many weeks: the week after 55 is the first to have all lags and means."""

FEATURE_FRACTION = 0.9
"""Share of the features that each tree may use; with all of them the seed would have no effect."""

STATIC_FEATURES = ["department", "region", "zone", "latitude", "longitude"]


class Statistical(Method, frozen=True):
    """MSTL of statsforecast, series by series: the yearly season repeats, smoothing forecasts the rest.

    A series too short to show its season twice repeats last year.
    """

    repair_level_shifts: bool
    """Learn from level-adjusted turnover; otherwise from turnover as it was recorded."""

    def forecast(self, context: ForecastContext, forecast_index: pd.DataFrame, fitted: Fitted) -> FloatArray:
        """Decompose each series, and extrapolate its parts to the weeks after its last."""
        engine, models = _bench("statsforecast"), _bench("statsforecast.models")
        matrix = context.level_adjusted if self.repair_level_shifts else context.raw
        sold = _long(matrix, TWO_YEARS if len(matrix.weeks) >= TWO_YEARS else MIN_WEEKS_OF_SHORT_PANEL)
        series = matrix.position_of(forecast_index)
        sold = sold[sold["unique_id"].isin(series)]
        repeated = repeat_last_year(matrix, forecast_index, context.cutoff)
        if sold.empty:
            return repeated
        mstl = models.MSTL(season_length=WEEKS_PER_YEAR, trend_forecaster=models.AutoETS(model="ZZN"))
        forecaster = engine.StatsForecast(models=[mstl], freq="7D", n_jobs=-1)
        forecasts = forecaster.forecast(df=sold, h=_steps(sold, series, forecast_index))
        forecast = _of_rows(forecasts, series, forecast_index)
        return np.where(np.isnan(forecast), repeated, forecast)


class RecursiveFit(TypedDict):
    """A fitted booster with the codes of its static features."""

    codes: Codes
    booster: list[str]
    """Lines of LightGBM's text format."""


class RecursiveLightGBM(Method[RecursiveFit], frozen=True):
    """LightGBM of mlforecast: one model of the next week, whose forecasts become the past of the week after.

    Each series is scaled to mean 0 and standard deviation 1. A lag before a young series began counts as its
    mean, as LightGBM takes a missing value for 0 where it saw none when it learned.
    """

    trees: int = Field(gt=0)
    learning_rate: float = Field(gt=0, le=1)
    leaves: int = Field(gt=1)
    seed: int = 42

    def fit(self, context: ForecastContext) -> RecursiveFit:
        """Fit one booster on every week with a year before it.

        Raises:
            ShortHistoryError: There is no such week.
        """
        codes = codes_of(context)
        sold = self._history(context, codes)
        long = sold.groupby("unique_id")["y"].transform("size") >= MIN_RECURSIVE_WEEKS
        if not long.any():
            raise ShortHistoryError(
                f"{len(context.raw.weeks)} weeks of history are too few: RecursiveLightGBM needs a series "
                f"of {MIN_RECURSIVE_WEEKS} (turnover.methods)"
            )
        features, target = _recursion().preprocess(
            sold[long], static_features=STATIC_FEATURES, return_X_y=True
        )
        parameters = {
            "objective": "regression",
            "learning_rate": self.learning_rate,
            "num_leaves": self.leaves,
            "feature_fraction": FEATURE_FRACTION,
            "seed": self.seed,
            "num_threads": 1,
            "deterministic": True,
            "force_col_wise": True,
            "verbosity": -1,
        }
        rows = lgb.Dataset(features, target, params=parameters)
        text: str = lgb.train(parameters, rows, num_boost_round=self.trees).model_to_string()
        return {"codes": codes, "booster": text.splitlines()}

    def forecast(
        self, context: ForecastContext, forecast_index: pd.DataFrame, fitted: RecursiveFit
    ) -> FloatArray:
        """Forecast week by week after the last of each series."""
        sold = self._history(context, fitted["codes"])
        series = context.level_adjusted.position_of(forecast_index)
        sold = sold[sold["unique_id"].isin(series)]
        if sold.empty:
            return np.full(len(forecast_index), np.nan)
        recursion = _recursion()
        recursion.preprocess(sold, static_features=STATIC_FEATURES, dropna=False)  # only stores the past
        recursion.models_ = {"booster": lgb.Booster(model_str="\n".join(fitted["booster"]) + "\n")}
        with threadpool_limits(1, user_api="openmp"), warnings.catch_warnings():
            warnings.filterwarnings("ignore", "Found null values", UserWarning)
            forecasts = recursion.predict(_steps(sold, series, forecast_index))
        return _of_rows(forecasts, series, forecast_index)

    def _history(self, context: ForecastContext, codes: Codes) -> pd.DataFrame:
        matrix = context.level_adjusted
        sold = _long(matrix, 1)
        place = place_of(context, matrix.series, codes)[STATIC_FEATURES]
        return sold.join(place, on="unique_id")


def _recursion() -> Any:
    """The computation of lags and dates by mlforecast, without a model."""
    mean, scaler = _bench("mlforecast.lag_transforms"), _bench("mlforecast.target_transforms")
    return _bench("mlforecast").MLForecast(
        models={},
        freq="7D",
        lags=list(RECURSIVE_LAGS),
        lag_transforms={lag: [mean.RollingMean(weeks) for weeks in of] for lag, of in MEANS.items()},
        date_features=["month", "week"],
        target_transforms=[scaler.LocalStandardScaler()],
    )


def _bench(module: str) -> Any:
    """Import a module of the extra ``bench``."""
    try:
        return import_module(module)
    except ImportError as error:
        raise InputError(
            f"{module.partition('.')[0]} cannot be imported ({error}): a method under turnover.methods needs "
            "the extra 'bench': pip install 'sales_forecast[bench]'"
        ) from error


def _long(matrix: PanelMatrix, needed: int) -> pd.DataFrame:
    """Every series of so many weeks, in the format of Nixtla's libraries; returns count as zero.

    Returns:
        ``unique_id`` (row of the matrix), ``ds, y``; gaps are filled by linear interpolation.
    """
    filled = pd.DataFrame(np.maximum(matrix.turnover, 0)).interpolate(axis=1, limit_area="inside").to_numpy()
    known = ~np.isnan(filled)
    series, week = np.nonzero(known & (known.sum(axis=1) >= needed)[:, None])
    return pd.DataFrame({"unique_id": series, "ds": matrix.weeks[week], "y": filled[series, week]})


def _steps(sold: pd.DataFrame, series: npt.NDArray[np.intp], forecast_index: pd.DataFrame) -> int:
    """Largest number of weeks from the last known week of a series to the last one to be forecast."""
    last = sold.groupby("unique_id")["ds"].max().reindex(series).to_numpy()
    return int((forecast_index["week"] - last).max().days // 7)


def _of_rows(
    forecasts: pd.DataFrame, series: npt.NDArray[np.intp], forecast_index: pd.DataFrame
) -> FloatArray:
    """Select the forecast of each row, which is the last column; NaN where there is none."""
    wanted = pd.MultiIndex.from_arrays([series, forecast_index["week"]])
    return forecasts.set_index(["unique_id", "ds"]).iloc[:, -1].reindex(wanted).to_numpy(dtype=float)
