"""Signals on chains whose truth is known: noise alone, and one thing that changes in a known week."""

import numpy as np
import pandas as pd
import pytest

from sales_forecast.forecasting.monitoring.levels import FEWEST_LEVELS, log_ratios
from sales_forecast.forecasting.monitoring.signals import (
    SIGNAL_COLUMNS,
    AlarmParams,
    Detector,
    State,
    find_signals,
)

WEEKS = pd.date_range("2020-01-04", periods=120, freq="7D")
CHANGED = WEEKS[90]
PARAMS = AlarmParams()


def scored(
    departments: tuple[int, ...] = (10, 20, 30),
    stores: int = 40,
    seed: int = 0,
    changed: dict[tuple[str, int], float] | None = None,
) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Scores and stores of a chain; ``changed`` is a factor on a department's or store's sales.

    Intervals are those of the noise, so that 80 and 95 % of weeks are inside as long as nothing changes.
    """
    rng = np.random.default_rng(seed)
    index = pd.MultiIndex.from_product(
        [WEEKS, range(stores), departments], names=["week", "store", "department"]
    )
    rows = index.to_frame(index=False)
    noise = rng.normal(0, 0.2, len(rows))
    week_noise = rng.normal(0, 0.03, (len(WEEKS), len(departments))).repeat(stores, axis=0)
    shared = pd.Series(week_noise.reshape(len(WEEKS), stores, len(departments)).ravel())
    rows["forecast"], rows["turnover"] = 100.0, 100 * np.exp(noise + shared)
    for (kind, which), factor in (changed or {}).items():
        rows.loc[(rows[kind] == which) & (rows["week"] >= CHANGED), "turnover"] *= factor
    width = {80: 1.2816, 95: 1.96}
    deviation = float(np.hypot(0.2, 0.03))
    rows["log_ratio"] = log_ratios(rows["turnover"], rows["forecast"], 100.0)
    for coverage, quantile in width.items():
        rows[f"inside_{coverage}"] = np.log(rows["turnover"] / 100).abs() <= quantile * deviation
    rows = rows.assign(
        count=1,
        absolute_error=(rows["turnover"] - 100).abs(),
        compared_absolute_error=(rows["turnover"] - 100).abs(),
        naive_absolute_error=2 * (rows["turnover"] - 100).abs(),
    )
    by = rows.groupby(["week", "department"])
    sums = by.sum().drop(columns=["store", "log_ratio"])
    scores = sums.assign(median_log_ratio=by["log_ratio"].median(), horizon=1).reset_index()
    return scores, rows[["week", "store", "department", "log_ratio"]]


def of(signals: pd.DataFrame, detector: Detector, key: object) -> pd.DataFrame:
    return signals[(signals["detector"] == detector) & (signals["key"] == str(key))].set_index("week")


def test_ordinary_weeks_raise_next_to_nothing() -> None:
    found = pd.concat(find_signals(*scored(seed=seed), PARAMS) for seed in range(5))
    alarms = found[found["state"] == State.ALARM]
    assert len(alarms) <= 2  # of about 5 x 3 x 107 department-weeks at four deviations
    assert (found["detector"] == Detector.STORE).sum() < 0.002 * 5 * 40 * 107
    assert list(found) == SIGNAL_COLUMNS


@pytest.mark.parametrize("factor", [0.6, 1.6])
def test_a_department_that_changes_is_an_alarm_in_its_first_week(factor: float) -> None:
    found = find_signals(*scored(changed={("department", 20): factor}), PARAMS)
    level = of(found, Detector.LEVEL, 20)
    assert level.loc[CHANGED, "state"] == State.ALARM
    assert level.loc[CHANGED, "since"] == CHANGED
    assert (level.loc[CHANGED + pd.Timedelta(weeks=3), "since"]) == CHANGED
    side = "less" if factor < 1 else "more"
    assert f"% {side} than was forecast" in level.loc[CHANGED, "evidence"]
    assert of(found, Detector.LEVEL, 10).loc[CHANGED, "state"] == State.CALM
    assert pd.isna(of(found, Detector.LEVEL, 10).loc[CHANGED, "since"])


def test_a_store_that_all_but_stops_is_seen_beside_a_department_that_does() -> None:
    found = find_signals(*scored(changed={("store", 7): 0.3, ("department", 20): 0.6}), PARAMS)
    store = of(found, Detector.STORE, 7)
    assert store.loc[CHANGED, "state"] == State.WARNING
    others = found[(found["detector"] == Detector.STORE) & (found["week"] == CHANGED) & (found["key"] != "7")]
    assert (others["state"] == State.WARNING).sum() <= 1


def test_a_store_with_few_departments_has_no_level() -> None:
    found = find_signals(*scored(departments=(10, 20)), PARAMS)
    assert Detector.STORE not in set(found["detector"])


def test_intervals_that_miss_too_often_are_an_alarm() -> None:
    scores, stores = scored()
    late = scores["week"] >= CHANGED
    scores["inside_80"] = scores["inside_80"].where(~late, 0.55 * scores["inside_80"])
    found = find_signals(scores, stores, PARAMS)
    at_once, slow = of(found, Detector.COVERAGE_AT_ONCE, 80), of(found, Detector.COVERAGE, 80)
    second = CHANGED + pd.Timedelta(weeks=1)
    assert at_once.loc[CHANGED, "state"] == State.CALM
    assert at_once.loc[second, "state"] == State.ALARM
    assert slow.loc[WEEKS[-1], "state"] == State.ALARM
    assert slow.loc[WEEKS[-1], "value"] == pytest.approx(
        1 - 0.55 * scores.loc[~late, "inside_80"].sum() / scores.loc[~late, "count"].sum(), abs=0.05
    )


def test_an_error_that_grows_is_a_warning_once_eight_weeks_show_it() -> None:
    scores, stores = scored()
    scores.loc[(scores["department"] == 30) & (scores["week"] >= CHANGED), "absolute_error"] *= 2
    found = find_signals(scores, stores, PARAMS)
    accuracy = of(found, Detector.ACCURACY, 30)
    assert accuracy.loc[CHANGED, "state"] == State.CALM
    assert accuracy.loc[CHANGED + pd.Timedelta(weeks=7), "state"] == State.WARNING
    assert of(found, Detector.VALUE_ADDED, 10).loc[CHANGED, "value"] == pytest.approx(0.5)


def test_signals_do_not_look_ahead() -> None:
    scores, stores = scored(changed={("department", 20): 0.6})
    whole = find_signals(scores, stores, PARAMS)
    until = find_signals(scores[scores["week"] <= CHANGED], stores[stores["week"] <= CHANGED], PARAMS)
    pd.testing.assert_frame_equal(
        whole[whole["week"] <= CHANGED].reset_index(drop=True), until, check_dtype=False
    )


def test_too_little_past_says_nothing() -> None:
    scores, stores = scored()
    first = WEEKS[FEWEST_LEVELS - 1]
    found = find_signals(scores[scores["week"] <= first], stores[stores["week"] <= first], PARAMS)
    assert not {Detector.LEVEL, Detector.STORE} & set(found["detector"])
    assert len(find_signals(scores[scores["week"] <= WEEKS[0]], stores.head(0), PARAMS)) == 0
