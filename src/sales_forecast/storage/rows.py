"""Rows of one publication: filtered, sorted and paged by the database."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from functools import lru_cache

from sqlalchemy import Column, ColumnElement, Connection, RowMapping, Select, Table, bindparam, func, select

from sales_forecast.storage.queries import Run


class UnknownHorizonError(LookupError):
    """The publication is from before cutoffs were kept, so that its weeks have no horizon."""


@dataclass(frozen=True)
class RowFilter:
    """Which rows of a publication, and in which order.

    Args:
        where: Column -> values of which it must have one; without values, the column may have any.
        week_from: First week, as its first day; None for no limit.
        week_to: Last week, likewise.
        horizons: Weeks after the cutoff; empty for all.
        order: Columns to sort by, with a minus where the largest value comes first. The primary key decides
            between equal rows, so that pages neither overlap nor leave a gap.
    """

    where: tuple[tuple[str, tuple[str, ...]], ...] = ()
    week_from: date | None = None
    week_to: date | None = None
    horizons: tuple[int, ...] = ()
    order: tuple[str, ...] = ()

    @property
    def given(self) -> dict[str, tuple[str, ...]]:
        """The columns that are filtered, with their values."""
        return {name: values for name, values in self.where if values}

    @property
    def leaves_out(self) -> bool:
        """Whether there may be rows of the publication that are not chosen."""
        return bool(self.given or self.week_from or self.week_to or self.horizons)


def filtered_rows(
    connection: Connection, table: Table, run: Run, chosen: RowFilter, limit: int, offset: int
) -> tuple[Sequence[RowMapping], int]:
    """Read rows of one run.

    Args:
        connection: Connection to the database.
        table: A table with a column ``run``, and with a column ``week`` if weeks or horizons are chosen.
        run: Run whose rows are read.
        chosen: Which rows, and in which order.
        limit: Largest number of rows to return.
        offset: Number of rows to skip.

    Returns:
        The rows, and how many there are in total without limit and offset.

    Raises:
        UnknownHorizonError: Horizons are chosen, the table does not have them, and the run has no cutoff.
    """
    values = _values(table, run, chosen)
    page, count = _statements(table, tuple(values), chosen.order)
    found = connection.execute(page, values | {"first": offset, "most": limit}).mappings().all()
    if len(found) < limit and (found or not offset):
        return found, offset + len(found)
    return found, connection.execute(count, values).scalar_one()


def _values(table: Table, run: Run, chosen: RowFilter) -> dict[str, object]:
    """The value of each condition of the query, by its name."""
    values: dict[str, object] = {"run": run.id}
    values |= {f"{name} in": list(found) for name, found in chosen.given.items()}
    limits = {"week from": chosen.week_from, "week to": chosen.week_to}
    values |= {name: limit for name, limit in limits.items() if limit is not None}
    if not chosen.horizons:
        return values
    if "horizon" in table.c:
        return values | {"horizon in": list(chosen.horizons)}
    if run.cutoff is None:
        raise UnknownHorizonError
    return values | {"week in": [run.cutoff + timedelta(weeks=ahead) for ahead in chosen.horizons]}


@lru_cache(maxsize=1000)  # building a statement takes longer than SQLite takes to run it
def _statements(
    table: Table, names: tuple[str, ...], order: tuple[str, ...]
) -> tuple[Select[*tuple[object, ...]], Select[int]]:
    """Build the query for a page of rows and the one for their total number, with named conditions."""
    conditions = [_condition(table, name) for name in names]
    sorting = [_sorting(table.c[name.removeprefix("-")], name) for name in order]
    page = select(table).where(*conditions).order_by(*sorting, *table.primary_key)
    return (
        page.limit(bindparam("most")).offset(bindparam("first")),
        select(func.count()).select_from(table).where(*conditions),
    )


def _condition(table: Table, name: str) -> ColumnElement[bool]:
    column, _, kind = name.partition(" ")
    if kind == "in":
        return table.c[column].in_(bindparam(name, expanding=True))
    if kind == "from":
        return table.c[column] >= bindparam(name)
    if kind == "to":
        return table.c[column] <= bindparam(name)
    return table.c[column] == bindparam(name)


def _sorting(column: Column[object], name: str) -> ColumnElement[object]:
    return column.desc() if name.startswith("-") else column.asc()
