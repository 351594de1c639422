"""Scenarios: changes of the plan of some series in some weeks, and which of them were never seen before."""

from __future__ import annotations

from collections.abc import Collection, Iterator
from dataclasses import dataclass
from typing import Literal

import numpy as np
import pandas as pd

from sales_forecast.errors import InputError
from sales_forecast.forecasting.panel.matrix import ROW_KEYS, SERIES_KEYS
from sales_forecast.forecasting.panel.model_input import ModelInput

MAX_ROWS = 20_000
"""Largest number of series times weeks in one scenario."""

MAX_SENTENCES = 20
"""So many values beyond what was seen are named; the others are counted."""


@dataclass(frozen=True)
class Change:
    """Another value of a future covariate.

    Args:
        covariate: Name of the covariate.
        how: ``set`` to the amount; ``add`` it; or add so many ``percent`` of what is planned.
        amount: In the unit of the covariate, or per cent.
    """

    covariate: str
    how: Literal["set", "add", "percent"]
    amount: float


@dataclass(frozen=True)
class Scenario:
    """Changes of the plan of some series in some weeks.

    Args:
        changes: At least one, each of another covariate.
        stores: Stores as text; None for all.
        departments: Departments as text; None for all.
        weeks: First days of weeks ahead; None for all.
    """

    changes: tuple[Change, ...]
    stores: Collection[str] | None = None
    departments: Collection[str] | None = None
    weeks: Collection[pd.Timestamp] | None = None


def changed_plan(scenario: Scenario, data: ModelInput, forecast_index: pd.DataFrame) -> pd.DataFrame:
    """Select the rows of a scenario and their planned values before and after it.

    Args:
        scenario: What is changed.
        data: Tables of the model.
        forecast_index: ``store, department, week`` that are forecast.

    Returns:
        ``store, department, week``, and for each changed covariate its name and ``planned <name>``.

    Raises:
        InputError: The model has no such covariate, or it is changed twice; no series or week is left, or too
            many are; or there is no planned value to which a change could be added.
    """
    if not data.covariate_columns:
        raise InputError(
            "this model has no future covariates, so there is no plan to change. Name what is known of weeks "
            "ahead, such as promotions, prices or opening days, under turnover.covariate_tables or "
            "turnover.read.future_covariates, and run again: docs/your-own-data.md"
        )
    if unknown := [one.covariate for one in scenario.changes if one.covariate not in data.covariate_columns]:
        known = ", ".join(data.covariate_columns)
        raise InputError(f"the model has no future covariate '{unknown[0]}'; those it has: {known}")
    names = [one.covariate for one in scenario.changes]
    if twice := [name for name in names if names.count(name) > 1]:
        raise InputError(f"'{twice[0]}' is changed {names.count(twice[0])} times; change it once")
    rows = _chosen(scenario, forecast_index)
    planned = data.future_covariates.set_index(ROW_KEYS).reindex(pd.MultiIndex.from_frame(rows))
    for change in scenario.changes:
        before = planned[change.covariate].to_numpy(dtype=float)
        if change.how != "set" and (missing := int(np.isnan(before).sum())):
            raise InputError(
                f"{change.covariate} has no planned value in {missing} of {len(rows)} row(s), so nothing can "
                "be added to it; set it instead, or leave these series or weeks out"
            )
        after = {
            "set": np.full(len(rows), change.amount),
            "add": before + change.amount,
            "percent": before * (1 + change.amount / 100),
        }[change.how]
        rows = rows.assign(**{change.covariate: after, f"planned {change.covariate}": before})
    return rows


def _chosen(scenario: Scenario, forecast_index: pd.DataFrame) -> pd.DataFrame:
    rows = forecast_index[ROW_KEYS]
    for key, wanted in (("store", scenario.stores), ("department", scenario.departments)):
        if wanted is not None:
            labels = rows[key].astype(str)
            if unknown := sorted(set(wanted) - set(labels)):
                raise InputError(f"{len(unknown)} {key}(s) are not forecast, e.g. '{unknown[0]}'")
            rows = rows[labels.isin(wanted)]
    if scenario.weeks is not None:
        if unknown_weeks := sorted(set(scenario.weeks) - set(forecast_index["week"])):
            first, last = forecast_index["week"].min(), forecast_index["week"].max()
            raise InputError(
                f"{unknown_weeks[0]:%Y-%m-%d} is none of the weeks ahead, which begin each 7 days from "
                f"{first:%Y-%m-%d} to {last:%Y-%m-%d}"
            )
        rows = rows[rows["week"].isin(list(scenario.weeks))]
    if rows.empty:
        raise InputError("none of the series is forecast in these weeks; choose others")
    if len(rows) > MAX_ROWS:
        raise InputError(
            f"these are {len(rows):,} rows of a series and week; at most {MAX_ROWS:,} are possible: choose "
            "fewer stores, departments or weeks"
        )
    return rows.reset_index(drop=True)


def beyond_the_past(rows: pd.DataFrame, names: list[str], data: ModelInput) -> Iterator[str]:
    """Say which values lie beyond those of the past, each value of a series once.

    Args:
        rows: As ``changed_plan`` returns them.
        names: Changed covariates.
        data: Tables of the model.
    """
    past = data.future_covariates[data.future_covariates["week"] <= data.last_week]
    of_series = past.groupby(SERIES_KEYS, observed=True)[names].agg(["min", "max"])
    own = of_series.reindex(pd.MultiIndex.from_frame(rows[SERIES_KEYS])).reset_index(drop=True)
    sentences = []
    for name in names:
        value, low, high = rows[name], own[name, "min"], own[name, "max"]
        least, most = past[name].min(), past[name].max()
        for position in np.flatnonzero((value < low) | (value > high)):
            amount = value[position]
            side, end = ("below", low) if amount < low[position] else ("above", high)
            of_all = amount < least or amount > most
            bound = least if side == "below" else most
            everywhere = f", and never {side} {bound:g} for any" if of_all else ""
            store, department = (rows[key].iloc[position] for key in SERIES_KEYS)
            sentences.append(
                f"{name} {amount:g} was never seen {side} {end[position]:g} for this series{everywhere}: "
                f"store {store}, department {department}"
            )
    different = list(dict.fromkeys(sentences))
    yield from different[:MAX_SENTENCES]
    if len(different) > MAX_SENTENCES:
        yield f"and {len(different) - MAX_SENTENCES} more values beyond what was seen"
