"""The audit log: what every request was answered, kept until it is purged."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

import orjson
import pyarrow as pa
import pyarrow.parquet as pq
from sqlalchemy import Connection, Engine, delete, func, insert, select

from sales_forecast.atomic import whole_file
from sales_forecast.errors import InputError
from sales_forecast.storage.schema import audit_log

ROWS_AT_A_TIME = 5_000


@dataclass(frozen=True)
class AuditRecord:
    """One row of the audit log: the answer to a request, or the part of it that one arm gave.

    Args:
        request_id: Id of the request, as the response names it.
        arm: ``champion`` or ``challenger``; ``stored`` for forecasts from the database.
        at: Time of the answer.
        key_id: Id of the API key that was used.
        endpoint: Path of the route, with its placeholders.
        model_name: Name of the model in the registry.
        model_version: Version of the model in the registry.
        input: Content of the request, as JSON.
        output: Content of the response, as JSON; for stored forecasts, which never change, the number of
            their run and how many rows were returned.
        other_output: What the other arm predicts for the same request, as JSON; None without an experiment.
        latency_ms: Milliseconds from the arrival of the request to this record.
    """

    request_id: str
    arm: str
    at: datetime
    key_id: str
    endpoint: str
    model_name: str
    model_version: str
    input: object
    output: object
    other_output: object
    latency_ms: float


JSON_COLUMNS = ("input", "output", "other_output")


def record(connection: Connection, records: Sequence[AuditRecord]) -> None:
    """Write records to the audit log."""
    connection.execute(insert(audit_log), [vars(one) for one in records])


def count_before(connection: Connection, moment: datetime) -> int:
    """Count the records that are older than a moment."""
    return connection.execute(
        select(func.count()).select_from(audit_log).where(audit_log.c.at < moment)
    ).scalar_one()


def purge(connection: Connection, before: datetime) -> int:
    """Delete the records that are older than a moment.

    Returns:
        The number of deleted records.
    """
    return connection.execute(delete(audit_log).where(audit_log.c.at < before)).rowcount


def records_of_request(connection: Connection, request_id: str) -> list[AuditRecord]:
    """Read what one request was answered, one record per arm; empty if the id is unknown."""
    if "\x00" in request_id:  # PostgreSQL cannot store this character
        return []
    query = select(audit_log).where(audit_log.c.request_id == request_id)
    return [AuditRecord(**row) for row in connection.execute(query).mappings()]


def read(
    connection: Connection,
    since: datetime | None = None,
    until: datetime | None = None,
    *,
    two_arms: bool = False,
) -> Iterator[AuditRecord]:
    """Read records, oldest first, holding only some of them in memory at a time.

    Args:
        connection: Connection to the database.
        since: Time of the first record to read; None for no limit.
        until: Time before which the last record was written; None for no limit.
        two_arms: Whether to read only requests for which both arms predicted.
    """
    query = select(audit_log).order_by(audit_log.c.at, audit_log.c.request_id, audit_log.c.arm)
    if since is not None:
        query = query.where(audit_log.c.at >= since)
    if until is not None:
        query = query.where(audit_log.c.at < until)
    if two_arms:
        query = query.where(audit_log.c.other_output.is_not(None))
    for row in connection.execution_options(yield_per=ROWS_AT_A_TIME).execute(query).mappings():
        yield AuditRecord(**row)


EXPORTED = pa.schema(
    [
        *((name, pa.string()) for name in ("request_id", "arm")),
        ("at", pa.timestamp("us", "UTC")),
        *((name, pa.string()) for name in ("key_id", "endpoint", "model_name", "model_version")),
        *((name, pa.string()) for name in JSON_COLUMNS),
        ("latency_ms", pa.float64()),
    ]
)


def export(engine: Engine, path: Path, since: datetime | None, until: datetime | None) -> int:
    """Write records to a Parquet file; the file is complete or is not written at all.

    Args:
        engine: SQLAlchemy engine of the database.
        path: Parquet file to write; an existing one is replaced.
        since: Time of the first record to export; None for no limit.
        until: Time before which the last record was written; None for no limit.

    Returns:
        The number of exported records.

    Raises:
        InputError: The file cannot be written.
    """
    count = 0
    try:
        path.parent.stat()  # a folder that is not there is a slip of the keyboard
        with (
            whole_file(path) as part,
            engine.connect() as connection,
            pq.ParquetWriter(part, EXPORTED) as writer,
        ):
            rows: list[dict[str, object]] = []
            for found in read(connection, since, until):
                row = vars(found)
                rows.append(row | {name: _as_json(row[name]) for name in JSON_COLUMNS})
                count += 1
                if len(rows) == ROWS_AT_A_TIME:
                    writer.write_table(pa.Table.from_pylist(rows, EXPORTED))
                    rows.clear()
            writer.write_table(pa.Table.from_pylist(rows, EXPORTED))
    except OSError as error:
        raise InputError(f"{path} cannot be written: {error.strerror}") from error
    return count


def _as_json(value: object) -> str | None:
    return None if value is None else orjson.dumps(value).decode()
