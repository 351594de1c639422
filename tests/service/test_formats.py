"""Lists as CSV, Arrow and Parquet say the same as in JSON, and CSV is safe to open in a spreadsheet."""

import csv
import io
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

import httpx
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from publications import changes, publication
from sales_forecast.service.negotiation import Format, accepts_gzip, choose_format
from sales_forecast.service.problems import ProblemError
from sales_forecast.service.tables import to_csv
from sales_forecast.storage.publications import publish
from services import Shop

pytestmark = pytest.mark.xdist_group("service")

DATABASES = ["sqlite", "postgresql"]

LISTS = {
    "/v1/turnover/forecasts": "forecasts",
    "/v1/turnover/forecasts?quantiles=true": "forecasts",
    "/v1/turnover/forecasts/levels/zone_and_department": "forecasts",
    "/v1/turnover/accuracy": "accuracy",
    "/v1/turnover/changes": "changes",
    "/v1/turnover/changes?as_of=2017-10-04": "changes",
    "/v1/turnover/staffing": "staffing",
    "/v1/turnover/signals": "signals",
    "/v1/turnover/retraining": "decisions",
}
LABELS = dict.fromkeys(("store", "department", "key"), str)
READERS: dict[Format, Callable[[bytes], pd.DataFrame]] = {
    Format.CSV: lambda body: pd.read_csv(io.BytesIO(body), dtype=LABELS, float_precision="round_trip"),
    Format.ARROW: lambda body: pa.ipc.open_stream(body).read_pandas(),
    Format.PARQUET: lambda body: pq.read_table(io.BytesIO(body)).to_pandas(),
}


def texts(column: pd.Series) -> list[str]:
    """Numbers to the last digit; a moment is written in several ways, so of text and dates the beginning."""
    known = [None if pd.isna(value) else value for value in column]
    return [repr(float(value)) if isinstance(value, float | int) else str(value)[:10] for value in known]


def ask(shop: Shop, path: str, accept: str) -> httpx.Response:
    return shop.client.get(path, headers=shop.bearer | {"Accept": accept})


@pytest.fixture(scope="module")
def changed(shop: Shop) -> None:
    """A publication of an earlier time with changes."""
    then = datetime(2017, 10, 4, 6, tzinfo=UTC)
    publish(shop.engine, publication(125.25, weekly_turnover=None, changes=changes()), then)


@pytest.mark.usefixtures("changed")
@pytest.mark.parametrize("path", LISTS)
@pytest.mark.parametrize("form", READERS)
def test_a_table_says_the_same_as_json(shop: Shop, path: str, form: Format) -> None:
    answer, plain = ask(shop, path, form), ask(shop, path, Format.JSON)
    assert answer.status_code == 200, answer.text
    assert answer.headers["Content-Type"].partition(";")[0] == form
    body = plain.json()
    found, wanted = READERS[form](answer.content), pd.json_normalize(body[LISTS[path]])
    assert answer.headers["X-Total-Count"] == str(body["total"])
    assert len(found) == len(wanted)
    for name in wanted:
        if wanted[name].notna().any():
            assert texts(found[name]) == texts(wanted[name]), name


def test_arrow_and_parquet_name_the_publication(shop: Shop) -> None:
    body = ask(shop, "/v1/turnover/forecasts?limit=1", Format.PARQUET).content
    table = pq.read_table(io.BytesIO(body))
    assert b'"publication":' in table.schema.metadata[b"sales_forecast"]
    assert table.schema.field("week").type == pa.date32()


@pytest.mark.parametrize("accept", ["image/png", "text/html;q=1", "application/json;q=0", "text/csv;q=0.0"])
def test_what_is_not_offered_is_refused_with_what_is(shop: Shop, accept: str) -> None:
    answer = ask(shop, "/v1/turnover/forecasts", accept)
    problem = answer.json()
    assert (answer.status_code, problem["title"]) == (406, "Not Acceptable")
    assert answer.headers["Vary"] == "Accept"
    assert all(form in problem["detail"] for form in Format)


@pytest.mark.parametrize(
    ("accept", "form"),
    [
        (None, Format.JSON),
        ("", Format.JSON),
        ("*/*", Format.JSON),
        ("text/*", Format.CSV),
        ("text/html, application/xhtml+xml, application/xml;q=0.9, */*;q=0.8", Format.JSON),
        ("text/csv;q=0.5, application/json;q=0.4", Format.CSV),
        ("TEXT/CSV; charset=utf-8", Format.CSV),
        ("application/*;q=0.5, application/json;q=0", Format.ARROW),
        ("application/json;q=high, text/csv;q=0.1", Format.CSV),
        ("application/vnd.apache.parquet", Format.PARQUET),
    ],
)
def test_the_format_that_a_client_prefers_is_chosen(accept: str | None, form: Format) -> None:
    assert choose_format(accept) is form


def test_nothing_is_chosen_from_nonsense() -> None:
    with pytest.raises(ProblemError, match="'json' is not offered"):
        choose_format("json")


@pytest.mark.parametrize(
    ("header", "accepted"),
    [
        (None, False),
        ("gzip", True),
        ("br, gzip;q=0.1", True),
        ("gzip;q=0", False),
        ("*", True),
        ("identity", False),
    ],
)
def test_gzip_is_sent_to_those_that_take_it(header: str | None, accepted: bool) -> None:
    assert accepts_gzip(header) is accepted


FORMULAS = ["=1+1", "+1", "-1", "@SUM(A1)", "\t=1", " =1", "\r=1", "\uff1d1+1"]
HARMLESS = ["105", "été", "a=1", 'say "hi", it\'s', "two\nlines", "'quoted", ""]


def test_text_that_looks_like_a_formula_is_not_calculated() -> None:
    table = pa.table({"store": FORMULAS + HARMLESS, "forecast": [-1.5] * len(FORMULAS + HARMLESS)})
    header, *rows = csv.reader(io.StringIO(to_csv(table).decode(), newline=""))
    assert header == ["store", "forecast"]
    assert [row[0] for row in rows] == [f"'{text}" for text in FORMULAS] + HARMLESS
    assert {row[1] for row in rows} == {"-1.5"}


def test_a_page_leads_to_the_next_one_of_the_same_publication(shop: Shop) -> None:
    rows: list[Any] = []
    path: str | None = "/v1/turnover/forecasts?store=105&limit=9"
    while path:
        answer = ask(shop, path, Format.CSV)
        rows += [*csv.DictReader(io.StringIO(answer.text))]
        path = answer.links.get("next", {}).get("url")
        assert path is None or "as_of=" in path
    whole = shop.get("/v1/turnover/forecasts", store="105").json()
    assert [row["week"] for row in rows] == [row["week"] for row in whole["forecasts"]]
    assert len(rows) == whole["total"] > 18
