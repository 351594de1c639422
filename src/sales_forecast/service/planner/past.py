"""What a week can be compared with: similar weeks of the past, and forecasts whose weeks have come."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date, timedelta

from sales_forecast.forecasting.panel.matrix import WEEKS_PER_YEAR
from sales_forecast.storage.series import Scored

DAYS, WEEK = 7, timedelta(weeks=1)

MOST_YEARS = 5


@dataclass(frozen=True)
class Similar:
    """The week of a past year that begins nearest to the same day of the year, and the two beside it.

    Args:
        week: First day of the week.
        before: Turnover of the week before; None where nothing was recorded.
        turnover: Turnover of the week.
        after: Turnover of the week after.
    """

    week: date
    before: float | None
    turnover: float | None
    after: float | None


def similar_weeks(turnover: Mapping[date, float], week: date) -> list[Similar]:
    """Find the weeks of past years that lie like a week in their year, newest year first.

    Args:
        turnover: Week -> turnover of the series.
        week: The week.
    """
    found = []
    for years in range(1, MOST_YEARS + 1):
        nearest = nearest_week(week, years)
        near = [turnover.get(nearest + step * WEEK) for step in (-1, 0, 1)]
        if near[1] is not None:
            found.append(Similar(nearest, *near))
    return found


def nearest_week(week: date, years: int) -> date:
    """Return the week that begins nearest to the same day of the year, some years earlier.

    >>> nearest_week(date(2017, 10, 7), 1)
    datetime.date(2016, 10, 8)
    """
    leap_day = (week.month, week.day) == (2, 29)
    same_day = week.replace(year=week.year - years, **({"day": 28} if leap_day else {}))
    return week - WEEK * round((week - same_day).days / DAYS)


RECENT_WEEKS = 8


@dataclass(frozen=True)
class Recently:
    """What a series sold of late, beside the same weeks of last year.

    Args:
        weeks: Number of weeks that are known in both years.
        sold: Their turnover.
        last_year: That of the same weeks of last year.
    """

    weeks: int
    sold: float
    last_year: float


def compare_with_last_year(turnover: Mapping[date, float], first: date) -> Recently | None:
    """Compare the last weeks that are known with the same ones of last year; None if none is known.

    Args:
        turnover: Week -> turnover of the series.
        first: First week that is forecast.
    """
    year = WEEKS_PER_YEAR * WEEK
    weeks = [first - back * WEEK for back in range(1, RECENT_WEEKS + 1)]
    both = [week for week in weeks if week in turnover and week - year in turnover]
    if not both:
        return None
    sold, last_year = (sum(turnover[week - back] for week in both) for back in (0 * WEEK, year))
    return Recently(len(both), sold, last_year)


@dataclass(frozen=True)
class HowRight:
    """How right the forecasts of a series were one week ahead.

    Args:
        weeks: Number of weeks.
        error: Sum of the absolute errors over the sum of turnover (WAPE); None if nothing was sold.
        bias: Sum of forecast minus turnover over the sum of turnover; above zero, forecasts were too high.
        inside: Number of weeks inside their 80 % intervals.
    """

    weeks: int
    error: float | None
    bias: float | None
    inside: int


def how_right(scored: Sequence[Scored]) -> HowRight | None:
    """Sum up how right forecasts were; None before a week has come.

    Args:
        scored: Weeks with what was published for them.
    """
    if not scored:
        return None
    sold = sum(each.turnover for each in scored)
    errors = [each.forecast - each.turnover for each in scored]
    return HowRight(
        weeks=len(scored),
        error=sum(map(abs, errors)) / sold if sold > 0 else None,
        bias=sum(errors) / sold if sold > 0 else None,
        inside=sum(each.is_inside for each in scored),
    )
