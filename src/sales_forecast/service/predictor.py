"""Predicts the series of a request with one arm."""

from __future__ import annotations

from collections.abc import Hashable, Sequence
from datetime import date

import numpy as np
import pandas as pd
from pandas.api.extensions import ExtensionDtype

from sales_forecast.errors import InputError
from sales_forecast.forecasting.panel.matrix import KEYS
from sales_forecast.models.turnover import TurnoverForecaster
from sales_forecast.service.arms import PredictedWeek, Predictions, SeriesKey, TurnoverArm
from sales_forecast.service.problems import ProblemError
from sales_forecast.service.schemas.requests import Series


def predict_series(
    arm: TurnoverArm,
    series: Sequence[Series],
    week: date | None,
    positions: Sequence[int],
    *,
    quantiles: bool = False,
) -> list[Predictions]:
    """Predict series with one arm.

    Args:
        arm: Arm that predicts.
        series: Series to predict.
        week: Week to predict; None for every week ahead.
        positions: Position of each series in the request, for error messages.
        quantiles: Whether the predictions contain quantiles.

    Returns:
        The predictions of each series, in the order of the series.

    Raises:
        ProblemError: A store, department or week is unknown, or does not fit the data of the model.
    """
    for position, one in zip(positions, series, strict=True):
        _refuse_unknown(arm, one, position)
    every_week = range(1, arm.package.horizon_weeks + 1)
    horizons = every_week if week is None else [_horizon(arm, week, "body.day_id")]
    found: dict[SeriesKey, list[PredictedWeek]] = {}
    plain: list[Series] = []
    with_own_data: list[Series] = []
    for one in series:
        if has_own_data(arm, one):
            with_own_data.append(one)
        elif (precomputed := arm.precomputed.get((one.store, one.department))) is not None:
            found[one.store, one.department] = [precomputed[horizon - 1] for horizon in horizons]
        else:
            plain.append(one)
    try:
        if plain:
            found |= arm.predict(_rows(arm, plain, horizons))
        if with_own_data:
            rows = _rows(arm, with_own_data, horizons)
            found |= arm.predict(rows, _forecaster_with(arm, with_own_data))
    except InputError as error:
        raise ProblemError(409, f"{error}", "body.series") from error
    return [
        [week.response(quantiles=quantiles) for week in found[one.store, one.department]] for one in series
    ]


def has_own_data(arm: TurnoverArm, one: Series) -> bool:
    """Return whether the request brings data that the model does not have, so nothing is precomputed."""
    return bool(one.recent_weeks or one.future_covariates) or one.store not in arm.forecaster.labels["store"]


def _refuse_unknown(arm: TurnoverArm, one: Series, position: int) -> None:
    labels = arm.forecaster.labels
    if one.department not in labels["department"]:
        known = ", ".join(sorted(labels["department"])[:20])
        raise ProblemError(
            404,
            f"the model does not know department '{one.department}'; it knows {known}",
            f"body.series.{position}.department",
        )
    if one.store not in labels["store"] and one.place is None:
        raise ProblemError(
            404,
            f"the model does not know store '{one.store}'; for a new store, give its location in 'place', "
            "which may be {}",
            f"body.series.{position}.store",
        )


def _rows(arm: TurnoverArm, series: Sequence[Series], horizons: Sequence[int]) -> pd.DataFrame:
    """Return ``store, department, horizon`` of all rows to predict, and the future covariates given."""
    rows = pd.DataFrame(
        [(one.store, one.department, horizon) for one in series for horizon in horizons],
        columns=[*KEYS, "horizon"],
    )
    columns = {name for one in series for week in one.future_covariates for name in week.values}
    if unknown := sorted(columns.difference(arm.package.data.covariate_columns)):
        known = ", ".join(arm.package.data.covariate_columns) or "none"
        raise InputError(f"the model has no future covariate '{unknown[0]}'; those it has: {known}")
    given = [
        {
            "store": one.store,
            "department": one.department,
            "horizon": _horizon(arm, week.week, "body.series"),
            **week.values,
        }
        for one in series
        for week in one.future_covariates
    ]
    if not given:
        return rows
    covariates = pd.DataFrame(given)
    if covariates.duplicated([*KEYS, "horizon"]).any():
        raise InputError("future_covariates names a week of a series twice")
    return rows.merge(covariates, on=[*KEYS, "horizon"], how="left")


def _horizon(arm: TurnoverArm, week: date, field: str) -> int:
    """Return how many weeks ahead a week is.

    Raises:
        ProblemError: It is not one of the weeks ahead.
    """
    cutoff, weeks = arm.package.context.cutoff.date(), arm.package.horizon_weeks
    days: int = (week - cutoff).days
    if days % 7 or not 1 <= days // 7 <= weeks:
        first, last = (cutoff + pd.Timedelta(weeks=ahead) for ahead in (1, weeks))
        raise ProblemError(
            404, f"{week} is none of the weeks ahead, which begin each 7 days from {first} to {last}", field
        )
    return days // 7


def _forecaster_with(arm: TurnoverArm, series: Sequence[Series]) -> TurnoverForecaster:
    """Return a forecaster that also has the new stores and recent weeks of the request."""
    if not any(one.recent_weeks or one.store not in arm.forecaster.labels["store"] for one in series):
        return arm.forecaster
    package, labels = arm.package, arm.forecaster.labels
    dtype = package.data.stores["store"].dtype
    store_labels = {
        one.store: labels["store"].get(one.store) or _new_label(one.store, dtype) for one in series
    }
    stores = pd.DataFrame(
        [
            {"store": store_labels[one.store], **one.place.model_dump()}
            for one in series
            if one.place is not None and one.store not in labels["store"]
        ],
        columns=["store", "postcode", "latitude", "longitude", "region", "zone"],
    ).astype({"store": dtype, "postcode": object})
    recent = pd.DataFrame(
        [
            (store_labels[one.store], labels["department"][one.department], week.week, week.turnover)
            for one in series
            for week in one.recent_weeks
        ],
        columns=[*KEYS, "week", "turnover"],
    ).astype({**package.data.panel[KEYS].dtypes, "week": "datetime64[s]", "turnover": float})
    if recent.duplicated([*KEYS, "week"]).any():
        raise InputError("recent_weeks names a week of a series twice")
    return TurnoverForecaster(package.with_series(stores.drop_duplicates("store"), recent))


def _new_label(store: str, dtype: np.dtype[np.generic] | ExtensionDtype) -> Hashable:
    """Convert a new store's label to the type of the known ones.

    Raises:
        InputError: It cannot be converted, or is another label afterwards: '007' would be another store's 7.
    """
    try:
        label: Hashable = pd.Series([store]).astype(dtype).iloc[0]
    except (ValueError, OverflowError):
        label = None
    if str(label) != store:
        raise InputError(
            f"stores are identified by whole numbers here; give the new one a number, not '{store}'"
        )
    return label
