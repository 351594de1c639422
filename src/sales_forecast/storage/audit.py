"""The audit log: every answer, until it is purged."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

import orjson
import pyarrow as pa
import pyarrow.parquet as pq
from sqlalchemy import Connection, Engine, delete, func, insert, select

from sales_forecast.errors import InputError
from sales_forecast.storage.schema import audit_log

ROWS_AT_A_TIME = 5_000


@dataclass(frozen=True)
class Answer:
    """One answer, or the part of it that one arm gave.

    Args:
        request_id: As the caller was told.
        arm: ``champion`` or ``challenger``; ``stored`` for forecasts from the database.
        at: When.
        key_id: Who asked.
        endpoint: Path.
        model_name: In the registry.
        model_version: In the registry.
        input: What was asked.
        output: What was answered; of stored forecasts, which never change, their run and number.
        other_output: What the other arm would have said to the same.
        latency_ms: From the request to this record.
    """

    request_id: str
    arm: str
    at: datetime
    key_id: str
    endpoint: str
    model_name: str
    model_version: str
    input: Any
    output: Any
    other_output: Any
    latency_ms: float


def record(connection: Connection, answers: list[Answer]) -> None:
    """Write answers."""
    connection.execute(insert(audit_log), [answer.__dict__ for answer in answers])


def count_before(connection: Connection, moment: datetime) -> int:
    """How many answers are older."""
    return connection.execute(
        select(func.count()).select_from(audit_log).where(audit_log.c.at < moment)
    ).scalar_one()


def purge(connection: Connection, before: datetime) -> int:
    """Forget older answers for good.

    Returns:
        How many.
    """
    return connection.execute(delete(audit_log).where(audit_log.c.at < before)).rowcount


def read(
    connection: Connection,
    since: datetime | None = None,
    until: datetime | None = None,
    *,
    two_arms: bool = False,
) -> Iterator[dict[str, Any]]:
    """Answers, oldest first, a few at a time in memory; or only those for which both arms were asked."""
    asked = select(audit_log).order_by(audit_log.c.at, audit_log.c.request_id, audit_log.c.arm)
    if since is not None:
        asked = asked.where(audit_log.c.at >= since)
    if until is not None:
        asked = asked.where(audit_log.c.at < until)
    if two_arms:
        asked = asked.where(audit_log.c.other_output.is_not(None))
    for row in connection.execution_options(yield_per=ROWS_AT_A_TIME).execute(asked).mappings():
        yield dict(row)


EXPORTED = pa.schema(
    [
        *((name, pa.string()) for name in ("request_id", "arm")),
        ("at", pa.timestamp("us", "UTC")),
        *((name, pa.string()) for name in ("key_id", "endpoint", "model_name", "model_version")),
        *((name, pa.string()) for name in ("input", "output", "other_output")),  # JSON
        ("latency_ms", pa.float64()),
    ]
)


def export(engine: Engine, path: Path, since: datetime | None, until: datetime | None) -> int:
    """Write answers to a Parquet file, complete or not at all.

    Returns:
        How many.

    Raises:
        InputError: The file cannot be written.
    """
    part = path.with_name(f".{path.name}.part")
    try:
        part.write_bytes(b"")
    except OSError as error:
        raise InputError(f"{path} cannot be written: {error.strerror}") from error
    count = 0
    try:
        with engine.connect() as connection, pq.ParquetWriter(part, EXPORTED) as writer:
            rows: list[dict[str, Any]] = []
            for row in read(connection, since, until):
                rows.append(row | {name: _as_json(row[name]) for name in ("input", "output", "other_output")})
                count += 1
                if len(rows) == ROWS_AT_A_TIME:
                    writer.write_table(pa.Table.from_pylist(rows, EXPORTED))
                    rows.clear()
            writer.write_table(pa.Table.from_pylist(rows, EXPORTED))
        part.replace(path)
    finally:
        part.unlink(missing_ok=True)
    return count


def _as_json(value: Any) -> str | None:
    return None if value is None else orjson.dumps(value).decode()
