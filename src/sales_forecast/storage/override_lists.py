"""Overrides as they are listed: a page is read, and no more."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import date

import pandas as pd
from sqlalchemy import Connection, func, select

from sales_forecast.storage import schema
from sales_forecast.storage.overrides import TABLE, counts
from sales_forecast.storage.queries import Run


def listed_overrides(
    connection: Connection,
    retailer: str,
    first_week: date,
    where: Mapping[str, Sequence[str]],
    *,
    active: bool | None,
    limit: int,
    offset: int,
) -> tuple[pd.DataFrame, int]:
    """Read a page of overrides, newest first, also those that are withdrawn or have expired.

    Args:
        connection: Connection to the database.
        retailer: Whose overrides.
        first_week: First week that the newest publication forecasts.
        where: Column -> values that it may have; columns without values are left out.
        active: Whether those are wanted that count, or the others; None for all.
        limit: Largest number of rows.
        offset: Number of rows to skip.

    Returns:
        The columns of the table but for ``stores``, which may be thousands, ``made_by`` and ``active``, a row
        per override; and the number of rows without limit and offset.
    """
    is_active = counts(first_week)
    chosen = [TABLE.c.retailer == retailer]
    chosen += [TABLE.c[name].in_(values) for name, values in where.items() if values]
    if active is not None:
        chosen.append(is_active if active else ~is_active)
    columns = [column for column in TABLE.c if column.name != "stores"]
    query = select(*columns, TABLE.c.name.label("made_by"), is_active.label("active")).where(*chosen)
    page = connection.execute(query.order_by(TABLE.c.id.desc()).limit(limit).offset(offset))
    rows = pd.DataFrame(page.all(), columns=list(page.keys()), dtype=object)
    return rows, connection.execute(select(func.count()).select_from(TABLE).where(*chosen)).scalar_one()


def known_labels(connection: Connection, run: Run, name: str, labels: Sequence[str]) -> set[str]:
    """Find which of some labels are published, or named by an override.

    Args:
        connection: Connection to the database.
        run: The newest publication.
        name: ``store``, ``department`` or ``region``.
        labels: Labels to look for.
    """
    asked = [label for label in labels if "\x00" not in label]  # PostgreSQL cannot compare with it
    table = schema.stores if name == "region" else schema.forecasts
    of_run = table.c.retailer == run.retailer if name == "region" else table.c.run == run.id
    published = select(table.c[name]).where(of_run, table.c[name].in_(asked))
    named = select(TABLE.c[name]).where(TABLE.c.retailer == run.retailer, TABLE.c[name].in_(asked))
    return set(connection.execute(published.union(named)).scalars()) if asked else set()
