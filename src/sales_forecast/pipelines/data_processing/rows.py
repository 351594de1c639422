"""Rows of raw files, on any engine: numbered, and the good ones parted from the bad."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import narwhals as nw
import pandas as pd
from narwhals.typing import IntoFrame

from sales_forecast.contracts import DataContractError
from sales_forecast.pipelines.data_processing.rules import Rule
from sales_forecast.pipelines.data_processing.values import Frame, as_text

ROW = "row"
"""Line in the file; the header is line 1. Engines without row order count in sorted order; Spark counts
anew, from a number beyond all others, in every further part that it splits a large file into."""

REASON = "reason"

_GOOD = -1


def with_row_numbers(data: IntoFrame, columns: Mapping[Any, str]) -> Frame:
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
        frame: Rows as ``with_row_numbers`` gives them.
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
        ROW, REASON, *(as_text(bad, name) for name in columns)
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
