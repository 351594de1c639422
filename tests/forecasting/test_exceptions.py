"""The few series that deserve a planner's eye."""

from typing import Any

import numpy as np
import pandas as pd
import pytest

from sales_forecast.forecasting.changes import no_changes
from sales_forecast.forecasting.exceptions import (
    EXCEPTION_COLUMNS,
    KINDS,
    ExceptionParams,
    find_exceptions,
    join_turnover,
)

AHEAD = pd.date_range("2017-10-07", periods=8, freq="7D")
PAST = pd.date_range(end="2017-09-30", periods=8, freq="7D")
PARAMS = ExceptionParams(most=3)


def ahead(forecast: float, width: float, store: int = 1, **changes: Any) -> pd.DataFrame:
    keys = {"store": store, "department": 88, "week": AHEAD, "forecast": forecast}
    ends = {"lo_80": forecast - width / 2, "hi_80": forecast + width / 2, "cold_start": False}
    return pd.DataFrame(keys | ends | changes)


def recent(turnover: list[float], store: int = 1, forecast: float = 100.0) -> pd.DataFrame:
    """Weeks that were forecast at 100, give or take 20."""
    weeks = PAST[-len(turnover) :]
    keys = {"store": store, "department": 88, "week": weeks, "forecast": forecast}
    return pd.DataFrame(keys | {"lo_80": forecast - 20, "hi_80": forecast + 20, "turnover": turnover})


NOTHING = recent([100.0])[:0]


def only(
    forecasts: pd.DataFrame, past: pd.DataFrame = NOTHING, changes: pd.DataFrame | None = None
) -> dict[str, Any]:
    (found,) = find_exceptions(forecasts, past, no_changes() if changes is None else changes, PARAMS).to_dict(
        "records"
    )
    return found


def test_what_is_at_stake_is_the_width_of_the_next_weeks_and_comes_first() -> None:
    rows = pd.concat([ahead(100, 10, 1), ahead(100, 30, 2), ahead(1000, 20, 3), ahead(100, 5, 4)])
    found = find_exceptions(rows, NOTHING, no_changes(), PARAMS)
    assert found["store"].tolist() == [2, 3, 1]
    assert found["money_at_risk"].tolist() == [120.0, 80.0, 40.0]
    assert list(found.columns) == EXCEPTION_COLUMNS


def test_weeks_outside_their_intervals_make_a_series_more_urgent() -> None:
    rows = pd.concat([ahead(100, 10, 1), ahead(100, 14, 2)])
    past = pd.concat([recent([150.0] * 4 + [50.0] * 4, 1), recent([100.0] * 8, 2)])
    found = find_exceptions(rows, past, no_changes(), PARAMS)
    assert found["store"].tolist() == [1, 2]
    assert found["reason"].iloc[0] == "8 of the last 8 weeks were outside their 80 % intervals"


def test_one_missed_week_alone_makes_nothing_urgent() -> None:
    rows = pd.concat([ahead(100, 10, 1), ahead(100, 14, 2)])
    found = find_exceptions(rows, recent([500.0], 1), no_changes(), PARAMS)
    assert found["store"].tolist() == [2, 1]


TOO_HIGH = [90.0, 85.0, 95.0, 88.0, 91.0, 90.0, 93.0, 89.0]


@pytest.mark.parametrize(
    ("forecasts", "past", "kind", "reason"),
    [
        (ahead(100, 10), recent([0.0] * 8), "silent", "nothing sold in the last 8 weeks, 400 are forecast"),
        (
            ahead(100, 10, cold_start=True),
            NOTHING,
            "cold_start",
            "too young for a past of its own: forecast from",
        ),
        (
            ahead(100, 10),
            recent([150.0] * 3 + [50.0] * 2 + [99.0] * 3),
            "intervals_missed",
            "5 of the last 8 weeks",
        ),
        (ahead(100, 10), recent(TOO_HIGH), "biased", "forecasts of the last 8 weeks were 79 too high in sum"),
        (
            ahead(100, 10),
            recent([110.0] * 8),
            "biased",
            "forecasts of the last 8 weeks were 80 too low in sum",
        ),
        (
            ahead(100, 10),
            recent([0.0] * 3),
            "large",
            "among the largest sums: 400 are forecast for the 4 weeks from 2017-10-07",
        ),
        (ahead(100, 10), recent([99.0, 101.0] * 4), "large", "among the largest sums"),
        (ahead(0.0, 1.0), recent([0.0] * 8, forecast=0.0), "large", "among the largest sums: 0 are forecast"),
    ],
)
def test_each_exception_says_why(forecasts: pd.DataFrame, past: pd.DataFrame, kind: str, reason: str) -> None:
    found = only(forecasts, past)
    assert found["kind"] == kind
    assert found["reason"].startswith(reason)
    assert kind in KINDS


@pytest.mark.parametrize(
    ("before", "kind", "reason"),
    [
        (70.0, "changed", "the forecast of the same weeks moved by +120 (+43%)"),
        (0.0, "changed", "the forecast of the same weeks moved by +400 (from nothing)"),
        (90.0, "large", "among the largest sums"),
    ],
)
def test_a_forecast_that_moved_far_is_told(before: float, kind: str, reason: str) -> None:
    moved = ahead(100, 10)[["store", "department", "week"]].assign(before=before, after=100.0)
    found = only(ahead(100, 10), changes=moved)
    assert (found["kind"], found["reason"][: len(reason)]) == (kind, reason)


def test_weeks_whose_turnover_is_not_known_are_not_judged() -> None:
    assert only(ahead(100, 10), recent([np.nan] * 8))["kind"] == "large"


def test_forecasts_of_the_database_meet_what_was_sold() -> None:
    made = recent([1.0, 2.0]).drop(columns="turnover")
    panel = recent([5.0, 6.0, 7.0])[["store", "department", "week", "turnover"]]
    assert join_turnover(made, panel)["turnover"].tolist() == [6.0, 7.0]
    assert join_turnover(made, panel[panel["store"] == 2])["turnover"].isna().all()
