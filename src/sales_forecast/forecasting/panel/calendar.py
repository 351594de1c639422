"""Calendar of past and future weeks: public and school holidays, Easter, Christmas."""

from __future__ import annotations

import csv
from datetime import date, timedelta
from functools import cache
from importlib.resources import files

import holidays
import pandas as pd
from dateutil.easter import easter
from vacances_scolaires_france import SchoolHolidayDates

from sales_forecast.errors import InputError

NO_SCHOOL_ZONE = "none"
"""School zone of stores whose school holidays are not known."""

FRENCH_ZONES_REDRAWN = date(2015, 9, 1)
"""Since the school year 2015/16 the academies belong to other zones (arrêté of 16 April 2015)."""


@cache
def french_school_zones() -> dict[str, str]:
    """Map each French département to its school zones before and since the zones were redrawn.

    Returns:
        First two digits of the postcode -> two letters, such as ``"CA"`` for Bordeaux: zone C until
        summer 2015, zone A since.

    Source:
        Ministère de l'Éducation nationale, calendrier scolaire, lists of academies per zone.
    """
    resource = files("sales_forecast.forecasting.panel") / "french_school_zones.csv"
    with resource.open(encoding="utf-8") as file:
        return {
            department: academy["zone_until_2015"] + academy["zone_since_2015"]
            for academy in csv.DictReader(file)
            for department in academy["departments"].split()
        }


def _nearest(days: list[date], week: date) -> float:
    """Signed weeks from the nearest of the days to the week's first day; positive = after it."""
    gaps = [(week - day).days / 7 for day in days]
    return min(gaps, key=abs)


@cache
def _school_holiday_dates() -> SchoolHolidayDates:
    return SchoolHolidayDates()  # reads its whole table: once is enough


@cache
def _french_school_holidays(zone: str, year: int) -> frozenset[date]:
    known = _school_holiday_dates()
    if not known.min_year <= year <= known.max_year:
        return frozenset()
    return frozenset(known.holidays_for_year_and_zone(year, zone))


def _is_school_holiday(day: date, zones: str) -> bool:
    zone = zones[0] if day < FRENCH_ZONES_REDRAWN else zones[1]
    return day in _french_school_holidays(zone, day.year)


def weekly_calendar(first: date, last: date, country: str, school_zones: list[str]) -> pd.DataFrame:
    """Describe every week by the days it covers.

    Args:
        first: First day of the first week.
        last: First day of the last week.
        country: ISO 3166 code, or ``"none"`` for no public holidays.
        school_zones: Labels as in ``french_school_zones``; others have no school holidays.

    Returns:
        One row per week and school zone: ``week, school_zone, public_holiday_days,
        school_holiday_days`` (days, 0 to 7), ``weeks_from_easter, weeks_from_christmas``
        (signed weeks from the nearest one, positive after it).

    Raises:
        InputError: The country is not one that the holidays library knows.
    """
    years = range(first.year - 1, last.year + 2)
    try:
        public = set() if country == "none" else set(holidays.country_holidays(country, years=years))
    except NotImplementedError as error:
        raise InputError(
            f"turnover.calendar.country: '{country}' is no country code with known public holidays. "
            "Use an ISO 3166 code such as FR or US, or 'none'."
        ) from error
    easters = [easter(year) for year in years]
    christmases = [date(year, 12, 25) for year in years]
    french = set(french_school_zones().values()) if country == "FR" else set()

    rows = []
    for stamp in pd.date_range(first, last, freq="7D"):
        week = stamp.date()
        days = [week + timedelta(days=n) for n in range(7)]
        common = {
            "week": stamp,
            "public_holiday_days": sum(day in public for day in days),
            "weeks_from_easter": _nearest(easters, week),
            "weeks_from_christmas": _nearest(christmases, week),
        }
        for zone in school_zones:
            school = sum(_is_school_holiday(day, zone) for day in days) if zone in french else 0
            rows.append(common | {"school_zone": zone, "school_holiday_days": school})
    columns = [
        "week",
        "school_zone",
        "public_holiday_days",
        "school_holiday_days",
        "weeks_from_easter",
        "weeks_from_christmas",
    ]
    return pd.DataFrame(rows, columns=columns)
