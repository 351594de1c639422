"""What policies would have cost: by hand, and by simulation where the truth is known."""

import numpy as np
import pandas as pd
import pytest
from scipy import stats

from sales_forecast.forecasting.intervals.conformal import QUANTILES
from sales_forecast.planning.staffing import StaffingRule
from sales_forecast.planning.staffing_backtest import QUANTILE, PolicyCost, compare_policies, with_last_year

RULE = StaffingRule(
    minimum_cover_hours=0, fixed_hours=2, productivity=100, cost_missing=3, cost_idle=1, shift_hours=1
)
WEEK = pd.Timestamp("2017-01-07")
ZS = {name: stats.norm.ppf(probability) for name, probability in QUANTILES.items()}


def costs(rows: pd.DataFrame, rule: StaffingRule = RULE) -> dict[str, PolicyCost]:
    found = compare_policies(rows, dict.fromkeys(rows["department"].astype(str), rule))
    return {cost.policy: cost for cost in found}


def by_hand() -> pd.DataFrame:
    """Two weeks that need 12 and 7 hours; the quantile at 3 : 1 plans 10 each, last year 12, the median 8."""
    rows = pd.DataFrame({"cutoff": [WEEK, WEEK + pd.Timedelta(weeks=8)], "store": 1, "department": 88})
    rows = rows.assign(week=rows["cutoff"] + pd.Timedelta(weeks=1), turnover=[1000.0, 500.0])
    distribution = {name: 600.0 + 800 * max(probability - 0.5, 0) for name, probability in QUANTILES.items()}
    return rows.assign(forecast=600.0, last_year=1000.0, **distribution)


def test_costs_are_those_of_missing_and_idle_hours() -> None:
    found = costs(by_hand())
    quantile = found[QUANTILE]
    assert (quantile.planned, quantile.missing, quantile.idle) == (20 / 19, 2 / 19, 3 / 19)
    assert quantile.cost == (3 * 2 + 1 * 3) / 19
    assert found["last_year"].cost == 5 / 19
    assert found["median"].cost == (3 * 4 + 1) / 19
    assert found["mean"].planned == pytest.approx(2 * 9.0 / 19)  # 690 on average: 8.9 hours
    assert found["last_year"].difference.wape == pytest.approx(4 / 19)
    assert quantile.difference.wape == 0


def test_each_cost_counts() -> None:
    dear = costs(by_hand(), RULE.model_copy(update={"cost_missing": 6.0, "cost_idle": 2.0}))
    assert dear[QUANTILE].cost == 2 * costs(by_hand())[QUANTILE].cost


def test_rows_without_last_year_are_left_out() -> None:
    rows = pd.DataFrame({"store": [1, 2], "department": 88, "week": WEEK, "turnover": 5.0})
    year = pd.Timedelta(weeks=52)
    panel = rows.assign(week=WEEK - year, turnover=[7.0, None])
    assert with_last_year(rows, panel)[["store", "last_year"]].to_numpy().tolist() == [[1, 7.0]]


# --- by simulation -----------------------------------------------------------------------------------


def simulated(rng: np.random.Generator, windows: int = 26, stores: int = 30) -> pd.DataFrame:
    """Weeks whose turnover is drawn from the distribution that was forecast; weeks shake all stores alike.

    Half of the variance is common to all stores of a week, so that rows are not independent.
    """
    cutoffs = WEEK + 8 * pd.Timedelta(weeks=1) * np.arange(windows)
    index = pd.MultiIndex.from_product(
        [cutoffs, range(1, 9), range(stores)], names=["cutoff", "ahead", "store"]
    )
    rows = index.to_frame(index=False).assign(department=88)
    rows["week"] = rows["cutoff"] + pd.to_timedelta(7 * rows["ahead"], unit="D")
    spread, size = 0.35, rng.lognormal(7, 0.4, stores)[rows["store"]]
    common = np.repeat(rng.normal(size=8 * windows), stores)
    shock = (common + rng.normal(size=len(rows))) / np.sqrt(2)
    last_year = size * np.exp(spread * rng.normal(size=len(rows)))
    distribution = {name: size * np.exp(spread * z) for name, z in ZS.items()}
    turnover = size * np.exp(spread * shock)
    return rows.assign(turnover=turnover, forecast=size, last_year=last_year, **distribution)


def test_where_the_forecast_distribution_is_true_the_critical_ratio_is_the_cheapest_plan() -> None:
    rows = simulated(np.random.default_rng(1), windows=100)
    for missing in (1.0, 2.0, 3.0):
        found = costs(rows, RULE.model_copy(update={"cost_missing": missing, "shift_hours": 0.01}))
        cheapest = min(found.values(), key=lambda cost: cost.cost)
        assert cheapest.policy == QUANTILE or cheapest.cost == pytest.approx(found[QUANTILE].cost)
        assert found["last_year"].difference.high < 0


def test_the_interval_of_the_difference_covers_the_truth_as_often_as_it_says() -> None:
    rng, times = np.random.default_rng(2), 300
    fine = RULE.model_copy(update={"shift_hours": 0.01})
    truth = {
        policy: float(
            np.mean([costs(simulated(rng, 200, 10), fine)[policy].difference.wape for _ in range(20)])
        )
        for policy in ("median", "last_year")
    }
    inside = dict.fromkeys(truth, 0)
    for _ in range(times):
        found = costs(simulated(rng, windows=13, stores=10), fine)
        for policy, true in truth.items():
            inside[policy] += found[policy].difference.low < true < found[policy].difference.high
    for policy, count in inside.items():
        assert 0.91 <= count / times <= 0.99, (policy, count)
