"""The ledger: what was published, when, from what, and the proof that nobody has changed it since.

The digest of a publication stands for all its numbers; its link in the chain stands for the digest, for what
it was made from, and for the link before. A number, a date or a publication that is changed, added or taken
away later breaks the chain from there on. Who can write to the database can also write a whole new chain:
keep the last link elsewhere, such as in the log of the run, to tell.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import orjson
import pandas as pd
from sqlalchemy import Boolean, Column, Connection, Float, Integer, RowMapping, Table, select

from sales_forecast.errors import InputError
from sales_forecast.storage import schema
from sales_forecast.storage.columns import LABELS
from sales_forecast.storage.queries import DRAFT, Run

TABLES = {
    "turnover": (schema.forecasts, schema.level_forecasts),
    "marketing": (schema.budget_curves,),
}
"""Domain -> the tables with its published numbers."""

SEPARATOR = "\x1f"
"""Between the texts of a column; no label can have it by accident."""


def labels_as_text(rows: pd.DataFrame) -> pd.DataFrame:
    """Convert the names that a retailer gives to text, as the database has them: 7 and "7" are the same."""
    return rows.astype(dict.fromkeys(rows.columns.intersection(list(LABELS)), str))


def as_stored(rows: pd.DataFrame) -> pd.DataFrame:
    """Convert labels to text and weeks to dates."""
    stored = labels_as_text(rows)
    return stored.assign(week=stored["week"].dt.date) if "week" in stored else stored


def records(rows: pd.DataFrame) -> list[dict[str, object]]:
    """Return the rows as dictionaries, as SQLAlchemy takes them."""
    return [dict(zip(rows.columns, row, strict=True)) for row in rows.itertuples(index=False, name=None)]


def digest_of(
    header: Mapping[str, object], summary: Mapping[str, object], tables: Mapping[str, pd.DataFrame]
) -> str:
    """Hash what is published: equal for equal numbers by the same model from the same data.

    Args:
        header: ``model_name, model_version, run_id, model_data_version, data_version``.
        summary: Further results, as JSON.
        tables: Name of a table -> its rows as they are stored, in any order.

    Returns:
        64 hexadecimal digits, SHA-256 of a form that depends on no library: numbers as eight bytes, texts
        and dates in UTF-8, rows sorted by their keys, columns by their names. A column without any value
        does not count, so that a later version of this project can add one.
    """
    content = hashlib.sha256(_json([sorted(header.items()), summary]))
    for name in sorted(tables):
        content.update(name.encode())
        table = schema.metadata.tables[name]
        keys = [column.name for column in table.primary_key if column.name != "run"]
        rows = tables[name].sort_values(keys)
        for column in sorted({column.name for column in table.columns} & set(rows)):
            if rows[column].notna().any():
                content.update(_bytes(table.c[column], rows[column]))
    return content.hexdigest()


def _bytes(column: Column[object], values: pd.Series) -> bytes:
    """Name of a column, and its values in a form that stays the same."""
    name = column.name.encode()
    if isinstance(column.type, Float):
        numbers = values.to_numpy(dtype="<f8", na_value=np.nan)
        numbers = numbers + 0.0  # -0.0 becomes 0.0, as SQLite stores it
        return name + np.where(np.isnan(numbers), np.nan, numbers).tobytes()
    if isinstance(column.type, Boolean):
        return name + values.to_numpy(dtype="u1").tobytes()
    if isinstance(column.type, Integer):
        return name + values.to_numpy(dtype="<i8").tobytes()
    return name + SEPARATOR.join(map(str, values)).encode()


def _json(content: object) -> bytes:
    return orjson.dumps(content, option=orjson.OPT_SORT_KEYS | orjson.OPT_UTC_Z, default=str)


LINKED = ("retailer", "domain", "made_at", "cutoff", "delivery", "git_commit", "requirements_lock", "digest")
"""What a link of the chain stands for, besides the link before it."""


def link(before: str | None, publication: RowMapping | Mapping[str, object]) -> str:
    """Compute the link of a publication in the chain; 64 hexadecimal digits.

    Args:
        before: The link before it; None for the first one.
        publication: The columns ``LINKED``.
    """
    return hashlib.sha256(_json([before, *(publication[name] for name in LINKED)])).hexdigest()


def last_link(connection: Connection) -> str | None:
    """Return the newest link of the chain; None before the first one."""
    chain, number = schema.forecast_runs.c.chain, schema.forecast_runs.c.id
    query = select(chain).where(chain.is_not(None)).order_by(number.desc()).limit(1)
    return connection.execute(query).scalar()


@dataclass(frozen=True)
class Verified:
    """What a check of the whole ledger has found.

    Args:
        publications: How many it has.
        unchained: How many are from before it was chained, and cannot be proved.
        without_numbers: How many have no numbers any more, such as after ``sales-forecast retention``.
        broken: One sentence for everything that is not as it was published.
        last: The last link of the chain.
    """

    publications: int
    unchained: int
    without_numbers: int
    broken: tuple[str, ...]
    last: str | None


def verify(connection: Connection) -> Verified:
    """Compute all digests and links again, and compare them with those in the ledger."""
    runs = schema.forecast_runs
    published = select(runs).where(runs.c.domain != DRAFT).order_by(runs.c.id)
    found = connection.execute(published).mappings().all()
    before, broken, unchained, empty = None, [], 0, 0
    for run in found:
        name = f"publication {run['id']} of {run['made_at']:%Y-%m-%d %H:%M} UTC"
        if run["chain"] is None:
            unchained += 1
            if before is not None or any(run[column] is not None for column in SINCE_THE_CHAIN):
                broken.append(f"{name}: its link was taken away; it was published after the chain began")
            continue
        if link(before, run) != run["chain"]:
            broken.append(
                f"{name}: its link does not follow from its header and the publication before it; one of "
                "them was changed, added or taken away"
            )
        before = run["chain"]
        tables = dict(_numbers(connection, run))
        if all(rows.empty for rows in tables.values()):
            empty += 1
            if run["numbers_removed_at"] is None:
                broken.append(f"{name}: its numbers are gone, and 'retention' has not removed them")
        elif run["numbers_removed_at"] is not None:
            broken.append(f"{name}: 'retention' has removed some of its numbers only; let it run again")
        elif digest_of({column: run[column] for column in MADE_BY}, run["summary"], tables) != run["digest"]:
            broken.append(f"{name}: its numbers are not those that were published")
    return Verified(len(found), unchained, empty, tuple(broken), before)


SINCE_THE_CHAIN = ("cutoff", "delivery", "git_commit", "requirements_lock")
"""Columns that are empty in publications from before the ledger was chained."""

MADE_BY = ("model_name", "model_version", "run_id", "model_data_version", "data_version")
"""Columns of a publication that say which model made it, from which data."""


def _numbers(connection: Connection, run: RowMapping) -> Iterator[tuple[str, pd.DataFrame]]:
    for table in TABLES[run["domain"]]:
        yield table.name, read_rows(connection, table, run["id"])


def read_rows(connection: Connection, table: Table, run: int) -> pd.DataFrame:
    """Read all rows of a publication, without the column ``run``."""
    columns = [column for column in table.c if column.name != "run"]
    rows = connection.execute(select(*columns).where(table.c.run == run)).all()
    return pd.DataFrame(rows, columns=[column.name for column in columns])


def publication(connection: Connection, number: int) -> Run:
    """Find a publication by its number.

    Raises:
        InputError: There is none of that number.
    """
    runs = schema.forecast_runs
    columns = [runs.c[name] for name in Run.__dataclass_fields__]
    found = connection.execute(select(*columns).where(runs.c.id == number)).mappings().first()
    if found is None or found["domain"] == DRAFT:
        raise InputError(f"there is no publication {number}: sales-forecast ledger list shows all")
    return Run(**found)


def publications(connection: Connection, domain: str, limit: int) -> Sequence[RowMapping]:
    """Read the newest publications of a domain, newest first, with when and why they were withdrawn."""
    runs, gone = schema.forecast_runs, schema.withdrawals
    holds = (gone.c.run == runs.c.id) & gone.c.restored_at.is_(None)
    why = gone.c.at.label("withdrawn_at"), gone.c.why.label("withdrawn")
    query = select(runs, *why).outerjoin(gone, holds).where(runs.c.domain == domain)
    return connection.execute(query.order_by(runs.c.id.desc()).limit(limit)).mappings().all()
