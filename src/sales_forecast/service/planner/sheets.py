"""The override sheet: taken by planners, filled in, and sent back; each refused row has its reason."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from tempfile import TemporaryDirectory

from fastapi import Response
from starlette.concurrency import run_in_threadpool

from sales_forecast.errors import InputError
from sales_forecast.planning.override_sheet import Cell, RefusedRow, override_sheet
from sales_forecast.service.dependencies import spend
from sales_forecast.service.planner.browsers import HEADERS
from sales_forecast.service.planner.forms import Upload
from sales_forecast.service.planner.frame import Page, Visit
from sales_forecast.service.problems import ProblemError
from sales_forecast.service.recording import audit_record, record_stored_read
from sales_forecast.service.routes.pages import COST_OF_A_TABLE
from sales_forecast.storage.audit import AuditRecord
from sales_forecast.storage.override_files import write_sheet
from sales_forecast.storage.override_import import (
    CheckedSheet,
    check_sheet,
    leave_out_what_counts,
    store_sheet,
)
from sales_forecast.storage.overrides import lock_key
from sales_forecast.storage.queries import newest_run
from sales_forecast.storage.sheet_process import read_sheet_apart

MOST_BYTES_UNPACKED = 40_000_000
"""Size of a workbook once it is unpacked."""

MOST_FILLED_IN = 2_000
"""Rows that are checked while a browser waits."""

ROWS_OF_A_UNIT = 20
"""Rows that are checked for a unit."""

SHOWN = 50
"""Rows that are told one by one."""

FILLED_IN = ("planned", "per cent")
"""Columns of which one is filled in where a planner knows better."""

Rows = list[tuple[int, dict[str, Cell]]]

MEDIA_TYPES = {
    ".xlsx": "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet",
    ".csv": "text/csv; charset=utf-8",
}


@dataclass(frozen=True)
class Checked:
    """What a sheet asks for, as the page tells it.

    Args:
        name: What the browser calls the file.
        sheet: What was checked.
        made: Numbers of the overrides that are stored now.
    """

    name: str
    sheet: CheckedSheet
    made: Sequence[int]

    @property
    def change(self) -> float:
        """By how much the plan would be above the forecasts, in currency units."""
        weeks = [one.weeks for one in self.sheet.accepted.values()]
        return float(sum((each["planned"] - each["forecast"]).sum() for each in weeks))

    @property
    def refused(self) -> Sequence[RefusedRow]:
        """The first of the rows that are refused."""
        return self.sheet.refused[:SHOWN]

    @property
    def warned(self) -> Sequence[tuple[int, str]]:
        """Row and warning, the first of them."""
        found = [(row, one.detail) for row, each in self.sheet.accepted.items() for one in each.warnings]
        return found[:SHOWN]


def sheet(visit: Visit) -> Page:
    """Collect what the page shows before a sheet was sent."""
    return _page(visit, None)


async def send(visit: Visit) -> Page:
    """Check a sheet that was sent, and store its overrides if the form asks for that.

    Raises:
        ProblemError: There is no file, or it is no such sheet.
    """
    upload = visit.files.get("sheet")
    if upload is None or not upload.content:
        return await run_in_threadpool(_page, visit, None, "choose a file first")
    await spend(visit.request, visit.session.key, COST_OF_A_TABLE)
    service, key = visit.service, visit.session.key
    try:
        rows = await service.sheets.run(key.key_id, _read, upload)
        await spend(visit.request, key, len(rows) // ROWS_OF_A_UNIT)
        found = await service.computations.run(key.key_id, _check, visit, rows)
        if visit.query.get("do") == "store" and _may_store(visit, found):
            checked = await run_in_threadpool(_store, visit, upload, found)
        else:
            checked = Checked(upload.name, found, [])
            await service.audit_writer.record([_to_record(visit, upload, checked)])
    except InputError as error:
        return await run_in_threadpool(_page, visit, None, f"{error}")
    return await run_in_threadpool(_page, visit, checked)


def _check(visit: Visit, rows: Rows) -> CheckedSheet:
    published = visit.service.published.of(visit.run)
    with visit.service.engine.connect() as connection:
        return check_sheet(connection, published, rows, visit.session.key.territory.has)


def _may_store(visit: Visit, found: CheckedSheet) -> bool:
    """Whether there is something to store: all rows, or those that are not refused if the form says so."""
    return bool(found.accepted) and ("partly" in visit.query or not found.refused)


def _store(visit: Visit, upload: Upload, found: CheckedSheet) -> Checked:
    """Store the overrides of a sheet together with the record of them.

    Raises:
        InputError: The publication is not the newest any more, or the key has too many overrides.
    """
    service, key, run = visit.service, visit.session.key, visit.run
    who, most = (key.key_id, key.name), service.settings.overrides.max_active_per_key
    published = service.published.of(run)
    with service.plan_changes.begin() as (connection, records):
        lock_key(connection, key.key_id)
        if newest_run(connection, "turnover", retailer=service.retailer) != run:
            raise InputError("other forecasts are published now; take a new sheet, and fill that in")
        found = leave_out_what_counts(connection, published, found)  # the same sheet may have come meanwhile
        made = store_sheet(connection, published, found, who, datetime.now(UTC), most)
        checked = Checked(upload.name, found, made)
        records.append(_to_record(visit, upload, checked))
    return checked


def _to_record(visit: Visit, upload: Upload, checked: Checked) -> AuditRecord:
    """Make the record of a sheet that was checked, and of what was stored of it."""
    asked = {"sheet": upload.name[:200], "sha256": hashlib.sha256(upload.content).hexdigest()}
    asked |= {"do": visit.query.get("do", "")}
    result = {"overrides": checked.made, "accepted": len(checked.sheet.accepted)}
    result |= {"refused": len(checked.sheet.refused)}
    model = (visit.run.model_name, visit.run.model_version)
    return audit_record(visit.request, visit.session.key, "none", model, asked, result)


def _read(upload: Upload) -> Rows:
    """Read the rows that are filled in, through a file of a name of our own: the browser's tells the format.

    Raises:
        InputError: It is no sheet.
    """
    with TemporaryDirectory() as folder:
        path = Path(folder) / f"sheet{_suffix(upload.name)}"
        path.write_bytes(upload.content)
        try:
            rows = read_sheet_apart(path, MOST_BYTES_UNPACKED)
        except InputError as error:
            raise InputError(f"{error}".replace(f"{path}", "the file")) from None
    filled = [row for row in rows if any(row[1].get(name) is not None for name in FILLED_IN)]
    if len(filled) > MOST_FILLED_IN:
        raise InputError(f"{len(filled):,} rows are filled in; send at most {MOST_FILLED_IN:,} at once")
    return filled


def _suffix(name: str) -> str:
    suffix = Path(name).suffix.lower()
    if suffix not in MEDIA_TYPES:
        raise InputError("only files that end with .xlsx or .csv are read")
    return suffix


def _page(visit: Visit, checked: Checked | None, problem: str = "") -> Page:
    content = {
        "checked": checked,
        "problem": problem,
        "may_plan": visit.may_plan,
        "is_limited": visit.session.key.territory.is_limited,
        "most_megabytes": visit.service.settings.max_body_bytes / 1e6,
    }
    status = 422 if problem else 200
    return Page("sheet.html.jinja", "Override sheet", "/planner/overrides", content, status=status)


async def workbook(visit: Visit) -> Response:
    """Return the sheet to fill in, as a workbook."""
    return await _blank(visit, ".xlsx")


async def text_file(visit: Visit) -> Response:
    """Return the sheet to fill in, as CSV."""
    return await _blank(visit, ".csv")


async def _blank(visit: Visit, suffix: str) -> Response:
    await spend(visit.request, visit.session.key, COST_OF_A_TABLE)
    content = await visit.service.computations.run(visit.session.key.key_id, _write, visit, suffix)
    model, output = (visit.run.model_name, visit.run.model_version), {"run": visit.run.id}
    await record_stored_read(visit.request, visit.session.key, model, visit.query, output)
    headers = {**HEADERS, "Content-Disposition": f'attachment; filename="overrides{suffix}"'}
    return Response(content, headers=headers, media_type=MEDIA_TYPES[suffix])


def _write(visit: Visit, suffix: str) -> bytes:
    """Write the rows of the planner's own stores, or of one store."""
    directory, territory = visit.service.facts.directory(visit.run), visit.session.key.territory
    own = {one.store for one in directory.stores.values() if territory.has(one.store, one.region)}
    if "store" in visit.query:
        own &= {visit.query["store"]}
    rows = visit.service.published.plan(visit.run)
    chosen = rows[rows["store"].isin(own)]
    if chosen.empty:
        raise ProblemError(404, "there is no forecast for stores that you may plan")
    with TemporaryDirectory() as folder:
        path = Path(folder) / f"overrides{suffix}"
        write_sheet(path, override_sheet(chosen))
        return path.read_bytes()
