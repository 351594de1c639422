"""Override sheets as files: Excel workbooks, and CSV as spreadsheets write it."""

from __future__ import annotations

import csv
import re
import zlib
from collections.abc import Callable, Iterator
from contextlib import closing
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING
from zipfile import BadZipFile, ZipFile

import pandas as pd

from sales_forecast.atomic import whole_file
from sales_forecast.errors import InputError
from sales_forecast.formulas import FORMULA
from sales_forecast.planning.override_sheet import LABELS, SHEET_COLUMNS, SHEET_NAME, Cell

if TYPE_CHECKING:
    from openpyxl.worksheet.worksheet import Worksheet

QUOTED = re.compile(f"{FORMULA}|^'")
"""A label that begins so gets an apostrophe in CSV, which keeps a spreadsheet from calculating it."""

MOST_ROWS, MOST_COLUMNS = 100_000, 50
"""A sheet has no more: a single cell far away would make every cell before it."""

MOST_BYTES = 200_000_000
"""Size of a workbook once it is unpacked."""

DAMAGED: tuple[type[Exception], ...] = (
    *(BadZipFile, zlib.error, EOFError, RuntimeError),  # of the archive, such as one with a password
    *(SyntaxError, LookupError, ValueError, TypeError, AttributeError, ArithmeticError),  # of what is in it
)
"""What is raised where a workbook is damaged, or is none."""

NEEDED = ("store", "department", "week", "planned", "per cent", "reason")

Rows = Iterator[tuple[int, dict[str, Cell]]]


def write_sheet(path: Path, sheet: pd.DataFrame) -> None:
    """Write a sheet to an ``.xlsx`` or ``.csv`` file; it is complete or is not written at all.

    Args:
        path: File to write; an existing one is replaced.
        sheet: As ``planning.override_sheet.override_sheet`` lays it out.

    Raises:
        InputError: The name ends otherwise, or the file cannot be written.
    """
    writers = {".xlsx": _write_workbook, ".csv": _write_csv}
    if path.suffix.lower() not in writers:
        raise InputError(f"{path}: name a file that ends with .xlsx or .csv")
    try:
        path.parent.stat()  # a folder that is not there is a slip of the keyboard
        with whole_file(path) as part:
            writers[path.suffix.lower()](part, sheet)
    except OSError as error:
        raise InputError(f"{path} cannot be written: {error.strerror}") from error


def _write_csv(path: Path, sheet: pd.DataFrame) -> None:
    safe = {name: sheet[name].map(_quoted) for name in LABELS}
    sheet.assign(**safe).to_csv(path, index=False, float_format="%.0f", encoding="utf-8-sig")


def _quoted(label: str) -> str:
    return f"'{label}" if QUOTED.match(label) else label


def _write_workbook(path: Path, sheet: pd.DataFrame) -> None:
    from sales_forecast.reporting.override_page import override_page  # the package loads Plotly
    from sales_forecast.reporting.workbook_file import write_workbook

    write_workbook(path, [override_page(sheet)])


def read_sheet(path: Path, most_bytes: int = MOST_BYTES) -> list[tuple[int, dict[str, Cell]]]:
    """Read a sheet that was filled in: number of each row, and its cells by heading.

    A workbook is read from its sheet ``overrides``, or from its first one; a formula counts by its result in
    the columns of numbers, and as text elsewhere.

    Args:
        path: File that ends with ``.xlsx`` or ``.csv``.
        most_bytes: Largest size of a workbook once it is unpacked.

    Raises:
        InputError: The file cannot be read, or columns are missing.
    """
    read_workbook = partial(_read_workbook, most_bytes=most_bytes)
    readers: dict[str, Callable[[Path], Rows]] = {".xlsx": read_workbook, ".csv": _read_csv}
    if path.suffix.lower() not in readers:
        raise InputError(f"{path}: name a file that ends with .xlsx or .csv")
    try:
        rows = list(readers[path.suffix.lower()](path))
    except OSError as error:
        raise InputError(f"{path} cannot be read: {error.strerror or error}") from error
    return rows


def _check_headings(path: Path, headings: list[str]) -> None:
    missing = [name for name in NEEDED if name not in headings]
    if missing:
        raise InputError(
            f"{path} has no column {', '.join(repr(name) for name in missing)}; it has "
            f"{', '.join(repr(name) for name in headings[:12] if name)}. 'overrides export' writes "
            f"{', '.join(SHEET_COLUMNS)}"
        )


def _read_csv(path: Path) -> Rows:
    try:
        with path.open(encoding="utf-8-sig", newline="") as file:
            head = file.readline()
            file.seek(0)
            separator = ";" if head.count(";") > head.count(",") else ","
            lines = csv.reader(file, delimiter=separator)
            headings = [name.strip().lower() for name in next(lines, [])]
            _check_headings(path, headings)
            for line in lines:
                cells = dict(zip(headings, (cell.strip() for cell in line), strict=False))
                if any(cells.values()):
                    yield (
                        lines.line_num,
                        {name: _csv_cell(name, cell, separator) for name, cell in cells.items()},
                    )
    except (UnicodeDecodeError, csv.Error) as error:
        raise InputError(f"{path} is no CSV in UTF-8: {error}. Save it as 'CSV UTF-8'") from error


def _csv_cell(name: str, cell: str, separator: str) -> Cell:
    if name in LABELS:
        return cell.removeprefix("'") or None
    if name in ("planned", "per cent") and separator == ";":  # where commas separate digits, not columns
        cell = cell.replace(",", ".")
    return cell or None


def _read_workbook(path: Path, most_bytes: int) -> Rows:
    from openpyxl import load_workbook
    from openpyxl.utils.exceptions import InvalidFileException

    try:
        with ZipFile(path) as packed:
            size = sum(part.file_size for part in packed.infolist())
        if size > most_bytes:
            raise InputError(f"{path} has {size:,} bytes unpacked; at most {most_bytes:,} are read")
        with (  # other sheets are not read, and of this one a row at a time is in memory
            closing(load_workbook(path, read_only=True, data_only=True)) as results,
            closing(load_workbook(path, read_only=True)) as texts,
        ):
            names = [page.title for page in results.worksheets]  # without sheets that are a chart
            name = SHEET_NAME if SHEET_NAME in names else names[0]
            yield from _read_page(path, results[name], texts[name])
    except InputError:
        raise
    except (InvalidFileException, *DAMAGED) as error:
        raise InputError(f"{path} is no Excel workbook, or is damaged: {error}") from error


def _read_page(path: Path, results: Worksheet, texts: Worksheet) -> Rows:
    """Read the rows of a sheet, with results of formulas and as they are written."""
    _check_extent(path, results.title, results.max_row or 0, results.max_column or 0)
    limits = {"max_row": MOST_ROWS + 1, "max_col": MOST_COLUMNS}  # a file may have more than it says
    pages = zip(results.iter_rows(**limits), texts.iter_rows(**limits), strict=True)
    first, _ = next(pages, ((), ()))
    headings = [str(cell.value or "").strip().lower() for cell in first]
    _check_headings(path, headings)
    for number, (computed, written) in enumerate(pages, 2):
        _check_extent(path, results.title, number, results.max_column or 0)
        cells: dict[str, Cell] = {}
        for heading, result, text in zip(headings, computed, written, strict=True):
            is_number = heading in ("planned", "per cent")
            value = result.value if is_number and result.value is not None else text.value
            if heading == "per cent" and isinstance(value, int | float) and "%" in text.number_format:
                value = 100 * value  # a cell that shows 10 % holds 0.1
            if heading:
                cells[heading] = _workbook_cell(heading, value)
        if any(value is not None for value in cells.values()):
            yield number, cells


def _check_extent(path: Path, sheet: str, rows: int, columns: int) -> None:
    if rows > MOST_ROWS or columns > MOST_COLUMNS:
        raise InputError(
            f"{path}: sheet '{sheet}' has cells up to row {rows:,} and column {columns:,}; at most "
            f"{MOST_ROWS:,} rows and {MOST_COLUMNS} columns are read. Delete what is beyond, and save it anew"
        )


def _workbook_cell(heading: str, value: Cell) -> Cell:
    if isinstance(value, str):
        return value.strip() or None
    if heading in LABELS and isinstance(value, float) and value.is_integer():
        return str(int(value))
    return str(value) if heading in LABELS and value is not None else value
