"""Reading a filled-in sheet into the database: each row is taken, or refused with its reason."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime

from sqlalchemy import Connection

from sales_forecast.planning.override_sheet import Cell, RefusedRow, corrections_of, shown
from sales_forecast.planning.overrides import Correction, Override
from sales_forecast.planning.proposals import MayPlan, Proposal, RefusedOverrideError, propose
from sales_forecast.storage.override_limits import refuse_too_many
from sales_forecast.storage.overrides import active_overrides, add_all
from sales_forecast.storage.plan import Published, regions_of, with_regions


@dataclass(frozen=True)
class CheckedSheet:
    """What a sheet asks for.

    Args:
        accepted: What would be stored, by the number of its row.
        there: Number of rows that ask for what counts already.
        refused: Rows that are refused.
    """

    accepted: Mapping[int, Proposal]
    there: int
    refused: Sequence[RefusedRow]


def check_sheet(
    connection: Connection,
    published: Published,
    rows: Iterable[tuple[int, Mapping[str, Cell]]],
    may_plan: MayPlan = lambda *_: True,
) -> CheckedSheet:
    """Check every row of a sheet, and store nothing.

    Args:
        connection: Connection to the database.
        published: The newest publication.
        rows: Number of each row and its cells by heading, see ``override_files.read_sheet``.
        may_plan: Tells which stores are the planner's.
    """
    run = published.run
    forecasts = with_regions(published.forecasts, regions_of(connection, run.retailer))
    by_store = {str(store): found for store, found in forecasts.groupby("store")}
    active = active_overrides(connection, run.retailer, published.first_week)
    accepted: dict[int, Proposal] = {}
    refused, there = [], 0
    for number, asked in corrections_of(rows):
        if isinstance(asked, RefusedRow):
            refused.append(asked)
            continue
        store = str(asked.scope.store)
        earlier = _of_store(active, store)
        if _counts_already(asked, earlier):
            there += 1
            continue
        try:
            of_store = by_store.get(store, forecasts.head(0))
            accepted[number] = propose(of_store, published.levels, asked, earlier, may_plan)
        except RefusedOverrideError as error:
            refused.append(RefusedRow(number, _cell_of(error.field, asked), f"{error.field}: {error}"))
    return CheckedSheet(accepted, there, refused)


def store_sheet(
    connection: Connection,
    published: Published,
    sheet: CheckedSheet,
    who: tuple[str, str],
    now: datetime,
    most: int,
) -> list[int]:
    """Store what was accepted of a sheet, in a transaction that writes; returns the numbers of the overrides.

    Args:
        connection: Connection in a transaction that writes.
        published: The newest publication.
        sheet: What was checked.
        who: Id of the API key, empty for the command line; and name of its owner, or account.
        now: Present time.
        most: Largest number of overrides of an account that may count.

    Raises:
        TooManyOverridesError: There would be more.
    """
    asked = [(one.correction, one.stores) for one in sheet.accepted.values()]
    run = published.run
    refuse_too_many(connection, run.retailer, published.first_week, who, len(asked), most)
    return add_all(connection, asked, retailer=run.retailer, publication=run.id, who=who, now=now)


def leave_out_what_counts(connection: Connection, published: Published, sheet: CheckedSheet) -> CheckedSheet:
    """Leave out what was stored since a sheet was checked, as by a second click; see also ``store_sheet``."""
    active = active_overrides(connection, published.run.retailer, published.first_week)
    accepted = {
        number: one
        for number, one in sheet.accepted.items()
        if not _counts_already(one.correction, _of_store(active, str(one.correction.scope.store)))
    }
    return replace(sheet, accepted=accepted, there=sheet.there + len(sheet.accepted) - len(accepted))


def _of_store(active: Sequence[Override], store: str) -> list[Override]:
    return [one for one in active if store in one.stores]


def _counts_already(asked: Correction, earlier: Sequence[Override]) -> bool:
    """Whether the newest override of a series and week says the same; ``earlier`` is newest first."""
    for one in earlier:
        known = one.correction
        of_series = known.scope.department in (None, asked.scope.department)
        if of_series and known.week_from <= asked.week_from and asked.week_to <= known.week_to:
            return (known.scope, _says(known)) == (asked.scope, _says(asked))
    return False


def _says(asked: Correction) -> tuple[object, ...]:
    return asked.week_from, asked.week_to, asked.kind, asked.value, asked.reason, asked.note


def _cell_of(field: str, asked: Correction) -> str:
    known = vars(asked) | vars(asked.scope)
    return shown(known.get(field))
