"""Publications that are taken back: their numbers stay, and what was published before them serves again."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

from sqlalchemy import Connection, func, insert, select, update

from sales_forecast.errors import InputError
from sales_forecast.storage import schema
from sales_forecast.storage.ledger import publication
from sales_forecast.storage.queries import Run, newest_run

TABLE = schema.withdrawals


def withdrawn_because(connection: Connection, number: int) -> str | None:
    """Return why a publication is withdrawn; None if it is not."""
    query = select(TABLE.c.why).where(TABLE.c.run == number, TABLE.c.restored_at.is_(None))
    return connection.execute(query).scalar()


def withdraw(connection: Connection, number: int, at: datetime, who: str, why: str) -> Run | None:
    """Let a publication serve no longer; its numbers stay in the ledger. Twice is as good as once.

    Args:
        connection: Connection in a transaction that writes.
        number: Of the publication.
        at: When.
        who: Account.
        why: In words; where it is withdrawn already, the first reason stays.

    Returns:
        The publication that serves from now on; None if none is left.

    Raises:
        InputError: There is no such publication.
    """
    found = publication(connection, number)
    if withdrawn_because(connection, number) is None:
        connection.execute(insert(TABLE), {"run": number, "at": at, "who": who, "why": why})
    return newest_run(connection, found.domain, retailer=found.retailer)


def restore(connection: Connection, number: int, at: datetime, who: str, why: str) -> Run | None:
    """Undo a withdrawal; arguments and result are those of ``withdraw``. Twice is as good as once, too.

    Raises:
        InputError: There is no such publication, or it was never withdrawn.
    """
    found = publication(connection, number)
    undone = {"restored_at": at, "restored_by": who, "restored_why": why}
    holds = (TABLE.c.run == number) & TABLE.c.restored_at.is_(None)
    if not connection.execute(update(TABLE).where(holds).values(undone)).rowcount:
        ever = select(func.count()).select_from(TABLE).where(TABLE.c.run == number)
        if not connection.execute(ever).scalar_one():
            raise InputError(f"publication {number} is not withdrawn")
    return newest_run(connection, found.domain, retailer=found.retailer)


def withdrawn_of(connection: Connection, model: str, version: str) -> Sequence[int]:
    """Find the publications of a model's version that are withdrawn now."""
    runs = schema.forecast_runs
    made_by = (runs.c.model_name == model) & (runs.c.model_version == version)
    query = select(runs.c.id).join(TABLE).where(made_by, TABLE.c.restored_at.is_(None))
    return connection.execute(query.order_by(runs.c.id)).scalars().all()


def why_nothing_serves(connection: Connection, domain: str, retailer: str | None = None) -> str:
    """Say why there are no forecasts, and what to do.

    Args:
        connection: Connection to the database.
        domain: ``turnover`` or ``marketing``, for which ``newest_run`` finds nothing.
        retailer: Whose forecasts are wanted; None for any retailer's.
    """
    runs = schema.forecast_runs
    there = select(runs.c.retailer, func.count(), func.max(runs.c.id)).where(runs.c.domain == domain)
    found = {row[0]: row for row in connection.execute(there.group_by(runs.c.retailer))}
    if not found:
        return f"there are no {domain} forecasts yet; make some: kedro run"
    if retailer is not None and retailer not in found:
        return f"nothing is published for retailer '{retailer}'; there is: {', '.join(sorted(found))}"
    wanted = [found[retailer]] if retailer is not None else list(found.values())
    count, newest = sum(row[1] for row in wanted), max(row[2] for row in wanted)
    return (
        f"all {count} publication(s) of {domain} are withdrawn: sales-forecast ledger list says why. To let "
        f"one serve again: sales-forecast ledger restore {newest} --why ..."
    )
