"""Publications that are being written: their rows come first, in short transactions, and are seen by nobody.

A draft has the domain ``DRAFT`` until one transaction enters it into the ledger. What a process that was
killed has left is removed by the next publication, which no other one runs beside.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime

import pandas as pd
from sqlalchemy import Engine, delete, insert, select

from sales_forecast.storage import schema
from sales_forecast.storage.chunks import ROWS_AT_A_TIME, delete_rows, give_way
from sales_forecast.storage.database import writing
from sales_forecast.storage.ledger import TABLES, as_stored, records
from sales_forecast.storage.queries import DRAFT

ROWS = (*(table for tables in TABLES.values() for table in tables), schema.forecast_changes)
"""Tables with rows of a publication, but for ``planner_exceptions``, which are few."""


def begin_draft(engine: Engine, header: Mapping[str, object], now: datetime) -> int:
    """Reserve the number of a publication.

    Args:
        engine: SQLAlchemy engine of the database.
        header: Columns of ``forecast_runs`` except ``domain``, ``made_at`` and ``chain``.
        now: When its forecasts were made.
    """
    runs = schema.forecast_runs
    with writing(engine) as connection:
        query = insert(runs).values({**header, "domain": DRAFT, "made_at": now}).returning(runs.c.id)
        number: int = connection.execute(query).scalar_one()
    return number


def write_rows(engine: Engine, name: str, rows: pd.DataFrame, run: int) -> None:
    """Write the rows of one table, some of them in each transaction."""
    table = schema.metadata.tables[name]
    columns = [column.name for column in table.c if column.name != "run"]
    for start in range(0, len(rows), ROWS_AT_A_TIME):
        part = records(as_stored(rows[columns].iloc[start : start + ROWS_AT_A_TIME]).assign(run=run))
        with writing(engine) as connection:
            connection.execute(insert(table), part)
        if len(part) == ROWS_AT_A_TIME:
            give_way(engine)


def remove_drafts(engine: Engine) -> None:
    """Remove all that has not been published."""
    runs = schema.forecast_runs
    with engine.connect() as connection:
        left = connection.execute(select(runs.c.id).where(runs.c.domain == DRAFT)).scalars().all()
    for number in left:
        for table in ROWS:
            delete_rows(engine, table, table.c.run == number)
        with writing(engine) as connection:
            connection.execute(delete(runs).where(runs.c.id == number, runs.c.domain == DRAFT))
