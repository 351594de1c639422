"""The sheet that planners fill in: a row for each series and week, and how its rows are read back."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import date, datetime

import pandas as pd

from sales_forecast.planning.overrides import REASONS, Correction, Kind, Scope
from sales_forecast.planning.proposals import RefusedOverrideError

SHEET_NAME = "overrides"

LABELS = ("store", "department")
FILLED_IN = ("planned", "per cent", "reason", "note")
"""Columns that are empty until a planner fills them in."""

PLANNED_NOW = "planned now"
"""Column of the number that counts already; it is not read back."""

SHEET_COLUMNS = [*LABELS, "week", "forecast", "80 % from", "80 % to", PLANNED_NOW, *FILLED_IN]

REASON_WORDS = {code: code.replace("_", " ") for code in REASONS}
"""Code of a reason -> what the sheet calls it."""

Cell = str | float | date | None
"""What a cell holds; an empty one holds None."""


def override_sheet(forecasts: pd.DataFrame) -> pd.DataFrame:
    """Lay out the sheet.

    Args:
        forecasts: ``store, department, week, forecast, lo_80, hi_80, planned`` in currency units per week,
            and ``override``, the number of the override that counts, empty where there is none.

    Returns:
        ``SHEET_COLUMNS``, a row per series and week in the order of the forecasts: labels as text, weeks as
        dates, amounts as whole currency units, and ``FILLED_IN`` empty.
    """
    names = {"forecast": "forecast", "lo_80": "80 % from", "hi_80": "80 % to"}
    amounts = {heading: forecasts[name].round(0) for name, heading in names.items()}
    labels = {name: forecasts[name].astype(str) for name in LABELS}
    weeks = pd.to_datetime(forecasts["week"]).dt.date
    now = forecasts["planned"].where(forecasts["override"].notna()).round(0)
    empty = dict.fromkeys(FILLED_IN)
    return pd.DataFrame(
        labels | {"week": weeks} | amounts | {PLANNED_NOW: now} | empty, columns=SHEET_COLUMNS
    )


@dataclass(frozen=True)
class RefusedRow:
    """A row of the sheet that cannot be taken.

    Args:
        row: Its number, as a spreadsheet shows it.
        value: What it says in the cell that is wrong.
        why: What is wrong, and what would be valid.
    """

    row: int
    value: str
    why: str


def corrections_of(
    rows: Iterable[tuple[int, Mapping[str, Cell]]],
) -> Iterator[tuple[int, Correction | RefusedRow]]:
    """Read what planners have filled in.

    Args:
        rows: Number of each row and its cells by heading; labels as text.

    Yields:
        For each row with a number or per cent its number, and the correction or why there is none.
    """
    seen: dict[tuple[object, ...], int] = {}
    for number, cells in rows:
        if cells.get("planned") is None and cells.get("per cent") is None:
            continue
        try:
            asked = _correction(cells)
            key = asked.scope, asked.week_from
            if key in seen:
                raise RefusedOverrideError(
                    "week", f"row {seen[key]} is for the same store, department and week"
                )
            seen[key] = number
        except RefusedOverrideError as error:
            yield number, RefusedRow(number, shown(cells.get(error.field)), f"{error.field}: {error}")
        else:
            yield number, asked


def shown(cell: Cell) -> str:
    """Write a cell for people."""
    return "(empty)" if cell is None else f"{cell}"


def _correction(cells: Mapping[str, Cell]) -> Correction:
    """Convert a row.

    Raises:
        RefusedOverrideError: A cell is wrong; its field is the heading.
    """
    if cells.get("planned") is not None and cells.get("per cent") is not None:
        raise RefusedOverrideError("per cent", "there is a planned number as well: fill in one of the two")
    kind: Kind = "percent" if cells.get("planned") is None else "number"
    week = _week(cells.get("week"))
    note = cells.get("note")
    return Correction(
        scope=Scope(store=_label(cells, "store"), department=_label(cells, "department")),
        week_from=week,
        week_to=week,
        kind=kind,
        value=_number(cells, "planned" if kind == "number" else "per cent"),
        reason=_reason(cells.get("reason")),
        note="" if note is None else str(note),
    )


def _reason(cell: Cell) -> str:
    """The code of a reason, which may be written as the sheet offers it, as the form does, or as its code."""
    offered = ", ".join(REASON_WORDS.values())
    if cell is None:
        raise RefusedOverrideError("reason", f"every override needs one of {offered}")
    text = f"{cell}".strip().lower()
    for code, told in REASONS.items():
        if text in (code, REASON_WORDS[code], told):
            return code
    raise RefusedOverrideError("reason", f"'{cell}' is none of {offered}")


def _label(cells: Mapping[str, Cell], name: str) -> str:
    found = cells.get(name)
    if found is None:
        raise RefusedOverrideError(name, "is empty")
    return str(found)


def _week(cell: Cell) -> date:
    if isinstance(cell, datetime):
        return cell.date()
    if isinstance(cell, date):
        return cell
    try:
        return date.fromisoformat(str(cell).strip())
    except ValueError:
        raise RefusedOverrideError("week", "is no date such as 2017-10-07") from None


def _number(cells: Mapping[str, Cell], name: str) -> float:
    cell = cells[name]
    try:
        return float(cell) if not isinstance(cell, date) and cell is not None else float("nan")
    except (ValueError, TypeError, OverflowError):  # such as a time, an array formula, or 400 digits
        raise RefusedOverrideError(name, "is no number such as 1250 or 12.5") from None
