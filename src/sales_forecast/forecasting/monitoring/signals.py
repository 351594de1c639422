"""Signals: is a level, a store, the coverage or the accuracy out of its usual range, week by week.

Each detector looks at the weeks up to its own and at no later one, so that a history of weeks gives the same
signals at once as week after week. What each one raises on ordinary weeks, and how soon it sees a change, is
measured in docs/benchmarks.md.
"""

from __future__ import annotations

from enum import StrEnum

import numpy as np
import pandas as pd
from pydantic import BaseModel, Field

from sales_forecast.forecasting.monitoring.levels import FEWEST_LEVELS, long_table, standardised
from sales_forecast.forecasting.panel.matrix import WEEKS_PER_YEAR

SIGNAL_COLUMNS = ["week", "detector", "key", "value", "threshold", "state", "since", "evidence"]

SEASON_SHARE = 0.2
"""Share of a mean week of the year before, below which a department is off season."""

SUMS = ["count", "turnover", "forecast", "absolute_error", "inside_80", "inside_95"]
"""Columns of ``scores`` that are added up."""


class Detector(StrEnum):
    """What is looked at."""

    LEVEL = "level"
    """Of a department: do its stores sell more or less than was forecast for them?"""

    STORE = "store"
    """Of a store: do its departments, beyond what all stores do?"""

    COVERAGE_AT_ONCE = "coverage_at_once"
    """Do many more series fall outside the intervals in the newest weeks than they promise?"""

    COVERAGE = "coverage"
    """Do more of them, for weeks?"""

    ACCURACY = "accuracy"
    """Of a department: is the error larger than it used to be?"""

    BIAS = "bias"
    """Of a department: are forecasts too high or too low? Too noisy for an alarm."""

    VALUE_ADDED = "value_added"
    """Of a department: are forecasts better than last year's turnover? Too noisy for an alarm."""


class State(StrEnum):
    """What a signal says."""

    CALM = "calm"
    WARNING = "warning"
    ALARM = "alarm"


class AlarmParams(BaseModel, frozen=True, extra="forbid"):
    """When a signal is a warning, and when an alarm."""

    level_warning: float = Field(default=3.0, gt=0)
    """Robust standard deviations of a department's level."""

    level_alarm: float = Field(default=4.0, gt=0)

    store_warning: float = Field(default=5.0, gt=0)
    """Robust standard deviations of a store's level."""

    store_departments: int = Field(default=3, gt=0)
    """A store with fewer departments has no level of its own."""

    missed_at_once: float = Field(default=2.0, gt=1)
    """So many times the promised share outside the intervals, in ``at_once_weeks``, is an alarm ..."""

    at_once_weeks: int = Field(default=2, gt=0)

    missed_for_long: float = Field(default=1.5, gt=1)
    """... and so many times in ``recent_weeks``."""

    accuracy_times: float = Field(default=1.5, gt=1)
    """WAPE of ``recent_weeks`` over its own median of the year before, that is a warning."""

    recent_weeks: int = Field(default=8, gt=0)


def find_signals(scores: pd.DataFrame, stores: pd.DataFrame, params: AlarmParams) -> pd.DataFrame:
    """Look at all weeks that forecasts were scored in.

    Args:
        scores: ``week, horizon, department``, the sums ``SUMS`` of errors over its stores, and
            ``median_log_ratio``; and the sums ``naive_absolute_error`` and ``compared_absolute_error``, NaN
            where naive forecasts are not known.
        stores: ``week, store, department, log_ratio`` of single series, departments with the same labels; may
            be empty.
        params: When something is a warning or an alarm.

    Returns:
        ``SIGNAL_COLUMNS``, a row for each week, detector and key, which is a department, a store, or the
        coverage (80, 95) that intervals promise: ``value`` is compared with ``threshold``, NaN where nothing
        is unusual; ``since`` is the first of the weeks without a calm one between, NaT in a calm week;
        ``evidence`` is a sentence. Weeks with too little past have no row, and calm stores have none.
    """
    weeks = pd.date_range(scores["week"].min(), scores["week"].max(), freq="7D")
    season = _in_season(scores, weeks)
    found = [_levels(scores, season, params), _stores(stores, season, params)]
    found += [_coverage(scores, weeks, coverage, params) for coverage in (80, 95)]
    found.append(_recent(scores, season, weeks, params))
    signals = pd.concat([signal for signal in found if len(signal)] or [pd.DataFrame(columns=SIGNAL_COLUMNS)])
    ordered = signals.sort_values(["detector", "key", "week"], ignore_index=True)
    told = ordered[(ordered["detector"] != Detector.STORE) | (ordered["state"] != State.CALM)]
    return with_since(told)


def with_since(signals: pd.DataFrame) -> pd.DataFrame:
    """Say since when each signal is not calm; ``SIGNAL_COLUMNS``, in the order of weeks.

    Args:
        signals: ``SIGNAL_COLUMNS``, of which ``since`` need not be there; weeks as timestamps.
    """
    ordered = signals.sort_values(["detector", "key", "week"], ignore_index=True)
    told = ordered.assign(since=_since(ordered))
    return told.sort_values(["week", "detector", "key"], ignore_index=True)[SIGNAL_COLUMNS]


def _since(signals: pd.DataFrame) -> pd.Series[pd.Timestamp]:
    """First week of what is not calm, of signals ordered by detector, key and week; calm stores have none."""
    calm = signals["state"] == State.CALM
    same_key = (signals["key"] == signals["key"].shift()) & (
        signals["detector"] == signals["detector"].shift()
    )
    next_week = signals["week"].diff() == pd.Timedelta(weeks=1)
    begins = calm | ~same_key | ~next_week | calm.shift(fill_value=True)
    return signals["week"].groupby(begins.cumsum()).transform("first").where(~calm)


# --- levels ----------------------------------------------------------------------------------------------


def _in_season(scores: pd.DataFrame, weeks: pd.DatetimeIndex) -> pd.DataFrame:
    """Weeks x departments: whether a department sells, or was to sell, a real share of its mean week.

    Off season, levels hardly deviate: such weeks would make ordinary ones of the season look unusual.
    """
    sums = scores.groupby(["week", "department"])[["turnover", "forecast", "count"]].sum()
    each = sums[["turnover", "forecast"]].div(sums["count"], axis=0)
    sold = each["turnover"].unstack("department").reindex(weeks)
    most = each.max(axis=1).unstack("department").reindex(weeks)
    usual = sold.rolling(WEEKS_PER_YEAR, min_periods=FEWEST_LEVELS).mean().shift()
    return ~(most < SEASON_SHARE * usual)


def _levels(scores: pd.DataFrame, season: pd.DataFrame, params: AlarmParams) -> pd.DataFrame:
    over_horizons = scores.groupby(["week", "department"])["median_log_ratio"].mean()
    rows = _standardised(over_horizons.unstack("department").where(season))
    size = rows["value"].abs()
    state = _state(size > params.level_warning, size > params.level_alarm)
    told = "its stores sold {} than was forecast for them, {:.1f} times the usual deviation"
    return rows.assign(
        detector=Detector.LEVEL.value, threshold=params.level_alarm, state=state, evidence=_tell(rows, told)
    )


def _stores(stores: pd.DataFrame, season: pd.DataFrame, params: AlarmParams) -> pd.DataFrame:
    in_season = long_table(season, "season", "department")
    stores = stores.merge(in_season[in_season["season"]], on=["week", "department"])
    common = stores.groupby(["week", "department"])["log_ratio"].transform("median")
    own = stores.assign(own=stores["log_ratio"] - common).groupby(["week", "store"])["own"]
    rows = _standardised(own.median().where(own.size() >= params.store_departments).unstack("store"))
    state = _state(rows["value"].abs() > params.store_warning)
    told = "beyond what all stores did, it sold {} than was forecast for it, {:.1f} times the usual deviation"
    return rows.assign(
        detector=Detector.STORE.value, threshold=params.store_warning, state=state, evidence=_tell(rows, told)
    )


def _standardised(levels: pd.DataFrame) -> pd.DataFrame:
    """``week, key, value, level`` of levels, weeks x keys, with a past to compare with."""
    rows = long_table(standardised(levels), "value", "key").merge(
        long_table(levels, "level", "key"), on=["week", "key"]
    )
    return rows.astype({"key": str})


def _tell(rows: pd.DataFrame, sentence: str) -> list[str]:
    """The sentence about each row; its places are how much more or less, and the value's size."""
    shares = np.expm1(rows["level"])
    return [
        sentence.format(f"{abs(share):.0%} {'more' if share > 0 else 'less'}", abs(value))
        for share, value in zip(shares, rows["value"], strict=True)
    ]


def _state(warning: pd.Series, alarm: pd.Series | None = None) -> pd.Series[str]:
    state = pd.Series(State.CALM.value, warning.index).mask(warning, State.WARNING.value)
    return state if alarm is None else state.mask(alarm, State.ALARM.value)


# --- coverage and accuracy -------------------------------------------------------------------------------


def _coverage(
    scores: pd.DataFrame, weeks: pd.DatetimeIndex, coverage: int, params: AlarmParams
) -> pd.DataFrame:
    by_week = scores.groupby("week")[["count", f"inside_{coverage}"]].sum().reindex(weeks)
    missed = by_week["count"] - by_week[f"inside_{coverage}"]
    promised = 1 - coverage / 100
    rules = {
        Detector.COVERAGE_AT_ONCE: (params.at_once_weeks, params.missed_at_once * promised),
        Detector.COVERAGE: (params.recent_weeks, params.missed_for_long * promised),
    }
    found = []
    for detector, (span, threshold) in rules.items():
        share = (missed.rolling(span).sum() / by_week["count"].rolling(span).sum()).dropna()
        rows = share.rename("value").rename_axis("week").reset_index().assign(key=str(coverage))
        evidence = [
            f"{value:.0%} of what came in {span} weeks was outside the {coverage} % intervals, which should "
            f"miss {promised:.0%}"
            for value in rows["value"]
        ]
        state = _state(rows["value"] > threshold, rows["value"] > threshold)
        found.append(
            rows.assign(detector=detector.value, threshold=threshold, state=state, evidence=evidence)
        )
    return pd.concat(found)


def _recent(
    scores: pd.DataFrame, season: pd.DataFrame, weeks: pd.DatetimeIndex, params: AlarmParams
) -> pd.DataFrame:
    """Accuracy, bias and value added of each department over the recent weeks."""
    span = params.recent_weeks
    columns = [*SUMS, "naive_absolute_error", "compared_absolute_error"]
    by_week = scores.groupby(["week", "department"])[columns].sum(min_count=1).unstack("department")
    sums: dict[str, pd.DataFrame] = {
        name: pd.DataFrame(by_week[name]).reindex(weeks).rolling(span).sum() for name in columns
    }
    turnover = sums["turnover"].where(sums["turnover"] > 0)
    wape = sums["absolute_error"] / turnover
    usual = wape.rolling(WEEKS_PER_YEAR, min_periods=span).median().shift()
    naive = sums["naive_absolute_error"].where(sums["naive_absolute_error"] > 0)
    values = {
        Detector.ACCURACY: (wape / usual).where(season),
        Detector.BIAS: (sums["forecast"] - sums["turnover"]) / turnover,
        Detector.VALUE_ADDED: 1 - sums["compared_absolute_error"] / naive,
    }
    sentences = {
        Detector.ACCURACY: f"the error of the last {span} weeks is {{:.2f}} times that of the year before",
        Detector.BIAS: f"forecasts of the last {span} weeks were off by {{:+.1%}} of turnover in sum",
        Detector.VALUE_ADDED: f"{{:.1%}} of the error of repeating last year was avoided in {span} weeks",
    }
    found = []
    for detector, value in values.items():
        rows = long_table(value, "value", "key")
        evidence = [sentences[detector].format(one) for one in rows["value"]]
        threshold = params.accuracy_times if detector == Detector.ACCURACY else np.nan
        state = _state(rows["value"] > threshold)
        found.append(
            rows.assign(detector=detector.value, threshold=threshold, state=state, evidence=evidence)
        )
    return pd.concat(found).astype({"key": str})
