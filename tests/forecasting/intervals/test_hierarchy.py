"""Sums are coherent, and the half-widths of their intervals follow from the errors of the same sums."""

import numpy as np
import pandas as pd
import pytest

from sales_forecast.forecasting.intervals.conformal import COVERAGES, INTERVAL_COLUMNS, HalfWidths
from sales_forecast.forecasting.intervals.error_scale import ErrorScale
from sales_forecast.forecasting.intervals.hierarchy import (
    AGGREGATE_LEVELS,
    HIERARCHY,
    learn_level_half_widths,
    measure_level_coverage,
    sum_forecasts,
    sum_to_level,
    sum_to_stores,
)
from sales_forecast.forecasting.intervals.windows import IntervalParams

INTERVALS = IntervalParams(scale_share=0.1)
WEEKS = pd.date_range("2017-08-12", periods=8, freq="7D")
STORES = pd.DataFrame(
    {
        "store": range(20),
        "region": [f"r{n % 4}" for n in range(19)] + [None],
        "zone": [f"z{n % 3}" for n in range(20)],
    }
)
PANEL = pd.DataFrame(
    [
        (store, department, week, 150.0)
        for store in range(20)
        for department in (88, 127)
        for week in pd.date_range(end="2017-08-05", periods=60, freq="7D")
    ],
    columns=["store", "department", "week", "turnover"],
)


def _rows(seed: int, cutoff: str = "2017-08-05") -> pd.DataFrame:
    """Twenty stores of two departments, forecast with errors that even out between stores."""
    rng = np.random.default_rng(seed)
    keys = pd.MultiIndex.from_product([range(20), [88, 127], WEEKS], names=["store", "department", "week"])
    rows = keys.to_frame(index=False)
    turnover = rng.lognormal(5, 0.5, len(rows))
    forecast = turnover * np.exp(rng.normal(0, 0.3, len(rows)))
    ends = {name: forecast * (0.5 if name.startswith("lo") else 2) for name in INTERVAL_COLUMNS}
    return rows.assign(cutoff=pd.Timestamp(cutoff), turnover=turnover, forecast=forecast, **ends)


@pytest.fixture(scope="module")
def past() -> pd.DataFrame:
    return pd.concat([_rows(seed, f"201{seed}-08-05") for seed in range(3, 7)], ignore_index=True)


@pytest.fixture(scope="module")
def table(past) -> pd.DataFrame:
    return sum_forecasts(_rows(0), PANEL, STORES, learn_level_half_widths(past, PANEL, STORES, INTERVALS))


@pytest.mark.parametrize("level", AGGREGATE_LEVELS)
def test_every_sum_is_that_of_its_series(table, level):
    series = table[table["level"] == "series"].astype({"key": int})
    mapped = series.merge(STORES, left_on="key", right_on="store").fillna("none")
    place = next((key for key in HIERARCHY[level] if key != "department"), None)
    mapped["key"] = mapped[place] if place else "all"
    if "department" not in HIERARCHY[level]:
        mapped["department"] = "all"
    keys = ["key", "department", "week"]
    expected = mapped.groupby(keys)["forecast"].sum()
    found = table[table["level"] == level].set_index(keys)["forecast"]
    assert (found - expected).abs().max() < 1e-6
    assert len(found) == len(expected)


def test_levels_add_up_to_each_other(table):
    total = table.groupby(["level", "week"])["forecast"].sum().unstack("level")
    for level in HIERARCHY:
        np.testing.assert_allclose(total[level], total["total"], atol=1e-6)


def test_series_keep_their_intervals_and_sums_have_their_own(table):
    series = table[table["level"] == "series"]
    np.testing.assert_allclose(series["hi_80"], 2 * series["forecast"])
    added = series.groupby("week")[["lo_80", "hi_80"]].sum()
    total = table[table["level"] == "total"].set_index("week")
    assert ((total["hi_80"] - total["lo_80"]) < (added["hi_80"] - added["lo_80"]) / 2).all()
    for narrow, wide in (("hi_80", "hi_95"), ("lo_95", "lo_80")):
        assert (total[narrow] <= total[wide]).all()


def test_intervals_of_sums_have_about_their_nominal_coverage():
    many = pd.concat([_rows(seed, f"20{seed}-08-05") for seed in range(10, 40)], ignore_index=True)
    found = measure_level_coverage(many, PANEL, STORES, INTERVALS).set_index("level")
    assert list(found.index) == AGGREGATE_LEVELS
    assert found["coverage_80"].between(0.76, 0.85).all()
    assert found["coverage_95"].between(0.93, 0.985).all()


def test_intervals_of_stores_hold_what_comes_and_are_narrower_than_the_sum_of_their_departments():
    """Errors of 30 % in each of two departments that have nothing in common; a new window is drawn to judge."""
    many = pd.concat([_rows(seed, f"20{seed}-08-05") for seed in range(10, 40)], ignore_index=True)
    came = _rows(99)
    table = sum_to_stores(came.drop(columns="turnover"), PANEL, many, INTERVALS)
    keys = ["store", "week"]
    found = table.merge(came.groupby(keys, as_index=False)["turnover"].sum(), on=keys)
    assert len(found) == 20 * len(WEEKS)
    np.testing.assert_allclose(found["forecast"], came.groupby(keys)["forecast"].sum())
    for coverage, least, most in ((80, 0.7, 0.9), (95, 0.9, 1.0)):
        inside = found["turnover"].between(found[f"lo_{coverage}"], found[f"hi_{coverage}"])
        assert least < inside.mean() < most
    series = learn_level_half_widths(
        many, PANEL, STORES.assign(region=STORES["store"].astype(str)), INTERVALS
    )
    both = sum_forecasts(came, PANEL, STORES.assign(region=STORES["store"].astype(str)), series)
    apart = both[both["level"] == "region and department"].groupby(["key", "week"])[["lo_80", "hi_80"]].sum()
    widths = (found["hi_80"] - found["lo_80"]).mean(), (apart["hi_80"] - apart["lo_80"]).mean()
    assert widths[0] < 0.85 * widths[1]  # independent errors: 1 / sqrt(2)


def test_one_window_has_no_other_windows_to_learn_from():
    assert measure_level_coverage(_rows(0), PANEL, STORES, INTERVALS).empty


def test_a_window_is_measured_without_its_own_errors(past):
    late = past["cutoff"] == past["cutoff"].max()
    worse = past.assign(turnover=past["turnover"].where(~late, 10 * past["turnover"]))
    found = measure_level_coverage(worse, PANEL, STORES, INTERVALS).set_index("level")
    assert (found["coverage_95"] < 0.8).all()


def test_a_store_without_a_region_counts_in_one_of_its_own():
    regions = sum_to_level(_rows(0), STORES, "region", ["forecast"])
    assert sorted(regions["store"].unique()) == ["none", "r0", "r1", "r2", "r3"]


def test_weeks_off_season_have_intervals_of_the_size_of_their_sales(past):
    off = _rows(0).assign(forecast=1.0)
    half_widths = learn_level_half_widths(past, PANEL, STORES, INTERVALS)  # in season
    total = sum_forecasts(off, PANEL, STORES, half_widths).query("level == 'total'")
    average_week = 20 * 2 * 150.0
    half_width = total["hi_95"] - total["forecast"]
    assert half_width.between(1, 0.02 * average_week).all()


def test_one_good_window_off_season_does_not_make_intervals_in_season_narrow():
    """Errors of weeks off season, small in money, must count as small beside an average week."""
    off = _rows(0, "2017-05-27").assign(forecast=1.0, turnover=2.0)
    half_widths = learn_level_half_widths(off, PANEL, STORES, INTERVALS)
    season = sum_forecasts(_rows(1), PANEL, STORES, half_widths).query("level == 'total'")
    assert (season["hi_95"] / season["forecast"] < 1.3).all()


def test_a_new_series_is_measured_by_its_own_forecasts():
    new = _rows(0).assign(store=lambda rows: rows["store"] + 100)
    stores = STORES.assign(store=STORES["store"] + 100)
    multiples = {str(coverage): {"": 1.0} for coverage in COVERAGES}
    alike = HalfWidths(scale=ErrorScale(share=0.03, power=1.0), multiples=multiples)
    half_widths = dict.fromkeys(AGGREGATE_LEVELS, alike)
    total = sum_forecasts(new, PANEL, stores, half_widths).query("level == 'total'")
    np.testing.assert_allclose(total["hi_80"] - total["forecast"], 1.03 * total["forecast"])
