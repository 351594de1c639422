"""What if the plan were another one: the same forecast with other future covariates, and the difference."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass

import numpy as np
import pandas as pd

from sales_forecast.forecasting.features.context import weeks_ahead
from sales_forecast.forecasting.panel.matrix import ROW_KEYS, SERIES_KEYS, FloatArray, Positions
from sales_forecast.forecasting.panel.model_input import ModelInput
from sales_forecast.planning.effects import EffectErrors
from sales_forecast.planning.past_effects import predicted_effect, with_usual
from sales_forecast.planning.scenario import Scenario, beyond_the_past, changed_plan

LEVELS: dict[str, list[str]] = {
    "series": SERIES_KEYS,
    "store": ["store"],
    "department": ["department"],
    "region": ["region"],
    "week": ["week"],
    "total": [],
}
"""Level -> columns that name its groups."""

Predict = Callable[[pd.DataFrame], pd.DataFrame]
"""Predicts ``store, department, horizon`` and future covariates, in their order, as ``forecast``."""


@dataclass(frozen=True)
class Answer:
    """What a scenario changes.

    Args:
        levels: ``level, store, department, region, week, baseline, scenario, difference,
            expected_difference, lo_80, hi_80`` of each group that a changed series belongs to, summed over
            the weeks of the scenario; stores, departments and regions as text. The keys that do not name the
            group are missing; so is what is to be expected where the past tells nothing about it.
        beyond: One sentence for each planned value beyond what was seen in the past.
        notes: How far predicted effects were off in the past, and what else limits the answer.
    """

    levels: pd.DataFrame
    beyond: list[str]
    notes: list[str]


def what_if(
    scenario: Scenario,
    data: ModelInput,
    forecast_index: pd.DataFrame,
    predict: Predict,
    errors: EffectErrors,
) -> Answer:
    """Answer a scenario.

    Args:
        scenario: What is changed.
        data: Tables of the model.
        forecast_index: ``store, department, week`` that are forecast.
        predict: Predicts with the model.
        errors: How far its predicted effects were off, see ``learn_effect_errors``.

    Raises:
        InputError: See ``changed_plan``.
    """
    rows = changed_plan(scenario, data, forecast_index)
    everything = forecast_index.loc[forecast_index["week"].isin(rows["week"].unique()), ROW_KEYS]
    baseline = predict(_request(everything, data)).set_index(ROW_KEYS)
    own = baseline.loc[pd.MultiIndex.from_frame(rows[ROW_KEYS])]
    names = [change.covariate for change in scenario.changes]
    changes = _changes(rows, own["forecast"].to_numpy(dtype=float), names, data, predict)
    rows = rows.assign(difference=changes[[predicted_effect(name) for name in names]].sum(axis=1))
    regions = data.stores.set_index("store")["region"]
    everything, rows = (
        table.assign(region=table["store"].map(regions)) for table in (baseline.reset_index(), rows)
    )
    groups = _by_level(everything, rows, changes, errors)
    notes = [*_of_past(errors, names), *_limits(errors, names, int(own["cold_start"].sum()))]
    return Answer(pd.DataFrame(groups), list(beyond_the_past(rows, names, data)), notes)


def _request(rows: pd.DataFrame, data: ModelInput) -> pd.DataFrame:
    return rows[SERIES_KEYS].assign(horizon=weeks_ahead(rows, data.last_week))


def _changes(
    rows: pd.DataFrame, before: FloatArray, names: list[str], data: ModelInput, predict: Predict
) -> pd.DataFrame:
    """Dose and predicted effect of each covariate, which are changed one after the other, see ``effects``."""
    request, changes = _request(rows, data), pd.DataFrame(index=rows.index)
    key = pd.MultiIndex.from_frame(rows[ROW_KEYS])
    for name in names:
        table = with_usual(data, name, data.last_week).future_covariates.set_index(ROW_KEYS)
        usual = pd.Series(table[name].reindex(key).fillna(0).to_numpy(), rows.index)
        forecast = predict(request.assign(**{name: usual}))["forecast"].to_numpy(dtype=float)
        changes[name] = (rows[name] - rows[f"planned {name}"].fillna(usual)) * forecast
        request = request.join(rows[[name]])
        after = predict(request)["forecast"].to_numpy(dtype=float)
        changes[predicted_effect(name)], before = after - before, after
    return changes


def _by_level(
    baseline: pd.DataFrame, rows: pd.DataFrame, changes: pd.DataFrame, errors: EffectErrors
) -> Iterator[dict[str, object]]:
    difference, forecast = rows["difference"].to_numpy(), baseline["forecast"].to_numpy()
    for level, keys in LEVELS.items():
        members, of_baseline = _members(rows, keys), _members(baseline, keys)
        found = errors.differences(rows, changes, members.values())
        for (labels, positions), expected in zip(members.items(), found, strict=True):
            before, more = (
                float(values.sum()) for values in (forecast[of_baseline[labels]], difference[positions])
            )
            yield {
                "level": level,
                **dict.fromkeys(["store", "department", "region", "week"]),
                **dict(zip(keys, labels, strict=True)),
                "baseline": before,
                "scenario": before + more,
                "difference": more,
                "expected_difference": expected and expected.expected,
                "lo_80": expected and expected.low,
                "hi_80": expected and expected.high,
            }


def _members(rows: pd.DataFrame, keys: list[str]) -> dict[tuple[object, ...], Positions]:
    """Positions of the rows of each group by its labels; a row whose label is unknown belongs to none."""
    if not keys:
        return {(): np.arange(len(rows))}
    groups = rows.groupby(keys, observed=True).indices.items()
    return {
        tuple(
            one if key == "week" else str(one)
            for key, one in zip(keys, name if isinstance(name, tuple) else (name,), strict=True)
        ): np.asarray(positions, dtype=np.intp)
        for name, positions in groups
    }


def _of_past(errors: EffectErrors, names: list[str]) -> Iterator[str]:
    """Say how far the effects of covariates were off."""
    for name, share in zip(errors.covariates, errors.shares, strict=True):
        if name in names and not np.isnan(share):
            yield (
                f"in {errors.windows} past windows the effect of {name} was {100 * share:.0f} % of what the "
                "model predicted; the expected difference and its interval are derived from these windows"
            )


def _limits(errors: EffectErrors, names: list[str], cold_starts: int) -> Iterator[str]:
    """Say what limits the answer."""
    unknown = [name for name in names if name not in errors.covariates]
    if unknown and not errors.windows:
        yield "the history is too short to predict past windows, so no effect is known: there is no interval"
        unknown = []
    for name in unknown:
        yield f"{name} never changed in the past windows, so its effect is not known: there is no interval"
    if errors.covariates and errors.is_rough:
        yield f"the interval is rough: it was learned from {errors.windows} past windows only"
    if cold_starts:
        yield (
            f"{cold_starts} row(s) are cold starts, which are forecast from their peers: their own plan "
            "changes nothing"
        )
