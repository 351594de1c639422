"""Scenarios: each series as its quantiles say, sums as wide as what the series have in common makes them."""

import numpy as np
import pandas as pd
import pytest

from sales_forecast.forecasting.intervals.conformal import QUANTILES, HalfWidths, learn_from_errors, quantiles
from sales_forecast.forecasting.intervals.scenarios import (
    Dependence,
    learn_dependence,
    normal_scores,
    sample_scenarios,
)

SHARE = 0.1
TRUTH = Dependence(week=0.2, department=0.15, store=0.1, persistence=0.6)


def _index(windows: int, stores: int = 30, departments: int = 4, weeks: int = 8) -> pd.DataFrame:
    keys = pd.MultiIndex.from_product(
        [
            pd.date_range("2015-01-03", periods=windows, freq="56D"),
            range(stores),
            range(departments),
            range(1, weeks + 1),
        ],
        names=["cutoff", "store", "department", "horizon"],
    )
    rows = keys.to_frame(index=False)
    rows["week"] = rows["cutoff"] + pd.to_timedelta(7 * rows["horizon"], unit="D")
    size = np.random.default_rng(1).lognormal(6, 1, (stores, departments))[rows["store"], rows["department"]]
    return rows.assign(forecast=size, mean_week=size, weight=1.0)


def _half_widths() -> HalfWidths:
    rows = _index(4)
    noise = np.random.default_rng(2).normal(0, 1.5, len(rows))
    turnover = np.maximum(np.sqrt(rows["forecast"] * 1.1) + noise, 0) ** 2 - SHARE * rows["forecast"]
    return learn_from_errors(rows.assign(turnover=turnover.clip(lower=0)), SHARE)


@pytest.fixture(scope="module")
def half_widths() -> HalfWidths:
    return _half_widths()


def _windows(half_widths: HalfWidths, windows: int, seed: int = 0) -> pd.DataFrame:
    """Past windows whose turnover is one scenario each."""
    rows = _index(windows)
    parts = [
        part.assign(
            turnover=sample_scenarios(part, part["mean_week"], half_widths, TRUTH, 1, seed + number)[:, 0]
        )
        for number, (_, part) in enumerate(rows.groupby("cutoff"))
    ]
    return pd.concat(parts, ignore_index=True)


def test_each_row_alone_is_distributed_as_its_quantiles_say(half_widths):
    rows = _index(1)
    drawn = sample_scenarios(rows, rows["mean_week"], half_widths, TRUTH, 4000, seed=3)
    expected = quantiles(rows, rows["mean_week"], half_widths)
    below = {name: (drawn <= expected[[name]].to_numpy()).mean() for name in QUANTILES}
    assert below == pytest.approx(QUANTILES, abs=0.02)
    assert drawn.min() >= 0


def test_the_dependence_that_was_put_in_is_found_again(half_widths):
    found = learn_dependence(_windows(half_widths, 60), half_widths)
    assert found.model_dump() == pytest.approx(TRUTH.model_dump(), abs=0.06)


def test_independent_errors_have_nothing_in_common(half_widths):
    rows = _index(40)
    alone = sample_scenarios(rows, rows["mean_week"], half_widths, Dependence(), 1, seed=5)[:, 0]
    found = learn_dependence(rows.assign(turnover=alone), half_widths)
    assert max(found.model_dump().values()) < 0.03


def test_sums_fall_into_the_intervals_of_summed_scenarios(half_widths):
    """Also over the whole window, and of a department; without the dependence they would be far too narrow."""
    past = _windows(half_widths, 60)
    learned = learn_dependence(past, half_widths)
    coming = _windows(half_widths, 60, seed=1000)
    held, naive = [], []
    for number, (_, rows) in enumerate(coming.groupby("cutoff")):
        for groups in (["week"], ["department"], ["department", "week"]):
            actual = rows.groupby(groups)["turnover"].sum().to_numpy()
            group = rows.groupby(groups).ngroup().to_numpy()
            for dependence, inside in ((learned, held), (Dependence(), naive)):
                drawn = sample_scenarios(rows, rows["mean_week"], half_widths, dependence, 300, seed=number)
                sums = np.zeros((group.max() + 1, 300))
                np.add.at(sums, group, drawn)
                low, high = np.quantile(sums, [0.1, 0.9], axis=1)
                inside.extend((low <= actual) & (actual <= high))
    assert 0.74 < np.mean(held) < 0.86
    assert np.mean(naive) < 0.5


def test_a_seed_draws_the_same_scenarios_and_another_one_others(half_widths):
    rows = _index(1, stores=3)
    one, again, other = (
        sample_scenarios(rows, rows["mean_week"], half_widths, TRUTH, 5, seed) for seed in (1, 1, 2)
    )
    np.testing.assert_array_equal(one, again)
    assert not np.array_equal(one, other)


def test_scores_are_positions_in_the_distribution(half_widths):
    rows = _index(1)
    table = quantiles(rows, rows["mean_week"], half_widths)
    for name, score in (("q50", 0.0), ("q90", 1.2816), ("q10", -1.2816), ("q25", -0.6745)):
        found = normal_scores(rows.assign(turnover=table[name]), half_widths)
        positive = table[name].to_numpy() > 0
        np.testing.assert_allclose(found[positive], score, atol=1e-2)
