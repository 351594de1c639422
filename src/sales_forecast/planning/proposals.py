"""What an override would change, before it is stored: who may make it, and what to think of it."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from math import isfinite

import numpy as np
import pandas as pd

from sales_forecast.errors import InputError
from sales_forecast.planning.override_warnings import Warned, warn
from sales_forecast.planning.overrides import REASONS, Correction, Kind, Override
from sales_forecast.planning.planned import Series

LARGEST_NUMBER, LEAST_PERCENT, LARGEST_PERCENT = 1e12, -100.0, 1000.0
LONGEST_NOTE = 500

MayPlan = Callable[[str, str | None], bool]
"""Whether somebody may plan a store, which lies in a region."""


class RefusedOverrideError(InputError):
    """The override cannot be made as it is asked for.

    Args:
        field: Name of the field that is wrong.
        detail: What is wrong, and what would be valid.
    """

    def __init__(self, field: str, detail: str) -> None:
        super().__init__(detail)
        self.field = field


class UnknownScopeError(RefusedOverrideError):
    """There is no such store, department or region, or no series of all of them."""


class NotPublishedError(RefusedOverrideError):
    """The weeks do not fit the newest publication."""


class ForeignStoresError(RefusedOverrideError):
    """Some of the stores are not the planner's."""


@dataclass(frozen=True)
class Proposal:
    """What an override would change.

    Args:
        correction: What is asked for.
        stores: Stores with a series in the scope.
        series: Number of series.
        weeks: ``week, forecast, planned`` and the ends of the intervals of the forecast, of the whole scope,
            in currency units per week.
        warnings: What to think of it.
    """

    correction: Correction
    stores: frozenset[str]
    series: int
    weeks: pd.DataFrame
    warnings: tuple[Warned, ...]


def check(asked: Correction) -> None:
    """Check what can be checked without forecasts.

    Raises:
        RefusedOverrideError: A field is wrong.
    """
    if asked.reason not in REASONS:
        raise RefusedOverrideError("reason", f"'{asked.reason}' is none of {', '.join(REASONS)}")
    if asked.reason == "other" and not asked.note.strip():
        raise RefusedOverrideError(
            "note", "the reason 'other', anything else, needs a note: say why in a few words"
        )
    if len(asked.note) > LONGEST_NOTE or "\x00" in asked.note:
        detail = f"a note is text of at most {LONGEST_NOTE} characters, this one has {len(asked.note)}"
        raise RefusedOverrideError("note", detail)
    check_value(asked.kind, asked.value)


def check_value(kind: Kind, value: float) -> None:
    """Check how much is asked for.

    Raises:
        RefusedOverrideError: It is too little or too much.
    """
    least, most = (0.0, LARGEST_NUMBER) if kind == "number" else (LEAST_PERCENT, LARGEST_PERCENT)
    if not isfinite(value) or not least <= value <= most:
        unit = "currency units per week" if kind == "number" else "per cent"
        detail = f"{value:,.15g} is not from {least:,.15g} to {most:,.15g} {unit}"
        raise RefusedOverrideError("value", detail)


def propose(
    forecasts: pd.DataFrame,
    levels: pd.DataFrame,
    asked: Correction,
    active: Sequence[Override],
    may_plan: MayPlan,
) -> Proposal:
    """Find what an override would change.

    Args:
        forecasts: ``store, department, week, forecast``, the ends of the 80 % and 95 % intervals, and
            ``region``, of the newest publication; currency units per week, labels as text.
        levels: ``level, key, department, week`` and the ends of the intervals of sums.
        asked: What a planner asks for.
        active: Overrides that are active.
        may_plan: Tells which stores are the planner's.

    Raises:
        RefusedOverrideError: A field is wrong, ``UnknownScopeError`` if the scope has no series, and
            ``ForeignStoresError`` if it reaches into stores that are not the planner's.
    """
    check(asked)
    series = Series(forecasts)
    _check_scope(series, asked)
    _check_weeks(series, asked)
    rows = series.rows_of(asked.scope, asked.week_from, asked.week_to)
    if not len(rows):
        span = f"{asked.week_from} to {asked.week_to}"
        raise UnknownScopeError("scope", f"no forecast is published for {asked.scope} in the weeks {span}")
    _refuse_foreign(series, rows, asked, may_plan)
    weeks = _weeks_of(series, rows, forecasts, levels, asked)
    keys = set(zip(series.store[rows], series.department[rows], strict=True))
    warnings = warn(weeks, series, rows, active)
    return Proposal(asked, frozenset(series.store[rows]), len(keys), weeks, warnings)


def _check_scope(series: Series, asked: Correction) -> None:
    for name, label in vars(asked.scope).items():
        if label is not None and not series.has(name, label):
            detail = f"no {name} '{label}' has forecasts"
            raise UnknownScopeError(name, detail)


def _check_weeks(series: Series, asked: Correction) -> None:
    weeks = np.unique(series.week).astype(object)
    for name in ("week_from", "week_to"):
        if (given := getattr(asked, name)) not in weeks:
            detail = f"{given} is not forecast: the weeks ahead begin on {weeks[0]} to {weeks[-1]}, every "
            raise NotPublishedError(name, f"{detail}seventh day")
    if asked.week_to < asked.week_from:
        raise RefusedOverrideError("week_to", f"{asked.week_to} is before the first week, {asked.week_from}")
    if asked.expires_on <= weeks[0]:
        detail = f"an override that expires on {asked.expires_on} would never count: the first week that is "
        raise NotPublishedError("expires", f"{detail}forecast begins on {weeks[0]}")


def _refuse_foreign(series: Series, rows: np.ndarray, asked: Correction, may_plan: MayPlan) -> None:
    regions = dict(zip(series.store[rows], series.region[rows], strict=True))
    foreign = sorted(store for store, region in regions.items() if not may_plan(store, region))
    if foreign:
        raise ForeignStoresError(
            "scope",
            f"{len(foreign)} of the {len(regions)} stores of {asked.scope} are not yours to plan, such as "
            f"store {foreign[0]}; name a store or region of your own",
        )


_LEVELS = {
    (False, False): ("total", "all", "all"),
    (False, True): ("department", "all", None),
    (True, False): ("region", None, "all"),
    (True, True): ("region and department", None, None),
}
"""Whether a scope names a region and a department -> level, key and department; None for that of the
scope."""


def _weeks_of(
    series: Series, rows: np.ndarray, forecasts: pd.DataFrame, levels: pd.DataFrame, asked: Correction
) -> pd.DataFrame:
    """Sums over the scope: those published have intervals of their own; else series count as independent."""
    ends = ["lo_80", "hi_80", "lo_95", "hi_95"]
    chosen = forecasts.iloc[rows]
    found = chosen[["week", "forecast"]].assign(planned=series.spread(rows, asked.kind, asked.value))
    deviations = {end: (chosen[end] - chosen["forecast"]) ** 2 for end in ends}
    sums = found.assign(**deviations).groupby("week").sum()
    for end in ends:
        side = -1 if end.startswith("lo") else 1
        sums[end] = sums["forecast"] + side * np.sqrt(sums[end])
    if asked.scope.store is None:
        region, department = asked.scope.region, asked.scope.department
        level, key, of = _LEVELS[region is not None, department is not None]
        same = (levels["level"] == level) & (levels["key"] == (key or region))
        published = levels[same & (levels["department"] == (of or department))].set_index("week")[ends]
        sums.update(published)
    return sums.reset_index()
