"""What a method would have said of past plans: its errors, and the effects that it predicted."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

import numpy as np
import pandas as pd

from sales_forecast.errors import ShortHistoryError
from sales_forecast.forecasting.features.context import ForecastContext, actuals_after
from sales_forecast.forecasting.methods.base import Fitted
from sales_forecast.forecasting.model import TurnoverModel
from sales_forecast.forecasting.panel.matrix import ROW_KEYS, SERIES_KEYS, WEEKS_PER_YEAR
from sales_forecast.forecasting.panel.model_input import ModelInput

REFITS = 4
"""The method is fitted so often at earlier cutoffs; in the windows between, features alone are new."""


def predicted_effect(covariate: str) -> str:
    """Name the column of what was predicted of a covariate's effect."""
    return f"predicted effect of {covariate}"


def past_effects(model: TurnoverModel, context: ForecastContext) -> Iterator[pd.DataFrame]:
    """Forecast the windows of up to a year again, with the plan that came and with usual ones.

    Args:
        model: Model, whose method is fitted again at earlier cutoffs.
        context: Its context.

    Yields:
        ``store, department, week, cutoff`` of each window, the ``error`` of the forecast, and for each future
        covariate its distance from the usual one times the forecast with the usual one, and its
        ``predicted_effect``; all of them relative to the mean weeks of the series.
    """
    weeks = len(context.raw.weeks)
    windows = max(1, min(WEEKS_PER_YEAR, weeks // 3) // model.horizon_weeks)
    each = -(-windows // REFITS)
    fitted: Fitted | None = None
    for number in range(windows):
        origin = context.cutoff - pd.Timedelta(weeks=model.horizon_weeks * (windows - number))
        known = context.as_of(origin)
        if number % each == 0:
            try:
                fitted = model.method.fit_again(known, model.fitted)
            except ShortHistoryError:
                fitted = None
        if fitted is not None:
            yield _effects_after(model, known, context.data.panel, fitted)


def _effects_after(
    model: TurnoverModel, known: ForecastContext, panel: pd.DataFrame, fitted: Fitted
) -> pd.DataFrame:
    actuals = actuals_after(panel, known.cutoff, model.horizon_weeks)
    rows, data = actuals[ROW_KEYS], known.data
    scale = np.append(known.scale, np.nan)[known.raw.position_of(rows)]
    forecast = model.method.forecast(known, rows, fitted)
    found = rows.assign(cutoff=known.cutoff, error=(actuals["turnover"].to_numpy() - forecast) / scale)
    row = pd.MultiIndex.from_frame(rows)
    for column in data.covariate_columns:
        usual = with_usual(data, column, known.cutoff)
        context = known.changed(data=usual).with_shifts(known.shifts)
        without = model.method.forecast(context, rows, fitted)
        before, after = (
            table.set_index(ROW_KEYS)[column].reindex(row).to_numpy(dtype=float)
            for table in (usual.future_covariates, data.future_covariates)
        )
        found[predicted_effect(column)] = (forecast - without) / scale
        found[column] = np.nan_to_num(after - before) * without / scale
    return found.dropna()


def with_usual(data: ModelInput, column: str, cutoff: pd.Timestamp) -> ModelInput:
    """Return the tables with the usual plan after a cutoff: the median of the series in the year before it.

    Args:
        data: Tables of the model.
        column: Future covariate.
        cutoff: Last week that keeps its plan.
    """
    table = data.future_covariates
    age = (cutoff - table["week"]).dt.days // 7
    last_year = table[(age >= 0) & (age < WEEKS_PER_YEAR)]
    usual = last_year.groupby(SERIES_KEYS, observed=True)[column].median()
    own = pd.Series(usual.reindex(pd.MultiIndex.from_frame(table[SERIES_KEYS])).to_numpy(), table.index)
    planned = table[column].astype(float)
    return replace(
        data, future_covariates=table.assign(**{column: planned.where(age >= 0, own.fillna(planned))})
    )
