"""Forecasts between two publications, made again: what each cause, one after the other, adds to a forecast.

The first re-prediction is the earlier model on its own data; then what it knew is replaced part by part by
what is known now, in the order of ``changes.CAUSES``, and in the end the model. Each cause is the difference
of two consecutive re-predictions, so the causes add up to the change whatever they are. In another order they
would be other numbers: the Shapley value averages over all orders, and says how much the order matters.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np
import pandas as pd

from sales_forecast.errors import InputError
from sales_forecast.forecasting.attribution import STEADINESS
from sales_forecast.forecasting.changes import CAUSES, MONEY, no_changes
from sales_forecast.forecasting.features.context import ForecastContext
from sales_forecast.forecasting.methods.base import forecast_all
from sales_forecast.forecasting.methods.declare import declare
from sales_forecast.forecasting.model import TurnoverModel
from sales_forecast.forecasting.panel.level_shifts import find_level_shifts
from sales_forecast.forecasting.panel.matrix import ROW_KEYS, FloatArray
from sales_forecast.forecasting.panel.model_input import ModelInput
from sales_forecast.forecasting.shapley import Coalition, shapley

REPRODUCED = 1e-6
"""Relative difference up to which forecasts that are made again count as those that were published."""


@dataclass(frozen=True)
class Published:
    """A publication, and what its forecasts were made from.

    Args:
        model: The model that made them.
        data: The tables that it forecast from, up to the last week that was known.
        forecasts: ``store, department, week, forecast, earlier_forecast`` of every row that was forecast:
            the published forecast, and the part of it that holding on to the publication before plays.
    """

    model: TurnoverModel
    data: ModelInput
    forecasts: pd.DataFrame

    @property
    def index(self) -> pd.MultiIndex:
        """Store, department and week of every forecast."""
        return pd.MultiIndex.from_frame(self.forecasts[ROW_KEYS])

    @property
    def of_model(self) -> pd.Series[float]:
        """Forecasts as the model has made them, by store, department and week."""
        values = self.forecasts["forecast"] - self.forecasts[STEADINESS]
        return pd.Series(values.to_numpy(), index=self.index)

    @cached_property
    def shifts(self) -> pd.DataFrame:
        """Level shifts that were found."""
        return find_level_shifts(self.data.panel, self.model.level_shifts)


class Repredictions:
    """Forecasts of the weeks of two publications, with some causes in effect and others not.

    Args:
        before: The earlier publication.
        after: The later one, from data up to a later week.
    """

    def __init__(self, before: Published, after: Published) -> None:
        self.before, self.after = before, after
        self.rows = after.index.intersection(before.index, sort=False)
        same_method = declare(before.model.method.plain()) == declare(after.model.method.plain())
        self.fit = "refit" if same_method and before.model.name == after.model.name else "model"
        self.causes = tuple(cause for cause in CAUSES if cause in self._differing())
        """Causes by which the two differ, in order; the others change nothing."""
        self._known: dict[Coalition, FloatArray] = {frozenset(self.causes): self._of(after.of_model)}

    def _of(self, forecasts: pd.Series[float]) -> FloatArray:
        return np.asarray(forecasts.reindex(self.rows), dtype=np.float64)

    def _differing(self) -> set[str]:
        then, now = self.before.data, self.after.data
        past = now.until(then.last_week)
        differ = {
            "restated": not _same(then.until(then.last_week).panel, past.panel, ROW_KEYS)
            or not _same(then.stores, now.stores, ["store"]),
            "new_weeks": then.last_week != now.last_week or set(self.before.index) != set(self.after.index),
            "future_covariates": not all(
                _same(table, _up_to_last_week_of(table, later), list(table.columns))
                for table, later in self._plans()
            ),
            "level_shift": not _same(self.before.shifts, self.after.shifts, ["department", "week"]),
            self.fit: (self.before.model.fitted, self.before.model.method)
            != (self.after.model.fitted, self.after.model.method),
        }
        return {cause for cause, does in differ.items() if does}

    def _plans(self) -> list[tuple[pd.DataFrame, pd.DataFrame]]:
        """Tables that are known for weeks ahead, then and now."""
        then, now = self.before.data, self.after.data
        return [(then.calendar, now.calendar), (then.future_covariates, now.future_covariates)]

    def at(self, coalition: Coalition) -> FloatArray:
        """Forecast the rows of both publications with some causes in effect.

        Args:
            coalition: These causes; ``causes`` for the forecasts of the later model as it made them.

        Returns:
            Currency units per week, in the order of ``rows``.
        """
        effective = coalition & frozenset(self.causes)
        if effective not in self._known:
            self._known[effective] = self._predict(effective)
        return self._known[effective]

    def _predict(self, effective: Coalition) -> FloatArray:
        now = effective | (frozenset(CAUSES) - frozenset(self.causes))  # what does not differ is as now
        model = (self.after if self.fit in now else self.before).model
        shifts = (self.after if "level_shift" in now else self.before).shifts
        index = (self.after if "new_weeks" in now else self.before).forecasts[ROW_KEYS]
        context = ForecastContext.latest(self._data(now), model.level_shifts).with_shifts(shifts)
        forecasts = forecast_all(model.method, context, index, model.fitted)
        return self._of(pd.Series(forecasts["forecast"].to_numpy(), pd.MultiIndex.from_frame(index)))

    def _data(self, now: Coalition) -> ModelInput:
        """The tables with some causes in effect."""
        then, later = self.before.data, self.after.data
        cutoff = then.last_week
        past = (later if "restated" in now else then).until(cutoff).panel
        since = later.panel.loc[later.panel["week"] > cutoff, past.columns]
        panel = pd.concat([past, since]) if "new_weeks" in now else past
        calendar, covariates = (
            table if "future_covariates" in now else _continued(earlier, table)
            for earlier, table in self._plans()
        )
        new = later.stores[~later.stores["store"].isin(then.stores["store"])]
        stores = later.stores if "restated" in now else pd.concat([then.stores, new], ignore_index=True)
        return ModelInput(panel.sort_values(ROW_KEYS, ignore_index=True), stores, calendar, covariates)

    def refuse_what_cannot_be_made_again(self) -> None:
        """Refuse an earlier publication that is not what its model makes of its data.

        Raises:
            InputError: The data or the libraries are not those that it was made with.
        """
        again, made = self.at(frozenset()), self._of(self.before.of_model)
        apart = float((np.abs(again - made) / np.maximum(np.abs(made), 1.0)).max(initial=0.0))
        if not apart <= REPRODUCED:
            raise InputError(
                f"its forecasts cannot be made again from what is kept: they differ by up to {apart:.2%}"
            )


def _same(one: pd.DataFrame, other: pd.DataFrame, keys: list[str]) -> bool:
    """Whether two tables have equal rows, in whatever order."""
    if set(one.columns) != set(other.columns) or len(one) != len(other):
        return False
    if one.empty:
        return True
    ordered = [table[list(one.columns)].sort_values(keys, ignore_index=True) for table in (one, other)]
    return ordered[0].equals(ordered[1])


def _up_to_last_week_of(earlier: pd.DataFrame, later: pd.DataFrame) -> pd.DataFrame:
    """Rows of the later table whose weeks the earlier one could have; all if it had none."""
    return later if earlier.empty else later[later["week"] <= earlier["week"].max()]


def _continued(earlier: pd.DataFrame, later: pd.DataFrame) -> pd.DataFrame:
    """The earlier table, and rows of the later one for weeks after its last."""
    if earlier.empty or set(earlier.columns) != set(later.columns):
        return earlier
    return pd.concat([earlier, later[later["week"] > earlier["week"].max()]], ignore_index=True)


def explain_changes(before: Published, after: Published) -> pd.DataFrame:
    """Split the change of each forecast since the publication before into its causes.

    Args:
        before: The earlier publication.
        after: The later one, from data up to a later week.

    Returns:
        ``store, department, week`` of the rows in both publications and the columns ``changes.MONEY``, in
        currency units per week: ``before`` and ``after`` as they were published, and causes that add up to
        the change.

    Raises:
        InputError: The earlier publication cannot be made again.
    """
    steps = Repredictions(before, after)
    if steps.rows.empty:
        return no_changes()
    steps.refuse_what_cannot_be_made_again()
    changes = steps.rows.to_frame(index=False).assign(**dict.fromkeys(MONEY, 0.0))
    changes["before"], changes["after"] = (_published(each, steps.rows) for each in (before, after))
    first = reached = steps.at(frozenset())
    for number, cause in enumerate(steps.causes, start=1):
        moved = steps.at(frozenset(steps.causes[:number]))
        changes[cause], reached = moved - reached, moved
    return changes.assign(steadiness=(changes["after"] - reached) - (changes["before"] - first))


def _published(publication: Published, rows: pd.MultiIndex) -> FloatArray:
    forecasts = pd.Series(publication.forecasts["forecast"].to_numpy(), index=publication.index)
    return np.asarray(forecasts.reindex(rows), dtype=np.float64)


def shapley_at_total(before: Published, after: Published) -> pd.DataFrame:
    """Split the change of the sum over all series and weeks as the Shapley value does.

    It makes up to 32 re-predictions, two for each further cause that differs.

    Args:
        before: The earlier publication.
        after: The later one, from data up to a later week.

    Returns:
        ``cause, fixed_order, shapley, lowest, highest`` in currency units: what the cause adds in the order
        of ``changes.CAUSES``, on average over all orders, and in the orders in which it adds least and most.
        Only causes that differ; the pull towards what was published before adds the same in every order.

    Raises:
        InputError: The earlier publication cannot be made again.
    """
    steps = Repredictions(before, after)
    steps.refuse_what_cannot_be_made_again()

    def total(coalition: Coalition) -> float:
        return float(steps.at(coalition).sum())

    found = shapley(steps.causes, total)
    change = (_published(after, steps.rows) - _published(before, steps.rows)).sum()
    pull = float(change - (total(frozenset(steps.causes)) - total(frozenset())))
    steadiness = {
        "cause": "steadiness",
        "fixed_order": pull,
        "shapley": pull,
        "lowest": pull,
        "highest": pull,
    }
    return pd.concat([found, pd.DataFrame([steadiness])], ignore_index=True)
