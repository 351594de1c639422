"""A challenger is promoted only if it is better beyond chance, nowhere much worse, and as well covered."""

import json

import numpy as np
import pandas as pd
import pytest

from sales_forecast.forecasting.evaluation.gate import (
    DieboldMarianoResult,
    GateParams,
    GateResult,
    judge,
    same_rows,
)
from sales_forecast.forecasting.evaluation.significance import compare, compare_errors, diebold_mariano

CUTOFFS = pd.to_datetime(["2016-10-01", "2017-02-25"])
STORES = pd.DataFrame({"store": range(40), "region": ["north", "south"] * 20, "zone": "1"})
GATE = GateParams(
    level="series", part_worse_by_at_most=0.05, coverage_lost_at_most=0.02, bootstrap_draws=500, seed=1
)


def _rows(noise: float, seed: int = 0, half_width: float = 30.0) -> pd.DataFrame:
    """Forty stores with two departments over two windows of eight weeks; normal errors of so much."""
    keys = pd.MultiIndex.from_product(
        [CUTOFFS, STORES["store"], [88, 117], range(1, 9)], names=["cutoff", "store", "department", "horizon"]
    ).to_frame(index=False)
    errors = np.random.default_rng(seed).normal(0, noise, len(keys))
    rows = keys.assign(
        week=keys["cutoff"] + pd.to_timedelta(7 * keys["horizon"], unit="D"), turnover=100.0
    ).assign(forecast=100 + errors)
    for share, half in ((80, half_width), (95, 1.5 * half_width)):
        rows[f"lo_{share}"], rows[f"hi_{share}"] = rows["forecast"] - half, rows["forecast"] + half
    return rows


def test_a_clearly_better_model_is_promoted_with_the_figures():
    found = judge(_rows(10, seed=1), _rows(20, seed=2), STORES, GATE)
    assert found.promote
    assert found.difference.high < 0
    assert found.difference.low < found.difference.wape < found.difference.high
    assert 0 < found.difference.detectable < 0.02
    gap = found.wape.challenger - found.wape.champion
    assert gap == pytest.approx(found.difference.wape)
    assert found.diebold_mariano.statistic < -2
    assert found.diebold_mariano.p_value < 0.05
    assert {part.value for part in found.parts} == {"88", "117", "north", "south"}


def test_a_decision_is_json_without_nan_and_is_read_back():
    found = judge(_rows(20), _rows(20), STORES, GATE)
    written = found.model_dump(mode="json")
    assert list(written) == [
        *(
            "promote",
            "reasons",
            "level",
            "wape",
            "difference",
            "diebold_mariano",
            "coverage",
            "parts",
            "windows",
        )
    ]
    assert list(written["parts"][0]) == ["by", "value", "challenger", "champion", "worse_by"]
    assert written["windows"] == ["2016-10-01", "2017-02-25"]
    assert GateResult(**json.loads(json.dumps(written, allow_nan=False))) == found


def test_a_difference_that_may_be_chance_is_not_enough():
    found = judge(_rows(20, seed=1), _rows(20, seed=2), STORES, GATE)
    assert not found.promote
    assert found.reasons == ("its WAPE of series is not better beyond chance",)


def test_the_same_forecasts_are_no_reason_to_change():
    found = judge(_rows(20), _rows(20), STORES, GATE)
    assert not found.promote
    assert found.difference.wape == 0
    assert found.diebold_mariano == DieboldMarianoResult(statistic=None, p_value=None)


@pytest.mark.parametrize(("column", "value"), [("department", 117), ("region", "south")])
def test_a_part_that_gets_much_worse_prevents_promotion(column, value):
    challenger = _rows(5, seed=1).merge(STORES, on="store")
    challenger.loc[challenger[column] == value, "forecast"] += 45
    challenger = challenger.drop(columns=["region", "zone"])
    found = judge(challenger, _rows(40, seed=2), STORES, GATE)
    loose = GATE.model_copy(update={"part_worse_by_at_most": 9.0, "coverage_lost_at_most": 1.0})
    assert not found.promote
    assert any(f"most of all {column} {value} (" in reason for reason in found.reasons)
    assert judge(challenger, _rows(40, seed=2), STORES, loose).promote


def test_a_model_whose_intervals_hold_too_few_weeks_is_not_promoted():
    found = judge(_rows(10, seed=1, half_width=2), _rows(20, seed=2), STORES, GATE)
    assert not found.promote
    assert "its 80 % intervals hold" in found.reasons[0]


def test_at_a_higher_level_errors_of_stores_may_even_out():
    together = GATE.model_copy(update={"level": "total"})
    challenger, champion = _rows(30, seed=1), _rows(20, seed=2)
    champion["forecast"] += 8  # small, but all to one side
    champion[["lo_80", "hi_80", "lo_95", "hi_95"]] += 8
    assert judge(challenger, champion, STORES, GATE).difference.wape > 0
    assert judge(challenger, champion, STORES, together).difference.high < 0


def test_rows_are_the_same_whatever_their_order_and_not_if_actual_turnover_has_changed():
    rows = _rows(10)
    assert same_rows(rows, rows.sample(frac=1, random_state=1))
    assert not same_rows(rows, rows.assign(turnover=101.0))
    assert not same_rows(rows, rows.iloc[1:])


def test_errors_of_single_observations_are_compared_as_stores_of_one_row_are():
    both = pd.concat([_rows(10, seed=1).assign(method="a"), _rows(12, seed=2).assign(method="b")])
    first = both[(both["week"] == both["week"].min()) & (both["department"] == both["department"].min())]
    own, other = (first[first["method"] == name].sort_values("store") for name in ("a", "b"))
    by_store = compare(first, "a", "b", 200, 1)
    by_observation = compare_errors(
        *((rows["turnover"] - rows["forecast"]).to_numpy() for rows in (own, other)),
        own["turnover"].to_numpy(),
        200,
        1,
    )
    assert len(own) == by_store.clusters
    assert by_observation.wape == pytest.approx(by_store.wape)
    assert (by_observation.low, by_observation.high) == pytest.approx((by_store.low, by_store.high))


def test_half_of_all_differences_without_substance_are_on_either_side_and_few_beyond_the_interval():
    beyond = 0
    for seed in range(60):
        both = pd.concat(
            [_rows(20, seed=seed).assign(method="a"), _rows(20, seed=900 + seed).assign(method="b")]
        )
        beyond += compare(both, "a", "b", 200, seed).verdict != "open"
    assert beyond <= 9  # 5 % of 60 are 3


def test_diebold_mariano_is_the_t_statistic_where_weeks_have_nothing_to_do_with_each_other():
    one, two = (_rows(noise, seed=seed) for noise, seed in ((10, 1), (12, 2)))
    both = pd.concat([one.assign(method="a"), two.assign(method="b")])
    both["cutoff"] = both["week"]  # each week a window of its own: no neighbours
    both["store"] = both["store"] + 100 * (both["horizon"] > 0)
    found = diebold_mariano(both, "a", "b")
    errors = both.assign(error=(both["turnover"] - both["forecast"]).abs())
    weekly = errors.pivot_table(index="week", columns="method", values="error", aggfunc="sum")
    gaps = (weekly["a"] - weekly["b"]).to_numpy()
    expected = gaps.mean() / np.sqrt(gaps.var() / len(gaps))
    assert found.statistic == pytest.approx(expected)
    assert diebold_mariano(both, "b", "a").statistic == pytest.approx(-expected)
