"""The audit log: what every request was answered, and who has read or changed what, until it is purged."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, fields
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from uuid import uuid4

import orjson
import pyarrow as pa
import pyarrow.parquet as pq
from sqlalchemy import Connection, Engine, Row, func, select

from sales_forecast.atomic import whole_file
from sales_forecast.errors import InputError
from sales_forecast.storage.schema import audit_log

ROWS_AT_A_TIME = 5_000


@dataclass(frozen=True)
class AuditRecord:
    """One row of the audit log: the answer to a request or the part of it that one arm gave, or an event.

    Args:
        request_id: Id of the request, as the response names it.
        arm: ``champion`` or ``challenger``; ``stored`` for forecasts from the database; ``none`` for events.
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
        kind: One of ``KINDS``.
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
    kind: str = "answer"


(
    ANSWER,
    REFUSAL,
    RECORD_READ,
    KEY_CHANGE,
    PURGE,
    RESTORE,
    CHAIN_BREAK,
    JOB,
    PLAN_CHANGE,
    SCENARIO,
) = KINDS = (
    "answer",
    "refusal",
    "record_read",
    "key_change",
    "purge",
    "restore",
    "chain_break",
    "job",
    "plan_change",
    "scenario",
)
"""What is on record: answers, requests that were refused, and who has read or changed what.

A ``chain_break`` tells the newest record that a writer knew, when it was not the newest one any more.
"""

JSON_COLUMNS = ("input", "output", "other_output")
LINK_COLUMNS = ("writer", "number", "digest")
_COLUMNS = [audit_log.c[one.name] for one in fields(AuditRecord)]


def utc_now() -> datetime:
    """Return the present time."""
    return datetime.now(UTC)


def event(
    kind: str,
    endpoint: str,
    content: Mapping[str, object],
    result: Mapping[str, object] | None = None,
    key_id: str = "",
    request_id: str | None = None,
) -> AuditRecord:
    """Make a record of something that is no answer, now.

    Args:
        kind: One of ``KINDS``.
        endpoint: Route, or command.
        content: What was asked for.
        result: What came of it.
        key_id: Id of the API key; empty where there is none, as on the command line.
        request_id: Id of the request; None for one of its own.
    """
    return AuditRecord(
        request_id=request_id or str(uuid4()),
        arm="none",
        at=utc_now(),
        key_id=key_id,
        endpoint=endpoint,
        model_name="",
        model_version="",
        input=content,
        output=result or {},
        other_output=None,
        latency_ms=0.0,
        kind=kind,
    )


def bytes_of(record: AuditRecord) -> int:
    """Return how many bytes the contents of a record take as JSON."""
    return sum(len(orjson.dumps(getattr(record, name))) for name in JSON_COLUMNS)


def count_before(connection: Connection, moment: datetime) -> int:
    """Count the records that are older than a moment."""
    return connection.execute(
        select(func.count()).select_from(audit_log).where(audit_log.c.at < moment)
    ).scalar_one()


def records_of_request(connection: Connection, request_id: str) -> list[AuditRecord]:
    """Read what one request was answered, one record per arm; empty if the id is unknown."""
    if "\x00" in request_id:  # PostgreSQL cannot store this character
        return []
    query = select(*_COLUMNS).where(audit_log.c.request_id == request_id)
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
    links = len(LINK_COLUMNS)
    for row in _rows(connection, since, until, two_arms=two_arms):
        yield AuditRecord(*row[:-links])


def _rows(
    connection: Connection, since: datetime | None, until: datetime | None, *, two_arms: bool = False
) -> Iterator[Row[Any]]:
    """Read the columns of ``AuditRecord`` and of the link, oldest first."""
    columns = [*_COLUMNS, *(audit_log.c[name] for name in LINK_COLUMNS)]
    query = select(*columns).order_by(audit_log.c.at, audit_log.c.request_id, audit_log.c.arm)
    if since is not None:
        query = query.where(audit_log.c.at >= since)
    if until is not None:
        query = query.where(audit_log.c.at < until)
    if two_arms:
        query = query.where(audit_log.c.other_output.is_not(None))
    yield from connection.execution_options(yield_per=ROWS_AT_A_TIME).execute(query)


EXPORTED = pa.schema(
    [
        *((name, pa.string()) for name in ("request_id", "arm")),
        ("at", pa.timestamp("us", "UTC")),
        *((name, pa.string()) for name in ("key_id", "endpoint", "model_name", "model_version")),
        *((name, pa.string()) for name in JSON_COLUMNS),
        ("latency_ms", pa.float64()),
        *((name, pa.string()) for name in ("kind", "writer")),
        ("number", pa.int64()),
        ("digest", pa.string()),
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
            for found in _rows(connection, since, until):
                row = found._asdict()
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
