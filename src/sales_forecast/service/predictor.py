"""Questions about series, put to one model."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from datetime import date
from threading import BoundedSemaphore
from typing import Any

import pandas as pd

from sales_forecast.errors import InputError
from sales_forecast.forecasting.panel.matrix import KEYS
from sales_forecast.models.turnover import TurnoverForecaster
from sales_forecast.service.arms import Arm, Predictions
from sales_forecast.service.problems import ProblemError, unavailable
from sales_forecast.service.schemas.requests import Series

COMPUTING_AT_ONCE = 8

_computing = BoundedSemaphore(COMPUTING_AT_ONCE)


def ask(arm: Arm, series: list[Series], week: date | None, positions: list[int]) -> list[Predictions]:
    """One model's answers, a list a series.

    Args:
        arm: Who is asked.
        series: About what.
        week: Only this one; all weeks ahead, if it is None.
        positions: Of the series in the caller's question, for messages.

    Raises:
        ProblemError: A store, department or week is unknown, or does not go with what the model knows.
    """
    for position, one in zip(positions, series, strict=True):
        _refuse_unknown(arm, one, position)
    every_week = range(1, arm.package.horizon_weeks + 1)
    horizons = every_week if week is None else [_horizon(arm, week, "body.day_id")]
    answers: dict[tuple[str, str], Predictions] = {}
    plain: list[Series] = []
    special: list[Series] = []
    for one in series:
        if _is_special(arm, one):
            special.append(one)
        elif (known := arm.usual.get((one.store, one.department))) is not None:
            answers[one.store, one.department] = [known[horizon - 1] for horizon in horizons]
        else:
            plain.append(one)
    try:
        if plain:
            answers |= arm.answers(arm.forecaster, _question(arm, plain, horizons))
        if special:
            with _one_of_few():
                answers |= arm.answers(_with_own_past(arm, special), _question(arm, special, horizons))
    except InputError as error:
        raise ProblemError(409, f"{error}", "body.series") from error
    return [answers[one.store, one.department] for one in series]


def _is_special(arm: Arm, one: Series) -> bool:
    """Whether its forecasts are none of those that are there already."""
    return bool(one.recent_weeks or one.future_covariates) or one.store not in arm.forecaster.labels["store"]


@contextmanager
def _one_of_few() -> Iterator[None]:
    """Let a few compute at a time; others must not wait for threads that these hold.

    Raises:
        ProblemError: So many do already.
    """
    if not _computing.acquire(blocking=False):
        raise unavailable("too many questions about new stores or other plans at once; try again in seconds")
    try:
        yield
    finally:
        _computing.release()


def _refuse_unknown(arm: Arm, one: Series, position: int) -> None:
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
            f"the model does not know store '{one.store}'; for a new one, say where it is in 'place', which "
            "may be {}",
            f"body.series.{position}.store",
        )


def _question(arm: Arm, series: list[Series], horizons: Sequence[int]) -> pd.DataFrame:
    """Store, department and horizon, and the columns known ahead that are given."""
    question = pd.DataFrame(
        [(one.store, one.department, horizon) for one in series for horizon in horizons],
        columns=[*KEYS, "horizon"],
    )
    columns = {name for one in series for ahead in one.future_covariates for name in ahead.values}
    if unknown := sorted(columns.difference(arm.package.data.covariate_columns)):
        known = ", ".join(arm.package.data.covariate_columns) or "none"
        raise InputError(f"the model knows no column '{unknown[0]}' ahead; those it knows: {known}")
    planned = [
        {
            "store": one.store,
            "department": one.department,
            "horizon": _horizon(arm, ahead.week, "body.series"),
            **ahead.values,
        }
        for one in series
        for ahead in one.future_covariates
    ]
    if not planned:
        return question
    plan = pd.DataFrame(planned)
    if plan.duplicated([*KEYS, "horizon"]).any():
        raise InputError("future_covariates names a week of a series twice")
    return question.merge(plan, on=[*KEYS, "horizon"], how="left")


def _horizon(arm: Arm, week: date, field: str) -> int:
    """How many weeks ahead a week is.

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


def _with_own_past(arm: Arm, series: list[Series]) -> TurnoverForecaster:
    """A forecaster that knows the authenticator' stores and weeks as well."""
    if not any(one.recent_weeks or one.store not in arm.forecaster.labels["store"] for one in series):
        found: TurnoverForecaster = arm.forecaster
        return found
    package, labels = arm.package, arm.forecaster.labels
    dtype = package.data.stores["store"].dtype
    ours = {one.store: labels["store"].get(one.store) or _new_label(one.store, dtype) for one in series}
    stores = pd.DataFrame(
        [
            {"store": ours[one.store], **one.place.model_dump()}
            for one in series
            if one.place is not None and one.store not in labels["store"]
        ],
        columns=["store", "postcode", "latitude", "longitude", "region", "zone"],
    ).astype({"store": dtype, "postcode": object})
    recent = pd.DataFrame(
        [
            (ours[one.store], labels["department"][one.department], week.week, week.turnover)
            for one in series
            for week in one.recent_weeks
        ],
        columns=[*KEYS, "week", "turnover"],
    ).astype({**package.data.panel[KEYS].dtypes, "week": "datetime64[s]", "turnover": float})
    if recent.duplicated([*KEYS, "week"]).any():
        raise InputError("recent_weeks names a week of a series twice")
    return TurnoverForecaster(package.with_series(stores.drop_duplicates("store"), recent))


def _new_label(store: str, dtype: Any) -> Any:
    """A new store's label as the tables would have it.

    Raises:
        InputError: It cannot be one of theirs.
    """
    try:
        label = dtype.type(store)
    except (ValueError, OverflowError):
        label = None
    if str(label) != store:  # '007' would be read as the number of another store
        raise InputError(f"stores are known by whole numbers here; give the new one a number, not '{store}'")
    return label
