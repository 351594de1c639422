"""What overrides were worth: found where it is there, and not where it is not."""

from math import isnan
from typing import Any

import numpy as np
import pandas as pd
import pytest

from sales_forecast.planning.value_added import TOO_FEW, VALUE_COLUMNS, value_added


def shop(rng: np.random.Generator, help_: float, weeks: int = 26, series: int = 12) -> pd.DataFrame:
    """Weeks that were hard to foresee in all stores alike, and a planner who knows a share of what came.

    Args:
        rng: Source of chance.
        help_: Share of the model's error that overrides take away: 1 knows all, 0 nothing, below 0 does harm.
        weeks: Number of weeks.
        series: Series that are overridden in each week.
    """
    week = np.repeat(np.arange(weeks), series)
    shock = rng.normal(0, 15, weeks)[week] + rng.normal(0, 20, weeks * series)
    turnover = np.full(len(week), 100.0)
    forecast = turnover + shock
    luck = rng.normal(0, 10, len(week))
    planned = forecast - help_ * shock + (luck if help_ == 0 else 0)
    return pd.DataFrame(
        {
            "week": pd.Timestamp("2017-01-07") + pd.to_timedelta(7 * week, unit="D"),
            "turnover": turnover,
            "naive": turnover + 2 * shock,
            "forecast": forecast,
            "planned": planned,
            "reason": np.where(np.arange(len(week)) % 2, "event", "weather"),
        }
    )


def judged(rows: pd.DataFrame) -> dict[str, Any]:
    return dict(value_added(rows).iloc[0])


@pytest.mark.parametrize(
    ("help_", "verdict"),
    [
        (0.6, "overrides were better than the model"),
        (-0.6, "overrides were worse than the model"),
    ],
)
def test_planners_who_help_and_who_do_harm_are_told_apart(help_: float, verdict: str) -> None:
    found = judged(shop(np.random.default_rng(1), help_))
    assert found["verdict"] == verdict
    assert found["planned_gain"] == pytest.approx(help_ * found["model_wape"], rel=1e-6)
    assert found["model_gain"] == pytest.approx(found["model_wape"])  # naive has twice the error


def test_the_interval_covers_the_truth_as_often_as_it_says() -> None:
    """With shocks that all series of a week share, rows alone would make it far too narrow."""
    rng, runs = np.random.default_rng(2), 200
    truth = (
        0.3 * np.sqrt(2 / np.pi) * np.hypot(15, 20) / 100
    )  # the mean of |shock|, of which a share is avoided
    inside = sum(
        found["planned_gain_low"] <= truth <= found["planned_gain_high"]
        for found in (judged(shop(rng, 0.3)) for _ in range(runs))
    )
    assert 0.91 <= inside / runs <= 0.985


def useless(rng: np.random.Generator) -> pd.DataFrame:
    """Planner and model err alike, independently of each other: nothing is gained in the mean."""
    rows = shop(rng, 0.0)
    weeks = rows["week"].nunique()
    own = rng.normal(0, 15, weeks)[rows["week"].factorize()[0]] + rng.normal(0, 20, len(rows))
    return rows.assign(planned=rows["turnover"] + own)


def test_useless_overrides_are_seldom_called_useful_or_harmful() -> None:
    rng, runs = np.random.default_rng(3), 200
    wrong = sum(judged(useless(rng))["verdict"] != "no difference found" for _ in range(runs))
    assert 0.02 <= wrong / runs <= 0.085


def test_reasons_and_directions_are_told_apart() -> None:
    rows = shop(np.random.default_rng(4), 0.5)
    right = rows["reason"] == "event"
    rows["planned"] = np.where(right, rows["planned"], 2 * rows["forecast"] - rows["planned"])
    found = value_added(rows).set_index(["by", "group"])
    assert found.loc[("reason", "event"), "verdict"] == "overrides were better than the model"
    assert found.loc[("reason", "weather"), "verdict"] == "overrides were worse than the model"
    up = rows["planned"] > rows["forecast"]
    assert found.loc[("direction", "up"), "rows"] == up.sum()
    assert found.loc[("direction", "down"), "rows"] == (~up).sum()
    assert set(found.index.get_level_values("by")) == {"all", "reason", "direction"}


@pytest.mark.parametrize(("weeks", "series"), [(7, 12), (8, 3), (1, 100)])
def test_a_few_weeks_or_rows_are_too_few_to_say(weeks: int, series: int) -> None:
    found = judged(shop(np.random.default_rng(5), 0.9, weeks, series))
    assert found["verdict"] == TOO_FEW
    assert isnan(found["planned_gain_low"])
    assert isnan(found["planned_gain_high"])
    assert found["planned_gain"] > 0


def test_eight_weeks_with_thirty_rows_are_enough() -> None:
    assert (
        judged(shop(np.random.default_rng(5), 0.9, 8, 4))["verdict"] == "overrides were better than the model"
    )


def test_weeks_without_a_year_before_count_for_the_overrides_alone() -> None:
    rows = shop(np.random.default_rng(6), 0.5)
    known = rows["week"] < rows["week"].quantile(0.5)
    found = judged(rows.assign(naive=rows["naive"].where(known)))
    assert (found["naive_rows"], found["rows"]) == (known.sum(), len(rows))
    nothing = judged(rows.assign(naive=np.nan))
    assert isnan(nothing["naive_wape"])
    assert isnan(nothing["model_gain"])
    assert nothing["verdict"] == "overrides were better than the model"


def test_nobody_is_judged_where_nothing_was_overridden_or_sold() -> None:
    rows = shop(np.random.default_rng(7), 0.5)
    assert value_added(rows.iloc[:0]).empty
    assert list(value_added(rows.iloc[:0])) == VALUE_COLUMNS
    found = judged(rows.assign(turnover=0.0))
    assert isnan(found["planned_wape"])
    assert found["verdict"] == TOO_FEW


def test_no_person_is_named() -> None:
    assert not {"name", "key_id", "made_by", "person"} & set(VALUE_COLUMNS)
