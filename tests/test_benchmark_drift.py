"""Which periods the benchmark of drift compares."""

import pandas as pd
from benchmarks.drift import AGAINST, ordinary_periods

WEEKS = pd.date_range("2013-01-05", periods=100, freq="7D")
PANEL = pd.DataFrame({"store": 1, "department": 88, "week": WEEKS, "turnover": 1.0})
NO_SHIFTS = pd.DataFrame(columns=["department", "week"])
BEFORE, LAST_YEAR = AGAINST


def test_each_of_the_last_weeks_ends_a_period() -> None:
    periods = ordinary_periods(PANEL, NO_SHIFTS, weeks=8, last_weeks=3)
    assert list(periods["last"]) == [*WEEKS[-3:], *WEEKS[-3:]]
    back = (periods["last"] - periods["reference_last"]).dt.days // 7
    assert list(back) == [8, 8, 8, 52, 52, 52]


def test_a_period_that_nothing_can_be_compared_with_is_left_out() -> None:
    periods = ordinary_periods(PANEL, NO_SHIFTS, weeks=8, last_weeks=60)
    first = periods.groupby("against")["last"].min()
    assert first[LAST_YEAR] == WEEKS[52 + 8 - 1]
    assert first[BEFORE] == WEEKS[40]


def test_a_level_shift_ends_what_is_ordinary_until_it_is_behind_both_periods() -> None:
    shifts = pd.DataFrame({"department": [88, 127], "week": [WEEKS[70], WEEKS[80]]})
    periods = ordinary_periods(PANEL, shifts, weeks=8, last_weeks=40)
    own = periods[periods["against"] == BEFORE]
    assert list(own["last"]) == [*WEEKS[60:70], *WEEKS[85:]]
