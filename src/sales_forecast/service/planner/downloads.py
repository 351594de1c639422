"""Tables as files that a spreadsheet opens: every row of what the pages say, as a workbook or as CSV."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from tempfile import TemporaryDirectory

import pandas as pd
import pyarrow as pa
from fastapi import Response

from sales_forecast.errors import InputError
from sales_forecast.forecasting.panel.matrix import ROW_KEYS
from sales_forecast.reporting.workbook import Kind, Sheet
from sales_forecast.service.dependencies import spend
from sales_forecast.service.plan_costs import spend_on_plan
from sales_forecast.service.planner.browsers import HEADERS
from sales_forecast.service.planner.frame import Visit
from sales_forecast.service.planner.overrides import REASONS_TOLD
from sales_forecast.service.planner.sheets import MEDIA_TYPES
from sales_forecast.service.planner.staffing import chosen_hours
from sales_forecast.service.problems import ProblemError
from sales_forecast.service.recording import record_stored_read
from sales_forecast.service.routes.pages import COST_OF_A_TABLE
from sales_forecast.service.routes.plan import COLUMNS as PLAN_COLUMNS
from sales_forecast.service.schemas.staffing import StaffingHours
from sales_forecast.service.tables import Columns, columns_of, table_of, to_csv
from sales_forecast.storage.ledger import records

BYTE_ORDER_MARK = b"\xef\xbb\xbf"
"""Tells spreadsheets that a file is UTF-8."""

HOURS_COLUMNS = {**columns_of(StaffingHours), "last_year_hours": pa.float64()}

DECIMALS = {"quantile": 3}
"""Decimals of a column of a CSV file; the others have two."""

MOST_ROWS = 30_000
"""Rows of a workbook that is written while a browser waits: 10,000 take some 5 seconds."""

LABELS = {"store": "store", "department": "department", "week": "week"}
HOURS_HEADINGS = LABELS | {
    "hours": "hours",
    "shifts": "shifts",
    "last_year_hours": "hours by last year's turnover",
    "difference": "more (+) or fewer (-) hours than last year's turnover needs",
    "minimum_cover_hours": "minimum cover",
    "fixed_hours": "fixed hours",
    "variable_hours": "hours for turnover",
    "planned": "planned turnover",
    "turnover": "turnover to staff for",
    "last_year": "last year's turnover, as sold",
    "override": "override",
    "model_hours": "hours without overrides",
}
"""Column of the hours -> heading in the workbook."""

PLAN_HEADINGS = LABELS | {
    "forecast": "forecast",
    "lo_80": "80 % from",
    "hi_80": "80 % to",
    "planned": "planned",
    "override": "override",
    "reason": "reason",
    "note": "note",
    "last_year": "last year, as sold",
    "change": "planned against last year",
    "hours": "hours",
    "shifts": "shifts",
}
"""Column of the plan -> heading in the workbook."""

AMOUNTS = ("forecast", "lo_80", "hi_80", "planned", "turnover", "last_year")
SUMMED = (
    "hours",
    "shifts",
    "last_year_hours",
    "difference",
    "model_hours",
    "forecast",
    "planned",
    "last_year",
)


async def plan_file(visit: Visit) -> Response:
    """Return the plan of the newest publication, or that of a store, a department, or what is overridden."""
    return await _file(visit, "plan.csv", _plan, PLAN_COLUMNS)


async def plan_workbook(visit: Visit) -> Response:
    """Return the same plan as a workbook, with last year and the hours."""
    return await _workbook(visit, "plan", _plan_with_hours, PLAN_HEADINGS)


async def hours_workbook(visit: Visit) -> Response:
    """Return the same hours as a workbook."""
    return await _workbook(visit, "staffing", _hours_with_difference, HOURS_HEADINGS)


async def hours_file(visit: Visit) -> Response:
    """Return the hours to plan, or those that the form of the page chooses."""
    return await _file(visit, "staffing.csv", _hours, HOURS_COLUMNS)


def _plan(visit: Visit) -> pd.DataFrame:
    rows = visit.service.published.plan(visit.run)
    for name in ("store", "department"):
        if name in visit.query:
            rows = rows[rows[name] == visit.query[name]]
    return rows[rows["override"].notna()] if "overridden" in visit.query else rows


def _hours(visit: Visit) -> pd.DataFrame:
    try:
        return chosen_hours(visit, visit.service.facts.directory(visit.run))
    except InputError as error:
        raise ProblemError(404, f"{error}") from None


def _hours_with_difference(visit: Visit) -> pd.DataFrame:
    rows = _hours(visit)
    return rows.assign(difference=rows["hours"] - rows["last_year_hours"])


def _plan_with_hours(visit: Visit) -> pd.DataFrame:
    """The plan in the words of the pages, with last year and the hours where there are any."""
    basis = visit.service.published.basis(visit.run)
    notes = {one.id: one.correction.note for one in basis.overrides}
    rows = _plan(visit)
    rows = rows.assign(
        reason=rows["reason"].map(lambda code: REASONS_TOLD.get(code, code)),
        note=rows["override"].map(notes),
    )
    try:
        hours = visit.service.facts.hours(basis)[[*ROW_KEYS, "last_year", "hours", "shifts"]]
    except InputError:  # the page about staffing says why there are none
        return rows
    rows = rows.merge(hours, on=ROW_KEYS, how="left", validate="1:1")
    return rows.assign(change=rows["planned"] / rows["last_year"].where(rows["last_year"] > 0) - 1)


async def _workbook(
    visit: Visit, name: str, read: Callable[[Visit], pd.DataFrame], headings: dict[str, str]
) -> Response:
    key = visit.session.key
    await spend_on_plan(visit.request, key, visit.run)
    await spend(visit.request, key, COST_OF_A_TABLE)
    rows = await visit.service.computations.run(key.key_id, read, visit)
    if len(rows) > MOST_ROWS:
        detail = (
            f"these are {len(rows):,} rows, and a workbook has at most {MOST_ROWS:,}: choose a store or a "
        )
        raise ProblemError(413, f"{detail}department first, or take the CSV file")
    content = await visit.service.computations.run(key.key_id, _to_workbook, rows, name, headings)
    return await _as_file(visit, content, f"{name}.xlsx", len(rows))


def _to_workbook(rows: pd.DataFrame, name: str, headings: dict[str, str]) -> bytes:
    """Write rows as a sheet with plain headings, real dates, and sums of the rows that a filter shows."""
    from sales_forecast.reporting.workbook_file import write_workbook

    kinds: dict[str, Kind] = {"week": "date", "change": "share", "shifts": "count"}
    kinds |= dict.fromkeys(AMOUNTS, "money")
    kinds |= {column: "hours" for column in headings if column.endswith("hours") or column == "difference"}
    shown = {column: heading for column, heading in headings.items() if column in rows}
    sheet = Sheet(
        name,
        rows[list(shown)].round(dict.fromkeys((*AMOUNTS, "variable_hours"), 2)).rename(columns=shown),
        {headings[column]: kind for column, kind in kinds.items() if column in headings},
        frozen=len(LABELS),
        totals=tuple(shown[column] for column in SUMMED if column in shown),
    )
    with TemporaryDirectory() as folder:
        path = Path(folder) / f"{name}.xlsx"
        write_workbook(path, [sheet])
        return path.read_bytes()


async def _file(visit: Visit, name: str, read: Callable[[Visit], pd.DataFrame], columns: Columns) -> Response:
    key = visit.session.key
    await spend_on_plan(visit.request, key, visit.run)
    rows = await visit.service.computations.run(key.key_id, read, visit)
    content = await visit.service.computations.run(key.key_id, _to_csv, rows[list(columns)], columns)
    return await _as_file(visit, content, name, len(rows))


async def _as_file(visit: Visit, content: bytes, name: str, count: int) -> Response:
    """Answer with a file, and write to the audit log that it was read."""
    model, output = (visit.run.model_name, visit.run.model_version), {"run": visit.run.id, "rows": count}
    await record_stored_read(visit.request, visit.session.key, model, visit.query, output)
    headers = {**HEADERS, "Content-Disposition": f'attachment; filename="{name}"'}
    return Response(content, headers=headers, media_type=MEDIA_TYPES[Path(name).suffix])


def _to_csv(rows: pd.DataFrame, columns: Columns) -> bytes:
    rounded = rows.round({column: DECIMALS.get(column, 2) for column in columns})
    return BYTE_ORDER_MARK + to_csv(table_of(records(rounded), columns))
