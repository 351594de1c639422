"""Stored answers are sent again only when they have changed, and compressed to those that take it."""

import gzip
from datetime import UTC, datetime
from typing import Any

import httpx
import pytest

from publications import publication
from sales_forecast.storage.publications import publish
from services import Shop

pytestmark = pytest.mark.xdist_group("service")

PATHS = [
    "/v1/turnover/forecasts?store=105",
    "/v1/turnover/forecasts/levels/total",
    "/v1/marketing/curve",
    "/v1/turnover/changes",
    "/v1/turnover/staffing?store=105",
    "/v1/turnover/accuracy",
    "/v1/turnover/signals",
]


def ask(shop: Shop, path: str, **headers: str) -> httpx.Response:
    names = {name.replace("_", "-"): value for name, value in headers.items()}
    return shop.client.get(path, headers={"Accept-Encoding": "identity"} | shop.bearer | names)


@pytest.mark.parametrize("path", PATHS)
def test_what_a_client_has_is_not_sent_again(shop: Shop, path: str) -> None:
    first = ask(shop, path)
    assert first.status_code == 200, first.text
    assert "request_id" not in first.json()
    assert first.headers["Cache-Control"] == "private, no-cache"
    assert first.headers["Vary"] == "Accept, Accept-Encoding"
    etag = first.headers["ETag"]
    again = ask(shop, path, If_None_Match=f'"other", W/{etag}')
    assert (again.status_code, again.content) == (304, b"")
    assert {name: again.headers[name] for name in ("ETag", "Vary", "Cache-Control")} == {
        name: first.headers[name] for name in ("ETag", "Vary", "Cache-Control")
    }
    assert len(shop.audited(again.headers["X-Request-ID"])) == 1
    assert ask(shop, path, If_None_Match='"other"').content == first.content


def test_every_selection_format_and_publication_has_a_tag_of_its_own(shop: Shop) -> None:
    path = "/v1/turnover/forecasts?store=105"
    answers = [
        ask(shop, path),
        ask(shop, f"{path}&limit=3"),
        ask(shop, f"{path}&limit=3&sort=-week"),
        ask(shop, f"{path}&horizon=1"),
        ask(shop, f"{path}&quantiles=true"),
        ask(shop, path, Accept="text/csv"),
        ask(shop, path, Accept_Encoding="gzip"),
    ]
    assert len({answer.headers["ETag"] for answer in answers}) == len(answers)
    then = datetime(2017, 10, 5, 6, tzinfo=UTC)
    query = "/v1/turnover/forecasts?as_of=2017-10-05T06:00:00Z"
    publish(shop.engine, publication(126.25, weekly_turnover=None), then)
    first = ask(shop, query)
    assert ask(shop, "/v1/turnover/forecasts").headers["ETag"] != first.headers["ETag"]
    assert first.json()["forecasts"][0]["forecast"] == 126.25


def test_a_large_answer_is_compressed_once_for_all_clients_that_take_gzip(
    shop: Shop, monkeypatch: Any
) -> None:
    calls: list[int] = []
    compress = gzip.compress

    def counted(content: bytes, *args: Any, **options: Any) -> bytes:
        calls.append(len(content))
        return compress(content, *args, **options)

    monkeypatch.setattr("sales_forecast.service.documents.gzip.compress", counted)
    path = "/v1/turnover/forecasts?limit=77"
    plain, *others = [ask(shop, path)] + [ask(shop, path, Accept_Encoding="br, gzip") for _ in range(3)]
    assert "Content-Encoding" not in plain.headers
    for answer in others:
        assert answer.headers["Content-Encoding"] == "gzip"
        assert answer.content == plain.content  # httpx decompresses
        assert int(answer.headers["Content-Length"]) < len(plain.content) / 2
    assert calls == [len(plain.content)]
    known = ask(shop, path, Accept_Encoding="gzip", If_None_Match=others[0].headers["ETag"])
    assert (known.status_code, known.headers["ETag"]) == (304, others[0].headers["ETag"])


def test_a_small_answer_is_not_compressed(shop: Shop) -> None:
    answer = ask(shop, "/v1/turnover/changes", Accept_Encoding="gzip")
    assert "Content-Encoding" not in answer.headers
    assert answer.headers["Vary"] == "Accept, Accept-Encoding"


def test_a_client_that_wants_nothing_it_may_have_is_told_that_there_is_something(shop: Shop) -> None:
    anything = shop.bearer | {"If-None-Match": "*"}
    answer = shop.client.get("/v1/turnover/forecasts", params={"store": "105"}, headers=anything)
    assert (answer.status_code, answer.content) == (304, b"")
    assert (
        shop.client.get("/v1/turnover/forecasts", params={"store": "nowhere"}, headers=anything).status_code
        == 404
    )
