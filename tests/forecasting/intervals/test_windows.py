"""Which past windows intervals learn from, and how much each counts."""

import pandas as pd
import pytest

from sales_forecast.errors import InputError
from sales_forecast.forecasting.intervals.windows import IntervalParams, origin_weights, refuse_origins_before

INTERVALS = IntervalParams(scale_share=0.1)
WEEKS = pd.date_range("2013-01-05", periods=241, freq="7D")


def _ages(**options) -> dict[int, float]:
    found = origin_weights(WEEKS, 8, INTERVALS.model_copy(update=options))
    return {(WEEKS[-1] - origin).days // 7: weight for origin, weight in found.items()}


def test_windows_of_today_and_of_the_season_count():
    ages = sorted(_ages())
    assert ages[0] == 8, "the newest complete window, always"
    assert all(age <= 16 or abs(age - 52) <= 8 or abs(age - 104) <= 8 for age in ages)
    assert any(abs(age - 52) <= 4 for age in ages)
    assert any(abs(age - 104) <= 4 for age in ages)


def test_newer_windows_count_more_and_so_do_those_nearer_to_the_season():
    weights = _ages()
    recent = [weights[age] for age in sorted(weights) if age <= 16]
    assert recent == sorted(recent, reverse=True)
    last_year = {abs(age - 52): weight for age, weight in weights.items() if abs(age - 52) <= 8}
    assert last_year[min(last_year)] > last_year[max(last_year)]


def test_without_seasons_only_recent_windows_are_left_and_the_newest_always_counts():
    assert max(_ages(season_years=0)) <= 16
    assert set(_ages(season_years=0, recent_weeks=1)) == {8}


@pytest.mark.parametrize("weeks", [1, 8, 9, 60])
def test_a_short_history_has_as_many_windows_as_it_can(weeks):
    found = origin_weights(WEEKS[:weeks], 8, INTERVALS)
    assert list(found)[-1:] == ([WEEKS[weeks - 9]] if weeks > 8 else [])


def test_a_cutoff_before_which_no_window_is_known_is_refused():
    refuse_origins_before(WEEKS, 8, WEEKS[8])
    with pytest.raises(InputError, match=r"before the cutoff 2013-02-23 there are 8 week\(s\) of history"):
        refuse_origins_before(WEEKS, 8, WEEKS[7])
