"""Values of raw files, on any engine: what a column holds, and how it is typed once its rows are good."""

from __future__ import annotations

from typing import Any

import narwhals as nw

Frame = nw.DataFrame[Any]
"""Any frame that narwhals wraps, lazy ones too: the nodes use only the verbs that both have."""

MOSTLY = 0.9
"""Above this share of whole numbers, an identifier that is none is a mistake and not a name."""

WHOLE_NUMBER = r"^\d{1,18}$"

TRUE, FALSE = ("true", "yes"), ("false", "no")
"""Words, in capitals or not, that count as 1 and as 0 in a column that may hold them."""


def is_number(frame: Frame | nw.LazyFrame[Any], column: str) -> bool:
    """Whether the engine already took the column for numbers."""
    return frame.collect_schema()[column].is_numeric()


def mostly_whole_numbers(frame: Frame, column: str) -> bool:
    """Whether a text column is a number column with a few strangers in it, such as ``n/a``."""
    whole = as_label(frame, column).str.contains(WHOLE_NUMBER)
    share: float | None = frame.lazy().select(whole.cast(nw.Float64).mean()).collect().item()
    return share is not None and share > MOSTLY


def as_number(frame: Frame, column: str) -> nw.Expr:
    """The column as a float, once its rows are known to be good; true and false as 1 and 0."""
    if is_number(frame, column):
        return nw.col(column).cast(nw.Float64)
    text, word = nw.col(column).cast(nw.String).str.strip_chars(), as_word(column)
    number: nw.Expr = nw.when(text != "").then(text)
    number = nw.when(word.is_in(FALSE)).then(nw.lit("0")).otherwise(number)
    number = nw.when(word.is_in(TRUE)).then(nw.lit("1")).otherwise(number)
    return number.cast(nw.Float64).alias(column)


def as_word(column: str) -> nw.Expr:
    """The column as text in small letters, without padding."""
    return nw.col(column).cast(nw.String).str.strip_chars().str.to_lowercase()


def as_text(frame: Frame, column: str) -> nw.Expr:
    """The column as the file has it."""
    text = nw.col(column).cast(nw.String)
    if frame.collect_schema()[column].is_float():  # a blank elsewhere in the column turned 3 into 3.0
        return text.str.replace_all(r"\.0$", "")
    return text


def as_label(frame: Frame, column: str) -> nw.Expr:
    """The column as a name: text without padding, whole numbers without decimals, blanks missing."""
    return as_text(frame, column).str.strip_chars()


def as_key(frame: Frame, column: str, like: Frame | nw.LazyFrame[Any] | None = None) -> nw.Expr:
    """The column as an identifier, once its rows are known to be good.

    Whole numbers stay numbers, also where a blank made them floats.

    Args:
        frame: Good rows.
        column: The identifier.
        like: The table that defines the identifier and thereby says whether it is a number or text;
            without it the column itself does.
    """
    defining = frame if like is None else like
    if is_number(defining, column) or (like is None and mostly_whole_numbers(frame, column)):
        whole = frame.collect_schema()[column].is_integer()
        return (nw.col(column) if whole else as_label(frame, column)).cast(nw.Int64)
    return as_label(frame, column)


def as_week(frame: Frame, column: str, date_format: str) -> nw.Expr:
    """The column as a timestamp, once its rows are known to be dates."""
    day = nw.col(column)
    if not frame.collect_schema()[column].is_temporal():
        day = day.str.to_datetime(format=date_format)
    return day.cast(nw.Datetime("us" if frame.implementation.is_spark_like() else "ns"))
