"""Calendar: public holidays, school holidays, Easter, Christmas."""

from datetime import date

import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pandas.testing import assert_series_equal

from sales_forecast.errors import InputError
from sales_forecast.forecasting.panel.calendar import NO_SCHOOL_ZONE, french_school_zones, weekly_calendar


def _weeks(
    first: str, last: str, country: str = "FR", zones: tuple[str, ...] = (NO_SCHOOL_ZONE,)
) -> pd.DataFrame:
    calendar = weekly_calendar(date.fromisoformat(first), date.fromisoformat(last), country, list(zones))
    return calendar.set_index("week")


def _school_days(first: str, last: str, zone: str) -> pd.Series:
    return _weeks(first, last, zones=(zone,))["school_holiday_days"]


def test_bastille_day_2016_falls_into_the_week_that_begins_on_the_9th():
    days = _weeks("2016-07-02", "2016-07-16")["public_holiday_days"]
    assert days.to_list() == [0, 1, 0]


def test_ascension_2015_and_the_armistice_of_1945_fall_into_two_following_weeks():
    days = _weeks("2015-05-02", "2015-05-16")["public_holiday_days"]
    assert days.to_list() == [1, 1, 0]  # Friday 8 May, Thursday 14 May


def test_easter_2016_is_the_second_day_of_its_week():
    weeks = _weeks("2016-03-12", "2016-04-09")["weeks_from_easter"]
    assert (weeks * 7).round(9).to_list() == [-15, -8, -1, 6, 13]


def test_christmas_is_counted_to_the_nearest_one_also_across_new_year():
    weeks = _weeks("2016-12-17", "2017-01-07")["weeks_from_christmas"]
    assert (weeks * 7).round(9).to_list() == [-8, -1, 6, 13]


@settings(max_examples=25, deadline=None)
@given(st.dates(date(1995, 1, 1), date(2045, 1, 1)))
def test_no_week_is_further_than_half_a_year_or_so_from_easter_and_christmas(week):
    day = weekly_calendar(week, week, "FR", ["AA", NO_SCHOOL_ZONE])
    assert day["weeks_from_easter"].abs().max() <= 28  # Easter moves by up to five weeks
    assert day["weeks_from_christmas"].abs().max() <= 26.2
    assert day[["public_holiday_days", "school_holiday_days"]].isin(range(8)).all(axis=None)


def test_bordeaux_moves_from_zone_c_to_zone_a_in_autumn_2015():
    assert french_school_zones()["33"] == "CA"
    before, since = ("2014-09-06", "2015-08-22"), ("2015-09-05", "2016-08-27")
    assert_series_equal(_school_days(*before, "CA"), _school_days(*before, "CC"))
    assert_series_equal(_school_days(*since, "CA"), _school_days(*since, "AA"))
    assert not _school_days(*before, "CA").equals(_school_days(*before, "AA"))
    assert not _school_days(*since, "CA").equals(_school_days(*since, "CC"))


def test_bordeaux_skis_in_mid_february_2016_when_paris_still_goes_to_school():
    week = "2016-02-13"
    assert _school_days(week, week, "CA").item() == 7
    assert _school_days(week, week, french_school_zones()["75"]).item() == 0


def test_every_departement_of_mainland_france_has_a_zone_before_and_since():
    zones = french_school_zones()
    mainland = {f"{number:02}" for number in range(1, 96)}
    assert mainland <= zones.keys()
    assert all(len(zones[number]) == 2 and set(zones[number]) <= set("ABC") for number in mainland - {"20"})


def test_all_of_august_is_holiday_and_mid_september_is_not():
    assert _school_days("2016-08-06", "2016-08-13", "BB").to_list() == [7, 7]
    assert _school_days("2016-09-10", "2016-09-10", "BB").item() == 0


@pytest.mark.parametrize("zone", [NO_SCHOOL_ZONE, "ZZ"])
def test_a_store_of_unknown_zone_has_no_school_holidays(zone):
    assert _school_days("2016-01-02", "2016-12-31", zone).eq(0).all()


def test_a_year_that_no_ministry_has_planned_has_no_school_holidays():
    assert _school_days("2060-08-07", "2060-08-07", "AA").item() == 0


def test_without_a_country_there_are_no_public_holidays_but_there_is_easter():
    year = _weeks("2016-01-02", "2016-12-31", country="none")
    assert year["public_holiday_days"].eq(0).all()
    assert year["weeks_from_easter"].abs().min() < 1


def test_americans_celebrate_the_4th_and_not_the_14th_of_july_and_have_no_french_schools():
    year = _weeks("2016-07-02", "2016-07-09", country="US", zones=("AA",))
    assert year["public_holiday_days"].to_list() == [1, 0]
    assert year["school_holiday_days"].to_list() == [0, 0]


def test_an_unknown_country_is_refused_with_the_name_of_its_parameter():
    with pytest.raises(InputError, match=r"turnover\.calendar\.country: 'Ruritania'.*ISO 3166.*'none'"):
        _weeks("2016-01-02", "2016-01-02", country="Ruritania")


def test_there_is_one_row_for_each_week_and_zone():
    calendar = weekly_calendar(date(2016, 1, 2), date(2016, 12, 31), "FR", ["AA", "BB", NO_SCHOOL_ZONE])
    assert len(calendar) == 53 * 3
    assert not calendar.duplicated(["week", "school_zone"]).any()
    assert calendar["week"].dt.day_name().eq("Saturday").all()
