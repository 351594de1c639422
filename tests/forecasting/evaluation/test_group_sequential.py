"""An experiment stops early only where repeated analyses do not invent the difference."""

from dataclasses import replace
from itertools import pairwise
from statistics import NormalDist

import numpy as np
import pandas as pd
import pytest
from pandas.testing import assert_frame_equal
from pydantic import ValidationError
from scipy import stats

from sales_forecast.errors import InputError
from sales_forecast.forecasting.evaluation.group_sequential import (
    ABParams,
    analyse,
    spend_alpha,
    verdict,
    weeks_until_seen,
)
from sales_forecast.forecasting.evaluation.significance import PairedErrors

EIGHT_WEEKS = ABParams(planned_weeks=8, alpha=0.05)


def _forecasts(
    challenger: float, champion: float, seed: int = 0, stores: int = 40, shock: float = 0
) -> pd.DataFrame:
    """Two departments over eight weeks; errors of so much on average, which differ by store and method.

    A shock is common to all stores of a week and method.
    """
    keys = pd.MultiIndex.from_product(
        [pd.date_range("2017-08-04", periods=8, freq="7D"), range(stores), [88, 117]],
        names=["week", "store", "department"],
    ).to_frame(index=False)
    rng = np.random.default_rng(seed)
    parts = []
    for method, noise in (("challenger", challenger), ("champion", champion)):
        scale = noise * np.exp(rng.normal(0, 0.3, stores))[keys["store"]]
        forecast = 100 + scale * rng.normal(size=len(keys))
        forecast += shock * rng.normal(size=8)[keys["week"].factorize()[0]]
        cutoff = keys["week"] - pd.Timedelta(weeks=1)
        parts.append(keys.assign(cutoff=cutoff, method=method, forecast=forecast, turnover=100.0))
    return pd.concat(parts, ignore_index=True)


def test_analyses_together_spend_alpha_and_each_more_than_the_one_before():
    parts = spend_alpha(EIGHT_WEEKS)
    assert len(parts) == 8
    assert sum(parts) == pytest.approx(0.05)
    assert all(earlier < later for earlier, later in pairwise(parts))


@pytest.mark.parametrize(
    "boundaries", [[2.963, 1.969], [4.333, 2.963, 2.359, 2.014], [4.877, 3.357, 2.680, 2.290, 2.031]]
)
def test_spending_is_what_the_published_boundaries_of_lan_and_demets_use_up(boundaries):
    # equal analyses, 0.05 two-sided, as printed by R's gsDesign and ldbounds: 0.025 is spent on each side
    analyses = len(boundaries)
    shares = np.arange(1, analyses + 1) / analyses
    alike = np.sqrt(np.minimum.outer(shares, shares) / np.maximum.outer(shares, shares))
    crossed = [
        1 - stats.multivariate_normal(cov=alike[:look, :look]).cdf(boundaries[:look])
        for look in range(1, analyses + 1)
    ]
    one_side = EIGHT_WEEKS.model_copy(update={"planned_weeks": analyses, "alpha": 0.025})
    assert np.cumsum(spend_alpha(one_side)) == pytest.approx(crossed, abs=5e-5)


def test_spending_follows_its_formula():
    normal = NormalDist()
    by_hand = [2 - 2 * normal.cdf(normal.inv_cdf(0.975) / (look / 8) ** 0.5) for look in range(1, 9)]
    assert np.cumsum(spend_alpha(EIGHT_WEEKS)) == pytest.approx(by_hand, abs=1e-9)


def test_an_analysis_pools_all_weeks_so_far():
    forecasts = _forecasts(10, 12)
    analyses = analyse(forecasts.sample(frac=1, random_state=1), EIGHT_WEEKS)
    third = forecasts[forecasts["week"] <= analyses[2].week]
    error = (third["forecast"] - third["turnover"]).abs().groupby(third["method"]).sum()
    sold = third["turnover"].groupby(third["method"]).sum()
    assert [analysis.week for analysis in analyses] == list(forecasts["week"].unique())
    assert analyses[2].challenger == pytest.approx(error["challenger"] / sold["challenger"])
    assert analyses[2].champion == pytest.approx(error["champion"] / sold["champion"])
    assert analyses[2].difference == pytest.approx(analyses[2].challenger - analyses[2].champion)
    assert analyses[2].stores == 40


def test_the_interval_has_the_level_of_its_analysis():
    forecasts = _forecasts(10, 12)
    last = analyse(forecasts, EIGHT_WEEKS)[-1]
    errors = PairedErrors.of(forecasts, "challenger", "champion")
    found = replace(errors, pooled=True).difference()
    assert found.degrees_of_freedom == 7
    student = stats.t.ppf(1 - last.alpha_spent / 2, df=7) * found.standard_error
    assert last.high - last.difference == pytest.approx(student)
    assert last.difference - last.low == pytest.approx(student)


@pytest.mark.parametrize("shock", [0, 20])
def test_weekly_analyses_find_no_more_than_alpha_where_there_is_no_difference(shock):
    experiments, found, by_stores = 150, 0, 0
    for seed in range(experiments):
        forecasts = _forecasts(10, 10, seed, shock=shock)
        found += verdict(analyse(forecasts, EIGHT_WEEKS), EIGHT_WEEKS) != "no difference found"
        gaps = forecasts.assign(error=(forecasts["forecast"] - 100).abs()).pivot_table(
            index="store", columns="method", values="error"
        )
        by_stores += stats.ttest_rel(gaps["challenger"], gaps["champion"]).pvalue < EIGHT_WEEKS.alpha
    assert found <= stats.binom.ppf(0.99, experiments, EIGHT_WEEKS.alpha)
    if shock:  # a test over stores would declare a winner almost always
        assert by_stores > 0.5 * experiments


def test_weeks_that_were_predicted_at_one_time_are_one_piece_of_evidence():
    params = EIGHT_WEEKS.model_copy(update={"planned_weeks": 16})
    found = 0
    for seed in range(60):
        rng = np.random.default_rng(seed)
        weeks = [_forecasts(5, 5, seed), _forecasts(5, 5, 500 + seed)]
        weeks[1]["week"] += pd.Timedelta(weeks=8)
        forecasts = pd.concat(weeks, ignore_index=True)
        first = forecasts["week"].min()
        origin = (forecasts["week"] - first).dt.days // 56
        shock = pd.Series(
            rng.normal(0, 9, 4), pd.MultiIndex.from_product([[0, 1], ["challenger", "champion"]])
        )
        of_origin = shock.loc[list(zip(origin, forecasts["method"], strict=True))].to_numpy()
        asked = forecasts.assign(
            cutoff=first + pd.to_timedelta(56 * origin - 7, unit="D"),
            forecast=forecasts["forecast"] + 12 + of_origin,
        )
        found += verdict(analyse(asked, params), params) != "no difference found"
    assert found <= stats.binom.ppf(0.99, 60, params.alpha)


def test_a_clearly_better_challenger_is_found_before_the_planned_end():
    analyses = analyse(_forecasts(10, 15), EIGHT_WEEKS)
    decided = [verdict(analyses[: week + 1], EIGHT_WEEKS) for week in range(8)]
    assert decided[0] == "go on"  # the first analysis has almost no alpha to spend
    assert decided[6:] == ["challenger is better"] * 2
    assert verdict(analyse(_forecasts(20, 10), EIGHT_WEEKS)[:5], EIGHT_WEEKS) == "champion is better"


def test_the_first_decision_stands_whatever_the_later_weeks_show():
    analyses = analyse(_forecasts(20, 10), EIGHT_WEEKS)
    turned = [*analyses[:5], *(replace(look, low=-0.2, high=-0.1) for look in analyses[5:])]
    assert verdict(turned, EIGHT_WEEKS) == "champion is better"


def test_equal_models_go_on_to_the_planned_end_and_no_further():
    forecasts = _forecasts(10, 10)
    forecasts["forecast"] = 110.0
    analyses = analyse(forecasts, EIGHT_WEEKS)
    short = EIGHT_WEEKS.model_copy(update={"planned_weeks": 3})
    assert {(look.difference, look.low, look.high) for look in analyses[1:]} == {(0.0, 0.0, 0.0)}
    assert verdict(analyses[:7], EIGHT_WEEKS) == "go on"
    assert verdict(analyses, EIGHT_WEEKS) == "no difference found"
    assert len(analyse(forecasts, short)) == 3
    assert verdict(analyse(forecasts, short), short) == "no difference found"


def test_departments_of_a_store_are_no_new_evidence():
    forecasts = _forecasts(10, 12)
    copied = pd.concat(
        [forecasts, forecasts.assign(department=forecasts["department"] + 1)], ignore_index=True
    )
    fields = ["difference", "low", "high"]
    once, twice = (pd.DataFrame(analyse(rows, EIGHT_WEEKS))[fields] for rows in (forecasts, copied))
    assert_frame_equal(once, twice)


def test_a_larger_alpha_narrows_the_interval():
    forecasts = _forecasts(10, 12)
    last, bold = (
        analyse(forecasts, EIGHT_WEEKS.model_copy(update=change))[-1] for change in ({}, {"alpha": 0.2})
    )
    assert bold.high - bold.low < last.high - last.low


def test_one_week_decides_nothing_however_clear_it_looks():
    first = analyse(_forecasts(1, 50), EIGHT_WEEKS)[0]
    assert (first.low, first.high) == (-np.inf, np.inf)


@pytest.mark.parametrize("planned", [1, 1000])
def test_an_experiment_may_be_planned_for_one_week_or_for_twenty_years(planned):
    params = EIGHT_WEEKS.model_copy(update={"planned_weeks": planned})
    analyses = analyse(_forecasts(10, 20), params)
    assert len(analyses) == min(planned, 8)
    assert not np.isnan([analyses[-1].low, analyses[-1].high]).any()
    assert analyses[0].alpha_spent == pytest.approx(0.05 if planned == 1 else 0)


def test_rows_of_only_one_method_are_no_comparison():
    forecasts = _forecasts(10, 12)
    alone = forecasts.drop(index=forecasts.index[3])
    with pytest.raises(InputError, match=r"1 of 640 .*\(e\.g\. store 1, department 117, week 2017-08-04\)"):
        analyse(alone, EIGHT_WEEKS)
    with pytest.raises(InputError, match="640 of 640"):
        analyse(forecasts[forecasts["method"] == "champion"], EIGHT_WEEKS)
    with pytest.raises(InputError, match="640 of 640"):
        analyse(pd.concat([forecasts, forecasts]), EIGHT_WEEKS)


@pytest.mark.parametrize(
    ("column", "value"), [("forecast", np.nan), ("turnover", np.nan), ("turnover", 101.0)]
)
def test_a_missing_value_does_not_count_as_a_perfect_forecast(column, value):
    forecasts = _forecasts(10, 12)
    forecasts.loc[3, column] = value
    with pytest.raises(InputError, match="1 of 640"):
        analyse(forecasts, EIGHT_WEEKS)


def test_before_the_first_turnover_there_is_nothing_to_compare():
    with pytest.raises(InputError, match="nothing to compare yet"):
        analyse(_forecasts(10, 12).iloc[:0], EIGHT_WEEKS)
    assert verdict([], EIGHT_WEEKS) == "go on"


@pytest.mark.parametrize("change", [{"planned_weeks": 0}, {"alpha": 0.0}, {"alpha": 0.5}, {"seed": 8}])
def test_parameters_without_sense_are_refused(change):
    with pytest.raises(ValidationError):
        ABParams(**EIGHT_WEEKS.model_dump() | change)
    with pytest.raises(ValidationError, match="alpha"):
        ABParams(planned_weeks=8)


def _weekly(weeks: int, gain: float, rng: np.random.Generator) -> PairedErrors:
    """One store whose weekly errors differ by chance, and by a share."""
    own, other = (10 + rng.normal(0, 1, weeks) for _ in range(2))
    number = np.arange(weeks)
    return PairedErrors(
        *((1 - gain) * own, other, np.full(weeks, 100.0), number, number),
        folds=weeks,
        pooled=True,
    )


def test_the_length_of_an_experiment_is_that_in_which_most_experiments_see_the_difference():
    rng = np.random.default_rng(1)
    past = _weekly(2000, 0.0, rng).difference()
    weeks = weeks_until_seen(past, EIGHT_WEEKS, gain=0.1)
    alpha = spend_alpha(EIGHT_WEEKS.model_copy(update={"planned_weeks": weeks}))[-1]
    found = [
        (look := _weekly(weeks, 0.1, rng).difference()).wape + look.half_width(alpha) < 0 for _ in range(300)
    ]
    assert np.mean(found) == pytest.approx(0.8, abs=0.1)
    assert weeks_until_seen(past, EIGHT_WEEKS, gain=0.05) > 2 * weeks
    assert weeks_until_seen(past, EIGHT_WEEKS, gain=0.001) is None
    same = _weekly(20, 0.0, rng)
    assert weeks_until_seen(replace(same, other=same.own).difference(), EIGHT_WEEKS, gain=0.02) is None
