"""Whether one method is better than another, or it was luck."""

import numpy as np
import pandas as pd
import pytest
from benchmarks.decisions import UNITS, Variants, by_weeks_and_stores, share_better, store_bootstrap
from scipy import stats

from sales_forecast.errors import InputError
from sales_forecast.forecasting.evaluation.diebold_mariano import diebold_mariano
from sales_forecast.forecasting.evaluation.significance import PairedErrors, compare, compare_observations

NOMINAL, EXPERIMENTS = 0.025, 400
BEARABLE = stats.binom.ppf(0.995, EXPERIMENTS, 1.5 * NOMINAL) / EXPERIMENTS
"""What a rule that errs half as often again as it says may show in so many experiments."""


def _backtest(cutoffs: pd.DatetimeIndex, stores: int = 30, seed: int = 0) -> pd.DataFrame:
    """Two variants whose errors are mostly those of the week, as in the sample and the real files."""
    rng = np.random.default_rng(seed)
    keys = pd.MultiIndex.from_product(
        [cutoffs, range(stores), [88, 117], range(1, 9)], names=["cutoff", "store", "department", "horizon"]
    ).to_frame(index=False)
    keys["week"] = keys["cutoff"] + pd.to_timedelta(7 * keys["horizon"], unit="D")
    week = keys["week"].factorize()[0]
    shock = rng.normal(0, 15, week.max() + 1)[week]
    parts = []
    for method in ("one", "other"):
        error = shock + rng.normal(0, 3, week.max() + 1)[week] + rng.normal(0, 5, len(keys))
        parts.append(keys.assign(method=method, turnover=100.0, forecast=100 + error))
    return pd.concat(parts, ignore_index=True)


APART = pd.date_range("2015-01-03", periods=6, freq="16W-SAT")
ROLLING = pd.date_range("2014-01-04", periods=40, freq="4W-SAT")


@pytest.fixture(scope="module", params=["apart", "rolling"])
def variants(request: pytest.FixtureRequest) -> Variants:
    cutoffs = APART if request.param == "apart" else ROLLING
    return Variants.of(_backtest(cutoffs), "one", "other")


@pytest.mark.parametrize("unit", UNITS)
def test_equal_models_are_rarely_told_apart_whatever_they_have_in_common(
    variants: Variants, unit: str
) -> None:
    assert share_better(variants, unit, by_weeks_and_stores, EXPERIMENTS, seed=1) <= BEARABLE


@pytest.mark.parametrize("unit", ["department-week", "week", "window"])
def test_the_rule_before_took_the_luck_of_a_week_for_evidence(variants: Variants, unit: str) -> None:
    found = share_better(variants, unit, store_bootstrap, 100, seed=1)
    assert found > 5 * NOMINAL


def test_a_better_model_is_seen_and_more_windows_see_more() -> None:
    apart, rolling = (Variants.of(_backtest(cutoffs), "one", "other") for cutoffs in (APART, ROLLING))
    few, many = (share_better(one, "week", by_weeks_and_stores, 100, 1, gain=0.1) for one in (apart, rolling))
    assert many > 0.9
    assert many > few


def test_a_change_of_seed_alone_is_not_better() -> None:
    # the same model, but for the noise of its trees: the weeks' luck is the same in all stores
    found = [
        by_weeks_and_stores(PairedErrors.of(_backtest(APART, seed=seed), "one", "other"))
        for seed in range(40)
    ]
    assert found.count("open") >= 35


def test_with_windows_apart_the_interval_is_students_over_the_windows_differences() -> None:
    backtest = _backtest(APART, stores=1)
    found = compare(backtest, "one", "other")
    rows = backtest.assign(error=(backtest["turnover"] - backtest["forecast"]).abs())
    wapes = (
        rows.groupby(["method", "cutoff"])["error"].sum()
        / rows.groupby(["method", "cutoff"])["turnover"].sum()
    )
    gaps = (wapes["one"] - wapes["other"]).to_numpy()
    standard_error = gaps.std(ddof=1) / np.sqrt(6)
    assert found.wape == pytest.approx(gaps.mean())
    assert found.standard_error == pytest.approx(standard_error)
    assert found.high == pytest.approx(gaps.mean() + stats.t.ppf(0.975, 5) * standard_error)
    assert found.detectable == pytest.approx((stats.t.ppf(0.975, 5) + stats.t.ppf(0.8, 5)) * standard_error)


def test_the_detectable_difference_is_found_eight_times_in_ten() -> None:
    variants = Variants.of(_backtest(ROLLING), "one", "other")
    rng = np.random.default_rng(1)
    looks = [variants.swapped("week", rng).difference() for _ in range(50)]
    gain = float(np.mean([look.detectable / look.other for look in looks]))
    assert share_better(variants, "week", by_weeks_and_stores, 400, 2, gain) == pytest.approx(0.8, abs=0.08)
    needed = looks[0].weeks_needed(looks[0].detectable / looks[0].other)
    assert needed == pytest.approx(looks[0].weeks, abs=1)


def test_weeks_that_all_stores_share_count_once() -> None:
    once = _backtest(APART, stores=1)
    copies = [once.assign(store=number) for number in range(10)]
    few, many = (compare(rows, "one", "other") for rows in (once, pd.concat(copies)))
    assert few.standard_error == pytest.approx(many.standard_error)
    assert many.effective_weeks <= many.weeks == 48


def test_one_window_tells_nothing_of_chance() -> None:
    found = compare(_backtest(APART[:1]), "one", "other")
    assert found.verdict == "open"
    assert (found.low, found.high) == (-np.inf, np.inf)
    assert found.p_worse() == 1
    assert found.weeks_needed(0.02) is None


def test_two_methods_on_other_rows_or_with_other_turnover_are_not_compared() -> None:
    backtest = _backtest(APART, stores=3)
    with pytest.raises(InputError, match=r"1 of 288 differ \(e\.g\. store 0, department 88, week 2015-01-10"):
        compare(backtest.iloc[1:], "one", "other")
    twice = pd.concat([backtest, backtest.iloc[:1]])
    with pytest.raises(InputError, match="there twice"):
        compare(twice, "one", "other")


def test_sums_are_compared_by_weeks_alone() -> None:
    backtest = _backtest(APART)
    total = PairedErrors.of(backtest, "one", "other", by=[])
    assert len(total.own) == 48
    assert total.store is None
    assert total.difference().degrees_of_freedom == 5


def test_observations_that_do_not_depend_on_each_other_are_compared_by_students_test() -> None:
    rng = np.random.default_rng(7)
    actuals = np.full(40, 10.0)
    own, other = rng.normal(0, 3, 40), rng.normal(0, 3, 40)
    found = compare_observations(own, other, actuals)
    gaps = (np.abs(own) - np.abs(other)) / 10
    assert found.wape == pytest.approx(gaps.mean())
    assert found.p_worse() == pytest.approx(stats.ttest_1samp(gaps, 0, alternative="greater").pvalue)


def test_diebold_mariano_takes_weeks_of_overlapping_windows_together() -> None:
    rolling = PairedErrors.of(_backtest(ROLLING), "one", "other")
    assert (rolling.folds, rolling.apart) == (40, 20)
    assert rolling.difference().degrees_of_freedom == 10
    weeks = np.unique(rolling.week)
    gaps = np.bincount(rolling.week, rolling.own - rolling.other)[weeks]
    centred = gaps - gaps.mean()
    lags = [centred[lag:] @ centred[: len(centred) - lag] * (1 - lag / 16) for lag in range(16)]
    long_run = (lags[0] + 2 * sum(lags[1:])) / len(weeks)
    assert diebold_mariano(rolling).statistic == pytest.approx(gaps.mean() / np.sqrt(long_run / len(weeks)))


@pytest.mark.parametrize("windows", [2, 5, 13])
def test_windows_in_which_a_part_sold_nothing_are_no_evidence(windows: int) -> None:
    called = 0
    for seed in range(200):
        rng = np.random.default_rng(seed)
        fold = np.repeat(np.arange(20), 10)
        sold = np.repeat(np.arange(20) >= 20 - windows, 10)
        own, other = (10 + rng.normal(0, 2, 20).repeat(10) + rng.normal(0, 1, 200) for _ in range(2))
        store = np.tile(np.arange(10), 20)
        errors = PairedErrors(
            *(own * sold, other * sold, 100.0 * sold), week=10 * fold, fold=fold, folds=20, store=store
        )
        called += errors.difference().verdict != "open"
    assert called <= stats.binom.ppf(0.999, 200, 0.05)


def test_a_part_that_was_there_in_one_window_is_unknown() -> None:
    backtest = _backtest(APART)
    errors = PairedErrors.of(backtest, "one", "other")
    found = errors.where((errors.fold == 5) & (errors.store == 3)).difference()
    assert found.standard_error == np.inf
    assert found.p_worse() == 1
