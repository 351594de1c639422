"""What is read from the database."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime
from functools import cache
from typing import Any

from sqlalchemy import Connection, Row, Select, Table, bindparam, func, select

from sales_forecast.storage import schema

Rows = Sequence[Row[Any]]


@dataclass(frozen=True)
class Run:
    """Forecasts that were made together.

    Args:
        id: Its number in the database.
        domain: ``turnover`` or ``marketing``.
        made_at: When.
        model_name: In the registry.
        model_version: In the registry.
        run_id: Of the tracked run that made the model.
        data_version: Of the raw files the model was made from.
        summary: What else there is to say, such as the recommended budget.
        digest: Equal for equal forecasts by the same model.
    """

    id: int
    domain: str
    made_at: datetime
    model_name: str
    model_version: str
    run_id: str
    data_version: str
    summary: dict[str, Any]
    digest: str


def newest_run(connection: Connection, domain: str, as_of: datetime | None = None) -> Run | None:
    """The newest forecasts; with ``as_of``, the newest ones of then."""
    asked = _newest_run(ever=as_of is None)
    found = connection.execute(asked, {"domain": domain, "as_of": as_of}).first()
    return None if found is None else Run(**found._mapping)


@cache  # to put a statement together takes longer than SQLite takes to answer it
def _newest_run(*, ever: bool) -> Select[Any]:
    runs = schema.forecast_runs
    columns = [runs.c[name] for name in Run.__dataclass_fields__]
    asked = select(*columns).where(runs.c.domain == bindparam("domain"))
    if not ever:
        asked = asked.where(runs.c.made_at <= bindparam("as_of"))
    return asked.order_by(runs.c.made_at.desc(), runs.c.id.desc()).limit(1)


def rows_of_run(
    connection: Connection, table: Table, run: Run, where: dict[str, Any], limit: int, offset: int
) -> tuple[Rows, int]:
    """Rows of one run in the order of their keys, and how many there are in all.

    Args:
        connection: Open.
        table: ``schema.forecasts``, ``schema.level_forecasts`` or ``schema.budget_curves``.
        run: Whose rows.
        where: Column -> value; None means any.
        limit: At most so many.
        offset: After so many.
    """
    wanted = {name: value for name, value in where.items() if value is not None} | {"run": run.id}
    some, count = _rows_of_run(table, tuple(wanted))
    found = connection.execute(some, wanted | {"first": offset, "most": limit}).all()
    if len(found) < limit and (found or not offset):
        return found, offset + len(found)
    return found, connection.execute(count, wanted).scalar_one()


@cache
def _rows_of_run(table: Table, columns: tuple[str, ...]) -> tuple[Select[Any], Select[int]]:
    """Some rows, and how many there are in all, where each of the columns has a certain value."""
    wanted = [table.c[name] == bindparam(name) for name in columns]
    some = select(table).where(*wanted).order_by(*table.primary_key)
    return (
        some.limit(bindparam("most")).offset(bindparam("first")),
        select(func.count()).select_from(table).where(*wanted),
    )


def turnover_since(connection: Connection, week: date) -> Rows:
    """``store, department, week, turnover`` from a week on."""
    table = schema.weekly_turnover
    return connection.execute(select(table).where(table.c.week >= week)).all()
