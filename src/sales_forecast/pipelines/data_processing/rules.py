"""Rules that a row of a raw file must keep, on any engine."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import date, datetime, time

import narwhals as nw
import pandas as pd

from sales_forecast.pipelines.data_processing.values import (
    FALSE,
    TRUE,
    WHOLE_NUMBER,
    Frame,
    as_label,
    as_word,
    is_number,
    mostly_whole_numbers,
)

_LARGEST = 1e15  # no shop sells so much in a week, and sums stay exact
_YEARS = range(1990, 2101)
_NUMBER = r"^[+-]?(?:\d+\.?\d*|\.\d+)(?:[eE](?:\+?0?\d|-\d{1,3}))?$"  # as small as you like, not as large


@dataclass(frozen=True)
class Rule:
    """One way for a row to be bad.

    Args:
        column: The project's name of the offending column.
        reason: Completes "column 'x': 3 values that ...".
        bad: True where a row breaks the rule; null counts as not broken.
    """

    column: str
    reason: str
    bad: nw.Expr


def missing_rules(frame: Frame, columns: Iterable[str]) -> list[Rule]:
    """A key must be there."""
    rules = []
    for column in columns:
        value = nw.col(column)
        missing = value.is_null()
        dtype = frame.collect_schema()[column]
        if dtype.is_float():
            missing = missing | value.is_nan()
        elif dtype == nw.String:
            missing = missing | (value.str.strip_chars() == "")
        rules.append(Rule(column, "are missing", missing))
    return rules


def key_rules(frame: Frame, columns: Sequence[str]) -> list[Rule]:
    """An identifier must be there; where identifiers are numbers, they are whole ones."""
    rules = missing_rules(frame, columns)
    for column in columns:
        if frame.collect_schema()[column].is_float():
            rules.append(Rule(column, "are not whole numbers", nw.col(column) % 1 != 0))
        elif not is_number(frame, column) and mostly_whole_numbers(frame, column):
            strange = ~as_label(frame, column).str.contains(WHOLE_NUMBER)
            rules.append(Rule(column, "are not whole numbers", strange))
    return rules


def rules_for_numbers(
    frame: Frame, column: str, *, required: bool = True, or_flags: bool = False
) -> list[Rule]:
    """A quantity must be a finite number; with ``or_flags``, true or false will do."""
    missing = missing_rules(frame, [column]) if required else []
    if not is_number(frame, column):
        text = nw.col(column).cast(nw.String).str.strip_chars()
        allowed = nw.col(column).is_null() | (text == "") | text.str.contains(_NUMBER)
        if or_flags:
            allowed = allowed | as_word(column).is_in([*TRUE, *FALSE])
        reason = f"are not numbers{', true or false (yes or no)' if or_flags else ''}"
        return [*missing, Rule(column, reason, ~allowed)]
    value = nw.col(column).cast(nw.Float64)
    infinite = (value == float("inf")) | (value == float("-inf"))
    return [
        *missing,
        Rule(column, "are infinite", infinite),
        Rule(column, f"are beyond {_LARGEST:.0e}", value.abs() > _LARGEST),
    ]


def rules_for_flags(frame: Frame, columns: Iterable[str], *, required: bool = True) -> list[Rule]:
    """Quantities must be finite numbers, or true or false."""
    return [
        rule
        for column in columns
        for rule in rules_for_numbers(frame, column, required=required, or_flags=True)
    ]


def date_rules(
    frame: Frame, column: str, date_format: str, weekday: str | None, after: datetime | None = None
) -> list[Rule]:
    """A date must be one, of that weekday and after ``after`` if those are given."""
    distinct = frame.lazy().select(column).unique().collect()[column].to_list()
    days = {text: _parse_day(text, date_format) for text in distinct if not pd.isna(text)}
    dates = {text: day for text, day in days.items() if day is not None and day.year in _YEARS}
    no_dates = [text for text in days if text not in dates]
    rules = [
        *missing_rules(frame, [column]),
        Rule(
            column,
            f"are not dates of the form {date_format}, {_YEARS[0]} to {_YEARS[-1]}",
            nw.col(column).is_in(no_dates),
        ),
    ]
    if weekday is not None:
        off_grid = {text: day for text, day in dates.items() if f"{day:%A}".lower() != weekday}
        found = _but_weekdays(off_grid.values())
        see = "see turnover.read.week_starts_on and week_named_by"
        reason = f"are not a {weekday.title()}{found}, {see}"
        rules.append(Rule(column, reason, nw.col(column).is_in(list(off_grid))))
    if after is not None:
        past = [text for text, day in dates.items() if day <= after]
        rules.append(
            Rule(
                column,
                f"are not after {after:%Y-%m-%d}, the last week in the file of sales",
                nw.col(column).is_in(past),
            )
        )
    return rules


def _but_weekdays(days: Iterable[datetime]) -> str:
    """Write the weekdays of dates as ``" but a Monday, Tuesday or Friday"``."""
    names = [f"{day:%A}" for _, day in sorted({day.weekday(): day for day in days}.items())]
    if len(names) > 1:
        names = [", ".join(names[:-1]), names[-1]]
    return f" but a {' or '.join(names)}" if names else ""


def _parse_day(value: object, date_format: str) -> datetime | None:
    if isinstance(value, datetime):
        return value
    if isinstance(value, date):  # some engines recognise dates themselves
        return datetime.combine(value, time())
    try:
        day = datetime.strptime(str(value), date_format)
    except ValueError:
        return None
    # 2017-9-3 beside 2017-09-03 would be two keys for one week.
    return day if day.strftime(date_format) == str(value) else None


def unknown_rule(frame: Frame, column: str, known: Iterable[object], where: str) -> Rule:
    """A foreign key must exist in the other table, be it text in one and a number in the other."""
    labelled = frame.lazy().select(nw.col(column), as_label(frame, column).alias("label")).unique().collect()
    strange = ~nw.col("label").is_in([str(key) for key in known]).fill_null(value=True)
    unknown = labelled.filter(strange)[column].to_list()
    return Rule(column, f"are not in {where}", nw.col(column).is_in(unknown))
