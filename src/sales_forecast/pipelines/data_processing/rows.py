"""Rules for the rows of raw files, on any engine: which rows are bad, and what becomes of them."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime, time
from typing import Any

import narwhals as nw
import pandas as pd

from sales_forecast.contracts import DataContractError

Frame = nw.DataFrame[Any]
"""Any frame that narwhals wraps, lazy ones too: the nodes use only the verbs that both have."""

ROW = "row"
"""Line in the file; the header is line 1. Engines without row order count in sorted order; Spark counts
anew, from a number beyond all others, in every further part that it splits a large file into."""

REASON = "reason"

MOSTLY = 0.9
"""Above this share of whole numbers, an identifier that is none is a mistake and not a name."""

_GOOD = -1
_WHOLE_NUMBER = r"^\d{1,18}$"
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


def number_rows(data: Any, columns: Mapping[Any, str]) -> Frame:
    """Select and rename the configured columns, and number the rows as an editor would."""
    frame: Any = nw.from_native(data)  # eager or lazy
    chosen = frame.select(*(nw.col(given).alias(name) for name, given in columns.items()))
    numbered: Any
    if frame.implementation.is_spark_like():
        numbered = _number_on_spark(chosen)
    elif isinstance(frame, nw.LazyFrame):
        numbered = chosen.with_row_index(ROW, order_by=list(columns))
    else:
        numbered = chosen.with_row_index(ROW)
    selected: Frame = numbered.select((nw.col(ROW) + 2).cast(nw.Int64).alias(ROW), *columns)
    return selected


def _number_on_spark(frame: Any) -> Any:
    """Numbers without a window, which would bring all rows to one worker.

    Then rows are dealt out, since one worker alone reads a compressed file, and kept for the many rules.
    """
    from pyspark.sql.functions import monotonically_increasing_id

    numbered = frame.to_native().withColumn(ROW, monotonically_increasing_id())
    return nw.from_native(numbered.repartition(ROW).cache())


def _is_number(frame: Frame, column: str) -> bool:
    return frame.collect_schema()[column].is_numeric()


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
        elif not _is_number(frame, column) and _mostly_whole_numbers(frame, column):
            strange = ~as_label(frame, column).str.contains(_WHOLE_NUMBER)
            rules.append(Rule(column, "are not whole numbers", strange))
    return rules


def _mostly_whole_numbers(frame: Frame, column: str) -> bool:
    """Whether a text column is a number column with a few strangers in it, such as ``n/a``."""
    whole = as_label(frame, column).str.contains(_WHOLE_NUMBER)
    share: float | None = frame.lazy().select(whole.cast(nw.Float64).mean()).collect().item()
    return share is not None and share > MOSTLY


def number_rules(frame: Frame, column: str, *, required: bool = True) -> list[Rule]:
    """A quantity must be a finite number."""
    missing = missing_rules(frame, [column]) if required else []
    if not _is_number(frame, column):
        text = nw.col(column).cast(nw.String).str.strip_chars()
        allowed = nw.col(column).is_null() | (text == "") | text.str.contains(_NUMBER)
        return [*missing, Rule(column, "are not numbers", ~allowed)]
    value = nw.col(column).cast(nw.Float64)
    infinite = (value == float("inf")) | (value == float("-inf"))
    return [
        *missing,
        Rule(column, "are infinite", infinite),
        Rule(column, f"are beyond {_LARGEST:.0e}", value.abs() > _LARGEST),
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
        off_grid = [text for text, day in dates.items() if f"{day:%A}".lower() != weekday]
        rules.append(Rule(column, f"are not a {weekday.title()}", nw.col(column).is_in(off_grid)))
    if after is not None:
        past = [text for text, day in dates.items() if day <= after]
        rules.append(
            Rule(
                column,
                f"are not after {after:%Y-%m-%d}, the last week sold",
                nw.col(column).is_in(past),
            )
        )
    return rules


def _parse_day(value: Any, date_format: str) -> datetime | None:
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


def unknown_rule(frame: Frame, column: str, known: Iterable[Any], where: str) -> Rule:
    """A foreign key must exist in the other table, be it text in one and a number in the other."""
    labelled = frame.lazy().select(nw.col(column), as_label(frame, column).alias("label")).unique().collect()
    strange = ~nw.col("label").is_in([str(key) for key in known]).fill_null(value=True)
    unknown = labelled.filter(strange)[column].to_list()
    return Rule(column, f"are not in {where}", nw.col(column).is_in(unknown))


def mark_bad(frame: Frame, rules: Sequence[Rule], keys: Sequence[str]) -> Frame:
    """Give each bad row the first rule it breaks, and its second and later namesakes that.

    Returns:
        The frame with ``rule``: position in ``rules``, ``len(rules)`` for a repeated key, else -1.
    """
    broken = nw.lit(_GOOD)
    for position, rule in reversed(list(enumerate(rules))):
        broken = nw.when(rule.bad.fill_null(value=False)).then(nw.lit(position)).otherwise(broken)
    marked = frame.with_columns(broken.alias("rule"))
    if not keys:
        return marked
    first = nw.col(ROW).min().over(*keys, "rule")
    repeated = (nw.col("rule") == _GOOD) & (nw.col(ROW) > first)
    return marked.with_columns(
        nw.when(repeated).then(nw.lit(len(rules))).otherwise(nw.col("rule")).alias("rule")
    )


def settle(
    frame: Frame,
    rules: Sequence[Rule],
    *,
    keys: Sequence[str],
    file: str,
    columns: Mapping[Any, str],
    on_bad: OnBad,
) -> tuple[Frame, Frame]:
    """Part the good rows from the bad ones, or stop.

    Args:
        frame: Rows as ``number_rows`` gives them.
        rules: Most basic first; a row is judged by the first one it breaks.
        keys: Columns that together must be unique among good rows; empty for none.
        file: How the file is called in messages.
        columns: Name inside the project -> name in the file, for messages.
        on_bad: Whether bad rows stop the run or are set aside.

    Returns:
        Good rows with the project's columns, and bad rows as text with their ``row`` and ``reason``.

    Raises:
        DataContractError: There are bad rows and they may not be set aside.
    """
    marked = mark_bad(frame, rules, keys)
    broken = [_Broken([columns[rule.column]], [rule.column], rule.reason) for rule in rules]
    if keys:
        broken.append(_Broken([columns[key] for key in keys], list(keys), "repeat an earlier key"))
    bad = marked.filter(nw.col("rule") != _GOOD)
    if not on_bad.set_aside:
        _stop_if_any(bad, broken, file, on_bad.remedy)

    reason = nw.lit("")
    for position, case in enumerate(broken):
        reason = nw.when(nw.col("rule") == position).then(nw.lit(str(case))).otherwise(reason)
    rejected = bad.with_columns(reason.alias(REASON)).select(
        ROW, REASON, *(_as_text(bad, name) for name in columns)
    )
    good = marked.filter(nw.col("rule") == _GOOD).select(*columns)
    return good, rejected


@dataclass(frozen=True)
class OnBad:
    """What becomes of bad rows, and which remedy a message names."""

    set_aside: bool = False
    remedy: str = "Fix the file."


@dataclass(frozen=True)
class _Broken:
    headings: list[str]
    shown: list[str]
    reason: str

    def __str__(self) -> str:
        return f"{' + '.join(self.headings)}: values that {self.reason}"


def _stop_if_any(bad: Frame, broken: Sequence[_Broken], file: str, remedy: str) -> None:
    rows = bad.lazy().collect("pandas").to_pandas().sort_values(ROW)
    if rows.empty:
        return
    lines = []
    for position, case in enumerate(broken):
        cases = rows[rows["rule"] == position]
        if cases.empty:
            continue
        examples = ", ".join(
            f"row {row[ROW]}: " + " ".join(repr(_plain(row[name])) for name in case.shown)
            for row in cases.head(3).to_dict("records")
        )
        columns = " + ".join(f"'{heading}'" for heading in case.headings)
        lines.append(f"  column {columns}: {len(cases)} value(s) that {case.reason} ({examples})")
    raise DataContractError(f"{file}: {len(rows)} bad row(s)\n" + "\n".join(lines) + f"\n{remedy}")


def _plain(value: Any) -> Any:
    if pd.isna(value):
        return ""
    if isinstance(value, pd.Timestamp):
        return value.date().isoformat()
    return value.item() if hasattr(value, "item") else value


def assert_no_row_lost(frame: Frame, good: Frame, rejected: Frame, file: str) -> None:
    """Every row read is either kept or rejected, and some are kept.

    Raises:
        AssertionError: Rows vanished or multiplied, which is a fault of ours.
        DataContractError: No row of the file is good.
    """
    rows, kept, aside = _count(frame), _count(good), _count(rejected)
    if rows != kept + aside:
        raise AssertionError(f"{file}: {rows} rows in, but {kept} kept + {aside} rejected")
    if kept == 0:
        raise DataContractError(
            f"{file}: none of the {rows} rows is good. Let bad_rows: stop say what is wrong with them."
        )


def _count(frame: Frame) -> int:
    rows: int = frame.lazy().select(nw.len()).collect().item()
    return rows


def as_number(frame: Frame, column: str) -> nw.Expr:
    """The column as a float, once its rows are known to be good."""
    if _is_number(frame, column):
        return nw.col(column).cast(nw.Float64)
    text = nw.col(column).cast(nw.String).str.strip_chars()
    return nw.when(text != "").then(text).cast(nw.Float64).alias(column)


def _as_text(frame: Frame, column: str) -> nw.Expr:
    text = nw.col(column).cast(nw.String)
    if frame.collect_schema()[column].is_float():  # a blank elsewhere in the column turned 3 into 3.0
        return text.str.replace_all(r"\.0$", "")
    return text


def as_label(frame: Frame, column: str) -> nw.Expr:
    """The column as a name: text without padding, whole numbers without decimals, blanks missing."""
    return _as_text(frame, column).str.strip_chars()


def as_key(frame: Frame, column: str, like: Frame | None = None) -> nw.Expr:
    """The column as an identifier, once its rows are known to be good.

    Whole numbers stay numbers, also where a blank made them floats.

    Args:
        frame: Good rows.
        column: The identifier.
        like: The table that defines the identifier and thereby says whether it is a number or text;
            without it the column itself does.
    """
    defining = frame if like is None else like
    if _is_number(defining, column) or (like is None and _mostly_whole_numbers(frame, column)):
        whole = frame.collect_schema()[column].is_integer()
        return (nw.col(column) if whole else as_label(frame, column)).cast(nw.Int64)
    return as_label(frame, column)


def as_week(frame: Frame, column: str, date_format: str) -> nw.Expr:
    """The column as a timestamp, once its rows are known to be dates."""
    day = nw.col(column)
    if not frame.collect_schema()[column].is_temporal():
        day = day.str.to_datetime(format=date_format)
    return day.cast(nw.Datetime("us" if frame.implementation.is_spark_like() else "ns"))
