"""Sheets as an Excel workbook, written by XlsxWriter."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import date
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pandas as pd

from sales_forecast.reporting.workbook import Entry, Kind, Sheet

if TYPE_CHECKING:
    import xlsxwriter
    from xlsxwriter.format import Format
    from xlsxwriter.worksheet import Worksheet

NUMBER_FORMATS: dict[Kind, str] = {
    "date": "yyyy-mm-dd",
    "money": "#,##0",
    "change": "+#,##0;-#,##0;0",
    "share": "+0%;-0%;0%",
    "probability": "0.000",
    "hours": "#,##0.0",
    "count": "#,##0",
}
WIDTHS: dict[Kind, int] = {"label": 12, "words": 110, **dict.fromkeys(NUMBER_FORMATS, 12), "date": 11}
"""Characters."""

HEADING = {"bold": True, "text_wrap": True, "valign": "top", "bottom": 1, "bg_color": "#f5f8fa"}
MORE, LESS = {"bg_color": "#cfe5f5"}, {"bg_color": "#fbdcc4"}
"""Blue and orange are told apart by colour-blind readers, too; the sign in the cell says it again."""

TO_FILL_IN = {"bg_color": "#fff9dd", "border": 1, "border_color": "#d9d2a6"}

A4 = 9


def write_workbook(path: Path, sheets: Iterable[Sheet]) -> None:
    """Write sheets as a workbook, ready for the screen and for paper.

    Text is never a formula or a link, whatever it begins with, and stays text when a cell is edited.

    Args:
        path: File to write; an existing one is replaced.
        sheets: In their order.
    """
    import xlsxwriter

    with path.open("wb") as file, xlsxwriter.Workbook(file) as book:
        formats = {kind: _cells(book, kind) for kind in WIDTHS}
        for sheet in sheets:
            _write(book, sheet, formats)


def _cells(book: xlsxwriter.Workbook, kind: Kind, **more: Any) -> Format:
    """Format of cells of one kind; text has the prefix that spreadsheets give a cell that is only text."""
    own = {"num_format": NUMBER_FORMATS[kind]} if kind in NUMBER_FORMATS else {"quote_prefix": True}
    wrap = {"text_wrap": True, "valign": "top"} if kind == "words" else {}
    return book.add_format(own | wrap | more)


def _write(book: xlsxwriter.Workbook, sheet: Sheet, formats: dict[Kind, Format]) -> None:
    page = book.add_worksheet(sheet.name)
    plain = book.add_format()
    for column, heading in enumerate(sheet.frame.columns):
        kind = sheet.kind(heading)
        heading_cell = _cells(book, "date" if isinstance(heading, pd.Timestamp) else "label", **HEADING)
        _put(page, 0, column, heading, heading_cell, heading_cell)
        if entry := sheet.entries.get(str(heading)):
            _take_entries(book, page, sheet, column, entry)
            continue
        for row, value in enumerate(sheet.frame.iloc[:, column], start=1):
            _put(page, row, column, value, formats[kind], plain if kind == "label" else formats[kind])
        page.set_column(column, column, max(WIDTHS[kind], _longest(sheet, column)))
    if sheet.totals:
        _add_totals(book, page, sheet)
    if sheet.filtered:
        page.autofilter(0, 0, len(sheet.frame), len(sheet.frame.columns) - 1)
    _colour(book, page, sheet)
    page.freeze_panes(1, sheet.frozen)
    page.ignore_errors({"number_stored_as_text": f"A1:XFD{len(sheet.frame) + 2}"})
    _set_up_print(page)


def _put(page: Worksheet, row: int, column: int, value: Any, cell: Format, of_number: Format) -> None:
    """Write one cell as what the value is; nothing is read from its text."""
    if isinstance(value, str):
        page.write_string(row, column, value, cell)
    elif pd.isna(value):
        page.write_blank(row, column, None, of_number)
    elif isinstance(value, pd.Timestamp):
        page.write_datetime(row, column, value.to_pydatetime(), cell)
    elif isinstance(value, date):
        page.write_datetime(row, column, value, cell)
    else:
        page.write_number(row, column, float(value), of_number)


def _longest(sheet: Sheet, column: int) -> int:
    """Width that the labels of a column need, in characters, within reason."""
    if sheet.kind(sheet.frame.columns[column]) != "label":
        return 0
    return min(40, max((len(str(value)) + 2 for value in sheet.frame.iloc[:, column].unique()), default=0))


def _take_entries(
    book: xlsxwriter.Workbook, page: Worksheet, sheet: Sheet, column: int, entry: Entry
) -> None:
    """Leave the cells of a column empty, and say what may be typed into them."""
    kind = sheet.kind(sheet.frame.columns[column])
    number_format = {"num_format": NUMBER_FORMATS[kind]} if kind in NUMBER_FORMATS else {}
    cell = book.add_format((number_format or ({"num_format": "@"} if entry.is_text else {})) | TO_FILL_IN)
    for row in range(1, len(sheet.frame) + 1):
        page.write_blank(row, column, None, cell)
    page.set_column(column, column, entry.width)
    rule: dict[str, Any] = {"validate": "any"}
    if entry.choices:
        rule = {"validate": "list", "source": list(entry.choices)}
    elif not entry.is_text:
        rule = {"validate": "decimal", "criteria": "between", "minimum": entry.least, "maximum": entry.most}
    elif entry.longest is not None:
        rule = {"validate": "length", "criteria": "<=", "value": entry.longest}
    told = {"input_message": entry.help, "error_message": entry.help}
    page.data_validation(1, column, max(len(sheet.frame), 1), column, rule | told)


def _add_totals(book: xlsxwriter.Workbook, page: Worksheet, sheet: Sheet) -> None:
    """Sum the rows that a filter leaves in sight (SUBTOTAL 109), with the sum of all as it is opened."""
    from xlsxwriter.utility import xl_col_to_name

    last = len(sheet.frame)
    page.write_string(last + 1, 0, "rows shown", _cells(book, "label", bold=True, top=1))
    for column, heading in enumerate(sheet.frame.columns):
        if last and heading in sheet.totals:
            letters = xl_col_to_name(column)
            formula = f"=SUBTOTAL(109,{letters}2:{letters}{last + 1})"
            total = float(sheet.frame.iloc[:, column].sum())
            cell = _cells(book, sheet.kind(heading), bold=True, top=1)
            page.write_formula(last + 1, column, formula, cell, total)


def _colour(book: xlsxwriter.Workbook, page: Worksheet, sheet: Sheet) -> None:
    more, less = book.add_format(MORE), book.add_format(LESS)
    for heading in sheet.coloured:
        column = list(sheet.frame.columns).index(heading)
        for criteria, limit, colour in ((">=", sheet.large, more), ("<=", -sheet.large, less)):
            rule = {"type": "cell", "criteria": criteria, "value": limit, "format": colour}
            page.conditional_format(1, column, max(len(sheet.frame), 1), column, rule)


def _set_up_print(page: Worksheet) -> None:
    """Print landscape on A4, as wide as the paper, with the headings on each page."""
    page.set_landscape()
    page.set_paper(A4)
    page.set_margins(left=0.4, right=0.4, top=0.5, bottom=0.6)
    page.fit_to_pages(1, 0)
    page.repeat_rows(0)
    page.set_footer("&L&A&RPage &P of &N")
