"""What a raw file's header says about the file: how it is separated and encoded, and what is in it twice.

Each function returns the sentence for the user, or None if there is nothing to say.
"""

from __future__ import annotations

import codecs
import re
from collections.abc import Collection, Mapping, Sequence
from typing import Any

SEPARATORS = {",": '","', ";": '";"', "\t": r'"\t"', "|": '"|"'}
"""What files are separated by, and how that is written in YAML."""

UTF_16 = (codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)


def in_globals(reading: str, **options: str) -> str:
    """Say where an option of ``reading``, such as ``turnover.read_csv``, is set."""
    given = ", ".join(f"{name}: {value}" for name, value in options.items())
    domain, group = reading.split(".")
    place = "globals.yml of your environment (conf/local/ without --env)"
    return f"put {domain}: {{{group}: {{{given}}}}} into {place}"


def why_not_these_columns(header: Sequence[str], wanted: Collection[str], reading: str) -> str | None:
    """Say what is wrong with a file as a whole, if its header shows it.

    Args:
        header: Column names as they were read.
        wanted: Columns that the configuration names.
        reading: Where the configuration says how the file is read.
    """
    if any(mark in name for name in header for mark in "\x00\ufffd"):  # Spark does not stop at them
        return "the header is not in UTF-8. Save the file in UTF-8, such as 'CSV UTF-8' in Excel."
    if said := repeated_columns(header, wanted):
        return said
    return None if set(wanted) <= set(header) else other_separator(header, reading)


def other_separator(header: Sequence[str], reading: str) -> str | None:
    """Say that a file is separated by another character than it was read with.

    Args:
        header: Column names as they were read.
        reading: Where the configuration says how the file is read.
    """
    line = ",".join(header)
    likely = max(SEPARATORS, key=line.count)
    if line.count(likely) < len(header):  # then there are no more columns than were found
        return None
    name = "a tab" if likely == "\t" else f"'{likely}'"
    decimal = "" if likely == "," else ', and decimal: "," beside it if its numbers have decimal commas'
    return (
        f"its columns seem to be separated by {name}. Save the file with another separator, or "
        f"{in_globals(reading, sep=SEPARATORS[likely])}{decimal}."
    )


def other_encoding(start: bytes, reading: str) -> str:
    """Say which encoding a file has that is not in UTF-8, as far as its first bytes tell.

    Args:
        start: The first bytes that could not be decoded, or the bytes from the start of the file.
        reading: Where the configuration says how the file is read.
    """
    if start.startswith(UTF_16):
        return f"the file is in UTF-16. Save it in UTF-8, or {in_globals(reading, encoding='utf-16')}."
    return (
        "the file is not in UTF-8; files from Excel or Windows are often in cp1252. Save it in UTF-8, or "
        f"{in_globals(reading, encoding='cp1252')}."
    )


def repeated_columns(header: Sequence[str], wanted: Collection[str]) -> str | None:
    """Say which of the wanted columns the file has more than once.

    A second ``sold`` is told by the name that the engine gave it: pandas calls it ``sold.1``; Spark calls
    both after their places, counted from zero, such as ``sold2`` and ``sold3``, in capitals or not.

    Args:
        header: Column names as they were read.
        wanted: Columns that the configuration names.
    """
    others = [(place, name) for place, name in enumerate(header) if name not in wanted]
    times = {}
    for column in wanted:
        renamed = re.compile(re.escape(column) + r"\.\d+")
        times[column] = (
            1 + sum(renamed.fullmatch(name) is not None for _, name in others)
            if column in header
            else sum(name.casefold() == f"{column}{place}".casefold() for place, name in others)
        )
    repeated = {column: count for column, count in times.items() if count > 1}
    if not repeated:
        return None
    named = ", ".join(f"'{column}' {count} times" for column, count in repeated.items())
    return (
        f"{len(repeated)} column(s) more than once in the header: {named}. Which one is meant is not known: "
        "remove the others from the file, or give them other names."
    )


def why_unreadable(error: BaseException, path: str, load_args: Mapping[str, Any], reading: str) -> str | None:
    """Say what is wrong with a file that pandas could not read, where its start tells.

    Args:
        error: What pandas said.
        path: The file.
        load_args: What it was read with.
        reading: Where the configuration says how the file is read.
    """
    from pandas import read_csv
    from pandas.errors import ParserError

    if isinstance(error, UnicodeDecodeError):
        return other_encoding(error.object, reading)
    if isinstance(
        error, ParserError
    ):  # such as a row of decimal commas, which has more columns than the header
        return other_separator(list(read_csv(path, **{**load_args, "nrows": 0})), reading)
    return None
