"""Whether the database is whole, and how large its tables are."""

from __future__ import annotations

from dataclasses import dataclass

from alembic.runtime.migration import MigrationContext
from sqlalchemy import Connection, func, inspect, select, table, text
from sqlalchemy.exc import OperationalError

from sales_forecast.storage.backup import head_revision


@dataclass(frozen=True)
class Finding:
    """The result of a check.

    Args:
        name: What was checked.
        problem: What is wrong; empty if nothing is.
    """

    name: str
    problem: str


@dataclass(frozen=True)
class TableSize:
    """How much a table holds.

    Args:
        name: Name of the table.
        rows: Number of rows.
        bytes: Bytes with its indexes; None where SQLite was built without ``dbstat``.
    """

    name: str
    rows: int
    bytes: int | None


def revision_of(connection: Connection) -> str | None:
    """Return the newest migration that a database has; None before the first one."""
    return MigrationContext.configure(connection).get_current_revision()


def check(connection: Connection) -> list[Finding]:
    """Check integrity, migrations and foreign keys; nothing is changed."""
    revision, migrations = revision_of(connection), ""
    if revision != (head := head_revision()):
        migrations = f"at {revision or 'none'}, while this version of the project has {head}"
    sqlite = connection.dialect.name == "sqlite"
    integrity = _sqlite_integrity(connection) if sqlite else _invalid_indexes(connection)
    keys = _sqlite_keys(connection) if sqlite else _invalid_keys(connection)
    return [Finding("integrity", integrity), Finding("migrations", migrations), Finding("foreign keys", keys)]


def _sqlite_integrity(connection: Connection) -> str:
    found = connection.execute(text("pragma integrity_check(3)")).scalars().all()
    return "" if found == ["ok"] else "; ".join(found)


def _sqlite_keys(connection: Connection) -> str:
    found = connection.execute(text("pragma foreign_key_check")).all()
    examples = "; ".join(f"row {row} of {name} refers to no {other}" for name, row, other, _ in found[:3])
    return f"{len(found):,} row(s) without what they refer to: {examples}" if found else ""


def _invalid_indexes(connection: Connection) -> str:
    query = "select indexrelid::regclass::text from pg_index where not indisvalid order by 1"
    found = connection.execute(text(query)).scalars().all()
    return f"indexes that are not valid, rebuild them (REINDEX): {', '.join(found)}" if found else ""


def _invalid_keys(connection: Connection) -> str:
    query = "select conname from pg_constraint where contype = 'f' and not convalidated order by 1"
    found = connection.execute(text(query)).scalars().all()
    return f"constraints that were never validated: {', '.join(found)}" if found else ""


def sizes(connection: Connection) -> list[TableSize]:
    """Measure all tables, the largest first."""
    names = inspect(connection).get_table_names()
    known = (
        _sqlite_bytes(connection) if connection.dialect.name == "sqlite" else _postgresql_bytes(connection)
    )
    found = [
        TableSize(
            name,
            connection.execute(select(func.count()).select_from(table(name))).scalar_one(),
            known.get(name),
        )
        for name in names
    ]
    return sorted(found, key=lambda one: (-(one.bytes or 0), -one.rows, one.name))


def _sqlite_bytes(connection: Connection) -> dict[str, int]:
    query = (
        "select s.tbl_name, sum(d.pgsize) from dbstat as d join sqlite_schema as s on s.name = d.name "
        "group by s.tbl_name"
    )
    try:
        return {name: int(size) for name, size in connection.execute(text(query))}
    except OperationalError:
        return {}


def _postgresql_bytes(connection: Connection) -> dict[str, int]:
    query = "select relname, pg_total_relation_size(oid) from pg_class where relkind in ('r', 'p')"
    return {name: int(size) for name, size in connection.execute(text(query))}
