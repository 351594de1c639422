"""What the routes of stored rows share: selections, pages of publications and pages of other tables."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import partial
from math import ceil

import numpy as np
import orjson
import pandas as pd
from fastapi import Request, Response
from pydantic import BaseModel
from starlette.concurrency import run_in_threadpool

from sales_forecast.service.cache import Page, Selection, View, paging
from sales_forecast.service.dependencies import service_of, spend
from sales_forecast.service.documents import Document, is_known, not_modified, respond
from sales_forecast.service.negotiation import Format, accepts_gzip
from sales_forecast.service.recording import record_stored_read
from sales_forecast.service.schemas.queries import CurveQuery, ListQuery
from sales_forecast.service.tables import Columns, encode
from sales_forecast.storage.keys import ApiKey
from sales_forecast.storage.queries import Run
from sales_forecast.storage.rows import RowFilter

FEW_ROWS = 1000
"""So many rows cost no more than the request itself."""

ROWS_OF_A_UNIT = 100
"""Further rows that cost a unit; of a publication also where there are fewer, unless the page is kept."""

COST_OF_A_TABLE = 9
"""Units that a table costs beside the request, because it is computed each time."""


def selection_of(
    view: View,
    query: ListQuery,
    labels: Sequence[str],
    sort: Sequence[str],
    form: Format,
    where: Mapping[str, tuple[str, ...]] | None = None,
) -> Selection:
    """Make the selection of a request; the order and number in which labels are named make no difference.

    Args:
        view: What is shown of the rows.
        query: Query parameters.
        labels: Names of those parameters that are labels to filter by.
        sort: Columns to sort by.
        form: Format of the response.
        where: Further columns and their values.
    """
    named = {name: tuple(sorted(set(getattr(query, name)))) for name in labels}
    rows = RowFilter(
        where=tuple({**(where or {}), **named}.items()),
        week_from=query.week_from,
        week_to=query.week_to,
        horizons=tuple(sorted(set(query.horizon))),
        order=tuple(dict.fromkeys(sort)),
    )
    return Selection(view, rows, query.limit, query.offset, form)


async def read_page(
    request: Request, key: ApiKey, selection: Selection, query: CurveQuery, run: Run | None = None
) -> Response:
    """Answer with a page of a run, and write to the audit log what was answered.

    Args:
        request: Request that is answered.
        key: API key that came with the request.
        selection: Rows of the response.
        query: Query parameters.
        run: Run that the selection was made for; None for the newest one.

    Raises:
        ProblemError: There is no such run, or no row matches.
    """
    service = service_of(request)
    run = run or await service.cache.newest(selection.view.domain, query.as_of)
    output: dict[str, object] = {"run": run.id}
    if is_known(request, selection.etag(run)):
        response = not_modified(request, selection.etag(run))
        output["not_modified"] = True
    else:
        page = await _read_or_compute(request, key, run, selection, query)
        end = selection.offset + page.count
        headers = paging_headers(request, page.total, end if end < page.total else None, run)
        response = respond(request, page.document, headers)
        output["rows"] = page.count
    content = query.model_dump(mode="json", exclude_defaults=True) | {"form": selection.form}
    content |= {name: values for name, values in selection.rows.given.items() if name == "level"}
    await record_stored_read(request, key, (run.model_name, run.model_version), content, output)
    return response


async def _read_or_compute(
    request: Request, key: ApiKey, run: Run, selection: Selection, query: CurveQuery
) -> Page:
    """Read a page that is kept, or pay for a new one; a large one is a long computation."""
    service = service_of(request)
    more = query.limit - FEW_ROWS if isinstance(query, ListQuery) else 0
    if more <= 0 or service.cache.has(run, selection):
        return await service.cache.page(run, selection)
    await spend(request, key, ceil(more / ROWS_OF_A_UNIT))
    return await service.cache.page(run, selection, partial(service.computations.run, key.key_id))


def about_run(run: Run, _: RowFilter) -> dict[str, object]:
    """Say which publication a response is from, and what made it."""
    model = {"name": run.model_name, "version": run.model_version}
    model |= {"run_id": run.run_id, "data_version": run.model_data_version}
    return {
        "made_at": run.made_at,
        "publication": run.id,
        "cutoff": run.cutoff,
        "data_version": run.data_version,
        "model": model,
    }


async def answer_rows(
    request: Request,
    key: ApiKey,
    query: BaseModel,
    name: str,
    rows: pd.DataFrame,
    columns: Columns,
    form: Format,
    *,
    limit: int,
    offset: int,
    total: int | None = None,
    about: Mapping[str, object] | None = None,
) -> Response:
    """Answer with a page of a table that no publication owns, and write to the audit log that it was read.

    Many rows cost more, and are written like a long computation.

    Args:
        request: Request that is answered.
        key: API key that came with the request.
        query: Query parameters.
        name: Field of the response that holds the rows.
        rows: All rows, in their order; only those of the page if there is a ``total``.
        columns: Columns of the response.
        form: Format of the response.
        limit: Largest number of rows in the response.
        offset: Number of rows to skip.
        total: Number of rows without limit and offset.
        about: What the response says beside its rows.

    Raises:
        ProblemError: Nothing is published yet, or there are more rows than the key has units for.
    """
    service = service_of(request)
    run = await service.cache.newest("turnover", None)
    page = rows if total is not None else rows.iloc[offset : offset + limit]
    total = len(rows) if total is None else total
    pages = paging(len(page), total, offset)
    content = {**(about or {}), **pages}
    compress = accepts_gzip(request.headers.get("Accept-Encoding"))
    write = partial(_document, page, columns, form, name, content, compress=compress)
    if len(page) > FEW_ROWS:
        await spend(request, key, ceil((len(page) - FEW_ROWS) / ROWS_OF_A_UNIT))
        document = await service.computations.run(key.key_id, write)
    else:
        document = await run_in_threadpool(write)
    # several versions are scored and watched: the audit log names the one that serves now
    model, output = (run.model_name, run.model_version), {"rows": len(page), "total": total}
    await record_stored_read(request, key, model, query.model_dump(mode="json"), output)
    return respond(request, document, paging_headers(request, total, pages["next_offset"]))


def _document(
    page: pd.DataFrame,
    columns: Columns,
    form: Format,
    name: str,
    content: dict[str, object],
    *,
    compress: bool,
) -> Document:
    """Write a page; names as plain text, since orjson does not take those of SQLAlchemy."""
    names = list(columns)
    found = page[names].astype(object).replace({np.nan: None, pd.NaT: None})
    rows = [dict(zip(names, row, strict=True)) for row in found.itertuples(index=False)]
    if form is Format.JSON:
        body = orjson.dumps({**content, name: rows}, default=_as_datetime, option=orjson.OPT_UTC_Z)
    else:
        body = encode(rows, columns, form, content)
    return Document.of(body, form, compress=compress)


def _as_datetime(value: object) -> object:
    """Convert what pandas makes of moments."""
    if isinstance(value, pd.Timestamp):
        return value.to_pydatetime()
    raise TypeError(f"{value!r} has no JSON")


def paging_headers(
    request: Request, total: int, next_offset: int | None, run: Run | None = None
) -> dict[str, str]:
    """Say in headers how many rows there are and where the next page is, for formats that only have rows.

    Args:
        request: Request that is answered.
        total: Number of rows without limit and offset.
        next_offset: Offset of the next page; None on the last page.
        run: Publication that the page is of; the next page will be of the same one.
    """
    headers = {"X-Total-Count": str(total)}
    if next_offset is not None:
        pinned = {} if run is None or "as_of" in request.query_params else {"as_of": run.made_at.isoformat()}
        address = request.url.include_query_params(offset=next_offset, **pinned)
        headers["Link"] = f'<{address.path}?{address.query}>; rel="next"'
    return headers
