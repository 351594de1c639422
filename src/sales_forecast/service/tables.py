"""Rows of responses as tables: CSV that a spreadsheet may open, Arrow and Parquet."""

from __future__ import annotations

import io
from collections.abc import Iterable, Mapping
from datetime import date, datetime
from types import NoneType, UnionType
from typing import Union, get_args, get_origin

import orjson
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.csv
import pyarrow.parquet
from pydantic import BaseModel

from sales_forecast.formulas import FORMULA
from sales_forecast.service.negotiation import Format

TYPES = {
    bool: pa.bool_(),
    int: pa.int64(),
    float: pa.float64(),
    date: pa.date32(),
    datetime: pa.timestamp("us", "UTC"),
}
"""Type of a field -> type of its column; everything else is text."""

Columns = Mapping[str, pa.DataType]
"""Name of a column -> its type. A point separates the names of a field within a field."""


def columns_of(model: type[BaseModel], keys: Mapping[str, Iterable[str]] | None = None) -> Columns:
    """Derive the columns of a table from the response model of its rows.

    Args:
        model: Response model of a row.
        keys: Field that is a dictionary of numbers -> its keys, each of which becomes a column; other
            dictionaries are left out.
    """
    columns: dict[str, pa.DataType] = {}
    for name, field in model.model_fields.items():
        kind = _without_none(field.annotation)
        if isinstance(kind, type) and issubclass(kind, BaseModel):
            columns |= {f"{name}.{inner}": found for inner, found in columns_of(kind).items()}
        elif get_origin(kind) is dict:
            columns |= {f"{name}.{key}": pa.float64() for key in (keys or {}).get(name, ())}
        else:
            columns[name] = TYPES.get(kind, pa.string()) if isinstance(kind, type) else pa.string()
    return columns


def _without_none(annotation: object) -> object:
    if get_origin(annotation) in (Union, UnionType):
        (annotation, *_) = (kind for kind in get_args(annotation) if kind is not NoneType)
    return annotation


def encode(
    rows: Iterable[Mapping[str, object]], columns: Columns, form: Format, about: Mapping[str, object]
) -> bytes:
    """Write rows as a table.

    Args:
        rows: Rows as in JSON, with dictionaries within.
        columns: Columns of the table.
        form: Format other than JSON.
        about: What is true of all rows; it goes into the metadata of Arrow and Parquet.
    """
    table = table_of(rows, columns)
    if form is Format.CSV:
        return to_csv(table)
    described = orjson.dumps(dict(about), option=orjson.OPT_UTC_Z)
    table = table.replace_schema_metadata({"sales_forecast": described})
    sink = io.BytesIO()
    if form is Format.PARQUET:
        pyarrow.parquet.write_table(table, sink)
    else:
        with pa.ipc.new_stream(sink, table.schema) as writer:
            writer.write_table(table)
    return sink.getvalue()


def table_of(rows: Iterable[Mapping[str, object]], columns: Columns) -> pa.Table:
    """Make a table of rows as in JSON; NaN becomes null."""
    flat = [dict(_flat(row)) for row in rows]
    return pa.table(
        {
            name: pa.array([row.get(name) for row in flat], kind, from_pandas=True)
            for name, kind in columns.items()
        }
    )


def _flat(row: Mapping[str, object], prefix: str = "") -> Iterable[tuple[str, object]]:
    for name, value in row.items():
        if isinstance(value, Mapping):
            yield from _flat(value, f"{prefix}{name}.")
        else:
            yield prefix + name, value


def to_csv(table: pa.Table, *, header: bool = True) -> bytes:
    """Write a table as CSV; an apostrophe keeps text that looks like a formula from being calculated."""
    for position, field in enumerate(table.schema):
        if pa.types.is_string(field.type):
            text = table.column(position).combine_chunks()
            quoted = pc.binary_join_element_wise("'", text, "")
            safe = pc.if_else(pc.match_substring_regex(text, FORMULA), quoted, text)
            table = table.set_column(position, field.name, safe)
    sink = io.BytesIO()
    pyarrow.csv.write_csv(table, sink, pyarrow.csv.WriteOptions(include_header=header))
    return sink.getvalue()
