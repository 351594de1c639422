"""Override sheets in the browser: taken, filled in, sent, and refused row by row."""

import asyncio
import io
import zipfile
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from threading import Barrier, current_thread
from typing import Any

import openpyxl
import pandas as pd
import pytest
from fastapi import Request
from hypothesis import given
from hypothesis import strategies as st

from browsers import MARKUP, PLAN, READ, START, key_for, send, signed_in, token_of, words
from sales_forecast.planning.override_sheet import SHEET_COLUMNS
from sales_forecast.service.planner import sheets
from sales_forecast.service.planner.forms import Upload, read_form
from sales_forecast.service.sessions import COOKIE
from sales_forecast.storage import schema, sheet_process
from sales_forecast.storage.database import writing
from sales_forecast.storage.keys import Territory
from services import Shop

pytestmark = pytest.mark.xdist_group("service")

SHEET, API = "/planner/overrides/sheet", "/v1/turnover/overrides"


@pytest.fixture(autouse=True)
def nothing_planned(shop: Shop) -> Iterator[None]:
    yield
    with writing(shop.engine) as connection:
        connection.execute(schema.overrides.delete())


def taken(browser: Any, **query: str) -> pd.DataFrame:
    """The sheet to fill in, as text."""
    answer = browser.get(f"{SHEET}.csv", params=query)
    assert answer.status_code == 200, answer.text
    return pd.read_csv(io.BytesIO(answer.content), dtype=str, keep_default_na=False)


def as_csv(rows: pd.DataFrame) -> bytes:
    return rows.to_csv(index=False).encode()


def as_workbook(rows: pd.DataFrame) -> bytes:
    content = io.BytesIO()
    rows.to_excel(content, sheet_name="overrides", index=False)
    return content.getvalue()


def sent(browser: Any, content: bytes, name: str = "monday.csv", do: str = "store", **fields: str) -> Any:
    return send(browser, SHEET, {"sheet": (name, content)}, do=do, **fields)


def filled(rows: pd.DataFrame, **cells: str) -> pd.DataFrame:
    """The first two rows of a sheet, filled in."""
    return rows.head(2).assign(**{"per cent": "10", "reason": "event"} | cells)


def total(shop: Shop) -> int:
    found: int = shop.get(API).json()["total"]
    return found


@pytest.mark.parametrize(("write", "name"), [(as_csv, "monday.csv"), (as_workbook, "Monday.XLSX")])
def test_a_sheet_is_taken_filled_in_checked_and_stored(shop: Shop, write: Any, name: str) -> None:
    browser = signed_in(shop)
    rows = filled(taken(browser, store="112"))
    checked = words(sent(browser, write(rows), name, "check").text)
    assert f"What {name} asks for" in checked
    assert "2 rows would be stored and change the plan by +" in checked
    assert total(shop) == 0
    answer = sent(browser, write(rows), name)
    assert "2 overrides stored, numbers " in words(answer.text)
    assert total(shop) == 2
    assert {one["made_by"] for one in shop.get(API).json()["overrides"]} == {"a planner"}
    (record,) = shop.audited(answer.headers["X-Request-ID"])
    assert (record["input"]["sheet"], len(record["output"]["overrides"])) == (name, 2)
    again = words(sent(browser, write(rows), name).text)
    assert "0 rows would be stored" in again
    assert "2 ask for what counts already" in again
    assert total(shop) == 2


@pytest.mark.parametrize(
    "reason", ["opening hours", "Opening_hours", "other opening hours, building works or a closure"]
)
def test_a_reason_may_be_written_as_people_say_it(shop: Shop, reason: str) -> None:
    browser = signed_in(shop)
    rows = filled(taken(browser, store="112"), reason=reason)
    assert "2 overrides stored" in words(sent(browser, as_csv(rows)).text)
    assert {one["reason"] for one in shop.get(API).json()["overrides"]} == {"opening_hours"}
    refused = words(sent(browser, as_csv(rows.assign(reason="street festival"))).text)
    assert "'street festival' is none of promotion, event, weather, competitor, opening hours," in refused


def test_the_sheet_shows_the_number_that_counts_already(shop: Shop) -> None:
    browser = signed_in(shop)
    rows = taken(browser, store="112")
    assert set(rows["planned now"]) == {""}
    sent(browser, as_csv(filled(rows)))
    now = taken(browser, store="112")
    wanted = [f"{1.1 * float(forecast):.0f}" for forecast in rows["forecast"].head(2)]
    assert now["planned now"].head(2).astype(float).tolist() == pytest.approx(
        [float(one) for one in wanted], abs=1
    )
    assert set(now["planned now"][2:]) == {""}
    assert set(now["planned"]) == {""}


def test_two_clicks_store_a_sheet_once(shop: Shop, monkeypatch: pytest.MonkeyPatch) -> None:
    browser = signed_in(shop)
    content, store = as_csv(filled(taken(browser, store="112"))), sheets._store
    both_have_checked = Barrier(2, timeout=30)

    def wait_for_the_other(*arguments: Any) -> Any:
        both_have_checked.wait()
        return store(*arguments)

    monkeypatch.setattr(sheets, "_store", wait_for_the_other)
    with ThreadPoolExecutor(2) as clicks:
        answers = list(clicks.map(lambda _: words(sent(signed_in(shop), content).text), range(2)))
    assert total(shop) == 2
    assert sum("2 overrides stored" in text for text in answers) == 1
    assert sum("2 ask for what counts already" in text for text in answers) == 1


def test_a_sheet_that_is_checked_is_on_record_and_costs_by_its_rows(
    shop: Shop, monkeypatch: pytest.MonkeyPatch
) -> None:
    browser = signed_in(shop, key_for(shop, PLAN))  # whose minute begins now
    content = as_csv(filled(taken(browser, store="112")))
    left = []
    for rows_of_a_unit in (20, 1):
        monkeypatch.setattr(sheets, "ROWS_OF_A_UNIT", rows_of_a_unit)
        token = token_of(browser.get(START).text)
        before = units_left(browser.get(START))
        answer = browser.post(
            SHEET, data={"token": token, "do": "check"}, files={"sheet": ("a.csv", content)}
        )
        left.append(before - units_left(answer))
    assert left == [10, 12]
    (record,) = shop.audited(answer.headers["X-Request-ID"])
    assert (record["input"]["do"], record["output"]) == (
        "check",
        {"overrides": [], "accepted": 2, "refused": 0},
    )


def test_what_is_stored_is_stored_apart_from_the_pool_that_may_be_given_up(
    shop: Shop, monkeypatch: pytest.MonkeyPatch
) -> None:
    threads, store_sheet = [], sheets.store_sheet

    def stored(*arguments: Any) -> Any:
        threads.append(current_thread().name)
        return store_sheet(*arguments)

    monkeypatch.setattr(sheets, "store_sheet", stored)
    browser = signed_in(shop)
    sent(browser, as_csv(filled(taken(browser, store="112"))))
    assert [name.startswith("computation") for name in threads] == [False]


def units_left(answer: Any) -> int:
    return int(answer.headers["RateLimit"].split("r=")[1].split(";")[0])


def test_a_refused_row_is_told_with_its_reason_and_the_others_wait(shop: Shop) -> None:
    browser = signed_in(shop)
    rows = filled(taken(browser, store="112"))
    rows.loc[1, ["reason", "note"]] = MARKUP, MARKUP
    answer = sent(browser, as_csv(rows))
    assert MARKUP not in answer.text
    assert f"3{MARKUP}reason: '{MARKUP}' is none of promotion" in words(answer.text)
    assert total(shop) == 0
    partly = words(sent(browser, as_csv(rows), partly="yes").text)
    assert "1 override stored, number" in partly
    assert "1 row is refused." in partly
    assert total(shop) == 1


def test_the_sheet_has_ones_own_stores_and_others_are_refused(shop: Shop) -> None:
    own = signed_in(shop, key_for(shop, PLAN, Territory(stores=frozenset({"112"}))))
    assert set(taken(own)["store"]) == {"112"}
    foreign = filled(taken(signed_in(shop), store="105"))
    answer = words(sent(own, as_csv(foreign)).text)
    assert "are not yours to plan, such as store 105" in answer
    assert sent(signed_in(shop, key_for(shop, READ)), as_csv(foreign)).status_code == 403
    assert own.get(f"{SHEET}.csv", params={"store": "105"}).status_code == 404
    assert total(shop) == 0


@pytest.mark.parametrize(
    ("content", "name", "says"),
    [
        (b"", "empty.csv", "Choose a file first"),
        (b"a,b\n1,2\n", "other.csv", "The file has no column 'store'"),
        (b"\xff\xfe", "bytes.csv", "The file is no CSV in UTF-8"),
        (b"no workbook", "no.xlsx", "The file is no Excel workbook"),
        (b"x", "../../etc/passwd", "Only files that end with .xlsx or .csv"),
        (b"x", f"{MARKUP}.ods", "Only files that end with .xlsx or .csv"),
        (b"store,department,week,planned,per cent,reason\n" + b"1,1,2017-10-07,,5,event\n" * 2001, "long.csv", "2,001 rows are filled in"),
    ],
    ids=["empty", "columns", "encoding", "no workbook", "path", "markup", "too long"],
)  # fmt: skip
def test_what_is_no_sheet_is_told(shop: Shop, content: bytes, name: str, says: str) -> None:
    answer = sent(signed_in(shop), content, name)
    assert (answer.status_code, says in words(answer.text)) == (422, True), words(answer.text)
    assert "/tmp" not in answer.text
    assert MARKUP not in answer.text


def test_a_workbook_that_grows_when_it_is_unpacked_is_refused(shop: Shop) -> None:
    content = io.BytesIO()
    with zipfile.ZipFile(content, "w", zipfile.ZIP_DEFLATED) as packed:
        packed.writestr("xl/worksheets/sheet1.xml", b"0" * 60_000_000)
    answer = sent(signed_in(shop), content.getvalue(), "bomb.xlsx")
    assert "bytes unpacked; at most 40,000,000 are read" in words(answer.text)


def test_a_small_workbook_that_takes_long_to_read_keeps_nobody_else_waiting(
    shop: Shop, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sheet_process, "SECONDS", 3)
    rows = pd.DataFrame(columns=list(SHEET_COLUMNS))
    content = io.BytesIO()
    end, cells = b"</sheetData>", b"<row>" + b"<c/>" * 2_000_000 + b"</row>"
    with (
        zipfile.ZipFile(io.BytesIO(as_workbook(rows))) as whole,
        zipfile.ZipFile(content, "w", zipfile.ZIP_DEFLATED) as packed,
    ):
        for name in whole.namelist():
            packed.writestr(name, whole.read(name).replace(end, cells + end))
    assert len(content.getvalue()) < 50_000
    answer = sent(signed_in(shop), content.getvalue(), "bomb.xlsx")
    assert (answer.status_code, "takes more than 3 seconds to read" in words(answer.text)) == (422, True)


def test_large_bodies_are_read_for_sessions_only_and_of_pages_only(shop: Shop) -> None:
    browser = signed_in(shop)
    rows = taken(browser)
    large = as_csv(pd.concat([filled(rows), rows.iloc[2:]]))
    assert len(large) > 20_000
    assert "2 rows would be stored" in words(sent(browser, large, do="check").text)
    token = token_of(browser.get(START).text)
    form = {"data": {"token": token, "do": "check"}, "files": {"sheet": ("a.csv", large)}}
    assert browser.post("/v1/turnover/predict", **form).status_code == 401
    assert browser.post("/plannerx", **form).status_code == 401
    too_large = {"sheet": ("a.csv", large + b"\n" * 2_000_000)}
    refused = browser.post(SHEET, data={"token": token}, files=too_large)
    assert (refused.status_code, "more than 2,000,000 bytes" in words(refused.text)) == (413, True)
    for cookie in (None, "0123456789ab.9999999999." + "0" * 64):
        browser.cookies.clear()
        headers = {} if cookie is None else {"Cookie": f"{COOKIE}={cookie}"}
        stranger = browser.post(SHEET, **form, headers=headers)
        assert (stranger.status_code, stranger.headers["Content-Type"][:9]) == (401, "text/html")
        assert "Sign in" in stranger.text


def test_the_workbook_to_fill_in_opens(shop: Shop) -> None:
    answer = signed_in(shop).get(f"{SHEET}.xlsx", params={"store": "112"})
    book = openpyxl.load_workbook(io.BytesIO(answer.content))
    assert [cell.value for cell in book["overrides"][1]][:3] == ["store", "department", "week"]


@given(st.binary(max_size=300), st.binary(max_size=30))
def test_a_file_in_a_form_is_what_was_sent(content: bytes, line: bytes) -> None:
    boundary = b"----WebKitFormBoundary7MA4YWxk"
    content = content + b"\r\n" + line + b"\r\n--" + content
    if b"\r\n--" + boundary in content:
        return
    body = b"--" + boundary + b'\r\nContent-Disposition: form-data; name="token"\r\n\r\nabc\r\n--' + boundary
    body += b'\r\nContent-Disposition: form-data; name="sheet"; filename="a \xc3\xa4.csv"\r\n'
    body += b"Content-Type: text/csv\r\n\r\n" + content + b"\r\n--" + boundary + b"--\r\n"

    async def receive() -> dict[str, object]:
        return {"type": "http.request", "body": body, "more_body": False}

    kind = b"multipart/form-data; boundary=" + boundary
    scope = {"type": "http", "method": "POST", "headers": [(b"content-type", kind)]}
    form = asyncio.run(read_form(Request(scope, receive)))
    assert form.fields == {"token": "abc"}
    assert form.files == {"sheet": Upload("a ä.csv", content)}
