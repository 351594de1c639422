"""Results of jobs, read part by part, so that a large one never is in memory as a whole."""

from __future__ import annotations

import gzip
import tempfile
from collections.abc import Iterator
from datetime import date

import orjson
import pyarrow as pa
import pyarrow.parquet as pq
from sqlalchemy import Engine

from sales_forecast.service.negotiation import Format
from sales_forecast.service.schemas.responses import QUANTILE_KEYS, Prediction
from sales_forecast.service.tables import columns_of, table_of, to_csv
from sales_forecast.storage.jobs import Job, read_part

BYTES_AT_A_TIME = 2**18

COLUMNS = columns_of(Prediction)
COLUMNS_WITH_QUANTILES = columns_of(Prediction, {"quantiles": QUANTILE_KEYS.values()})


def write_result(engine: Engine, job: Job, form: Format) -> Iterator[bytes]:
    """Write the result of a job.

    Args:
        engine: SQLAlchemy engine of the database.
        job: Job that is done.
        form: Format of the result.
    """
    parts = (_read_part(engine, job, number) for number in range(job.parts))
    if form is Format.JSON:
        yield from _as_json(job, parts)
        return
    tables = (_table(part) for part in parts)
    if form is Format.CSV:
        for position, table in enumerate(tables):
            yield to_csv(table, header=not position)
    else:
        yield from _as_file(tables, form)


def _read_part(engine: Engine, job: Job, number: int) -> bytes:
    """Read a part with a connection that nobody holds while a client takes the part in."""
    with engine.connect() as connection:
        return gzip.decompress(read_part(connection, job.id, number))


def _as_json(job: Job, parts: Iterator[bytes]) -> Iterator[bytes]:
    yield orjson.dumps({"job": job.id})[:-1] + b',"predictions":['
    for position, part in enumerate(parts):
        yield (b"," if position else b"") + part[1:-1]  # without the brackets of the list
    yield b"]}"


def _table(part: bytes) -> pa.Table:
    rows = orjson.loads(part)
    for row in rows:
        row["week"] = date.fromisoformat(row["week"])
    return table_of(rows, COLUMNS_WITH_QUANTILES if "quantiles" in rows[0] else COLUMNS)


def _as_file(tables: Iterator[pa.Table], form: Format) -> Iterator[bytes]:
    """Write a format that is only complete with its last part, by way of a file."""
    with tempfile.TemporaryFile() as file:
        first = next(tables)
        parquet = form is Format.PARQUET
        with (
            pq.ParquetWriter(file, first.schema) if parquet else pa.ipc.new_stream(file, first.schema) as out
        ):
            out.write_table(first)
            for table in tables:
                out.write_table(table)
        file.seek(0)
        while content := file.read(BYTES_AT_A_TIME):
            yield content
