"""What cannot be answered is refused with the field and a remedy, and reveals nothing of the implementation."""

import json
import re
from collections.abc import Iterator
from typing import Any

import httpx
import pytest

from sales_forecast.service.problems import ProblemError, render
from services import Shop

pytestmark = pytest.mark.xdist_group("service")

PREDICT, BUDGETS = "/v1/turnover/predict", "/v1/marketing/predict"
KNOWN = {"store": 105, "department": 117}
NEW = {"store": 900001, "department": 117, "place": {}}
EARLIER = {"but_num_business_unit": 105, "dpt_num_department": 117}
SATURDAY = {"week": "2017-09-30", "turnover": 1.0}


def problem(answer: httpx.Response, shop: Shop) -> dict[str, Any]:
    """The problem details, which reveal nothing about the machine or the key."""
    assert answer.headers["Content-Type"] == "application/problem+json"
    for ours in ("Traceback", ".py", "site-packages", "sqlalchemy", str(shop.project.folder), shop.key):
        assert ours not in answer.text
    found: dict[str, Any] = answer.json()
    assert found["status"] == answer.status_code
    assert found["request_id"] == answer.headers["X-Request-ID"]
    return found


def body_of(*series: dict[str, Any]) -> dict[str, Any]:
    return {"series": list(series)}


@pytest.mark.parametrize(
    ("path", "body", "status", "field", "says"),
    [
        (
            PREDICT,
            body_of({"store": 7, "department": 117}),
            404,
            "body.series.0.store",
            "give its location in 'place'",
        ),
        (
            PREDICT,
            body_of(KNOWN, KNOWN | {"department": 1}),
            404,
            "body.series.1.department",
            "it knows 117, 127",
        ),
        (
            PREDICT,
            body_of(KNOWN, {"store": "105", "department": "117"}),
            409,
            "body.series.1",
            "send it once",
        ),
        (PREDICT, body_of(), 422, "body.series", "at least 1 item"),
        (
            PREDICT,
            body_of(*({"store": i, "department": 1} for i in range(10_000))),
            422,
            "body.series",
            "1000",
        ),
        (PREDICT, body_of({"store": True, "department": 117}), 422, "body.series.0.store", "valid string"),
        (
            PREDICT,
            body_of({"store": "", "department": 117}),
            422,
            "body.series.0.store",
            "at least 1 character",
        ),
        (
            PREDICT,
            body_of(KNOWN | {"departement": 1}),
            422,
            "body.series.0.departement",
            "no field of this name",
        ),
        (PREDICT, [], 422, "body", "valid dictionary"),
        (PREDICT, body_of(NEW | {"store": "north"}), 409, "body.series", "give the new one a number"),
        (PREDICT, body_of(NEW | {"store": "0105"}), 409, "body.series", "give the new one a number"),
        (PREDICT, body_of(NEW | {"store": "9" * 20}), 409, "body.series", "give the new one a number"),
        (
            PREDICT,
            body_of(NEW | {"place": {"latitude": "50"}}),
            422,
            "body.series.0.place.latitude",
            "valid number",
        ),
        (
            PREDICT,
            body_of(NEW | {"place": {"latitude": 91}}),
            422,
            "body.series.0.place.latitude",
            "equal to 90",
        ),
        (
            PREDICT,
            body_of(KNOWN | {"recent_weeks": [SATURDAY | {"week": "2017-09-28"}]}),
            *(409, "body.series", "2017-09-28: weeks begin on Saturdays, from 2012-12-29 to 2017-09-30"),
        ),
        (
            PREDICT,
            body_of(KNOWN | {"recent_weeks": [SATURDAY | {"week": "0001-01-01"}]}),
            *(409, "body.series", "weeks begin on Saturdays"),
        ),
        (
            PREDICT,
            body_of(KNOWN | {"recent_weeks": [SATURDAY | {"week": "9999-12-25"}]}),
            *(409, "body.series", "9999-12-25: weeks begin on Saturdays"),
        ),
        (
            PREDICT,
            body_of(KNOWN | {"recent_weeks": [SATURDAY | {"week": "30/09/2017"}]}),
            *(422, "body.series.0.recent_weeks.0.week", "must be a date such as 2017-10-07"),
        ),
        (
            PREDICT,
            body_of(KNOWN | {"recent_weeks": [SATURDAY] * 2}),
            409,
            "body.series",
            "a week of a series twice",
        ),
        (
            PREDICT,
            body_of(KNOWN | {"recent_weeks": [SATURDAY | {"turnover": "100"}]}),
            *(422, "body.series.0.recent_weeks.0.turnover", "valid number"),
        ),
        (
            PREDICT,
            body_of(KNOWN | {"recent_weeks": [SATURDAY | {"turnover": 1e300}]}),
            *(422, "body.series.0.recent_weeks.0.turnover", "less than or equal"),
        ),
        *(
            (
                PREDICT,
                body_of(KNOWN | {"future_covariates": [{"week": "2017-10-07", "values": {column: 1}}]}),
                *(409, "body.series", f"no future covariate '{column}'; those it has: none"),
            )
            for column in ("promotion", "store", "horizon", "week")
        ),
        (
            PREDICT,
            body_of(KNOWN | {"future_covariates": [{"week": "2017-12-02", "values": {}}]}),
            *(404, "body.series", "2017-12-02 is none of the weeks ahead"),
        ),
        (BUDGETS, {"budgets": ["100"]}, 422, "body.budgets.0", "valid number"),
        (BUDGETS, {"budgets": [10, True]}, 422, "body.budgets.1", "valid number"),
        (BUDGETS, {"budgets": [-1]}, 422, "body.budgets.0", "greater than or equal to 0"),
        (BUDGETS, {"budgets": []}, 422, "body.budgets", "at least 1 item"),
        (BUDGETS, {"budget": [1]}, 422, "body.budgets", "Field required"),
        (
            "/predict/",
            EARLIER | {"day_id": "2017-12-02"},
            404,
            "body.day_id",
            "from 2017-10-07 to 2017-11-25",
        ),
        ("/predict/", EARLIER | {"day_id": "2017-10-08"}, 404, "body.day_id", "begin each 7 days"),
        ("/predict/", EARLIER | {"day_id": "0001-01-01"}, 404, "body.day_id", "none of the weeks ahead"),
        ("/predict/", EARLIER | {"day_id": 20171007}, 422, "body.day_id", "must be a date such as"),
        ("/predict/", EARLIER, 422, "body.day_id", "Field required"),
        (
            "/predict_8_weeks/",
            EARLIER | {"but_num_business_unit": 7},
            404,
            "body.but_num_business_unit",
            "'7'",
        ),
    ],
)
def test_a_request_that_cannot_be_answered_names_field_and_remedy(
    shop: Shop, path: str, body: Any, status: int, field: str, says: str
) -> None:
    found = problem(shop.post(path, body), shop)
    assert found["status"] == status, found
    assert field in [each["field"] for each in found["errors"]], found
    assert says in found["errors"][0]["problem"]
    assert found["errors"][0]["problem"] in found["detail"]


@pytest.mark.parametrize(
    ("path", "query", "status", "field", "says"),
    [
        ("/v1/turnover/forecasts", {"store": "7"}, 404, "query.store", "no forecast is stored for store '7'"),
        ("/v1/turnover/forecasts", {"store": ""}, 422, "query.store.0", "at least 1 character"),
        ("/v1/turnover/forecasts", {"store": "x" * 201}, 422, "query.store.0", "at most 200"),
        ("/v1/turnover/forecasts", {"limit": "ten"}, 422, "query.limit", "valid integer"),
        ("/v1/turnover/forecasts", {"limit": 0}, 422, "query.limit", "greater than or equal to 1"),
        ("/v1/turnover/forecasts", {"offset": -1}, 422, "query.offset", "greater than or equal to 0"),
        ("/v1/turnover/forecasts", {"as_of": "yesterday"}, 422, "query.as_of", "must be a date or a moment"),
        (
            "/v1/turnover/forecasts",
            {"as_of": "0001-01-01"},
            404,
            "query.as_of",
            "no turnover forecasts before",
        ),
        (
            "/v1/turnover/forecasts",
            {"stoer": "105"},
            422,
            "query.stoer",
            "no field of this name",
        ),
        ("/v1/turnover/forecasts/levels/planet", {}, 422, "path.level", "'region'"),
        ("/v1/turnover/forecasts/levels/region", {"key": "mars"}, 404, "query.key", "'mars'"),
        ("/v1/audit/nothing", {}, 404, "path.request_id", "no request with the id 'nothing'"),
        ("/v1/audit/" + "x" * 51, {}, 422, "path.request_id", "at most 50"),
    ],
)
def test_a_search_that_finds_nothing_names_what_it_searched_for(
    shop: Shop, path: str, query: dict[str, Any], status: int, field: str, says: str
) -> None:
    found = problem(shop.get(path, **query), shop)
    assert (found["status"], found["errors"][0]["field"]) == (status, field)
    assert says in found["errors"][0]["problem"]


@pytest.mark.parametrize("count", [1, 3])
def test_a_field_of_an_earlier_version_is_refused_with_its_present_name(shop: Shop, count: int) -> None:
    weeks = [{"week": "2017-10-07", "values": {"promotion": 1}}]
    series = [{"store": number, "department": 117, "known_ahead": weeks} for number in range(count)]
    found = problem(shop.post(PREDICT, body_of(*series)), shop)
    sentence = "body.series.0.known_ahead: the field 'known_ahead' is now called 'future_covariates'"
    assert (found["status"], found["detail"]) == (422, sentence)
    assert [error["field"] for error in found["errors"]] == ["body.series.0.known_ahead"]


def test_the_present_name_is_named_only_where_the_field_was(shop: Shop) -> None:
    found = problem(shop.post(PREDICT, body_of(KNOWN) | {"known_ahead": []}), shop)
    assert found["detail"] == "body.known_ahead: there is no field of this name; see /docs"


@pytest.mark.parametrize(
    ("status", "title"),
    [
        (401, "Unauthorized"),
        (403, "Forbidden"),
        (404, "Not Found"),
        (405, "Method Not Allowed"),
        (409, "Conflict"),
        (406, "Not Acceptable"),
        (413, "Content Too Large"),
        (414, "URI Too Long"),
        (416, "Range Not Satisfiable"),
        (422, "Unprocessable Content"),
        (429, "Too Many Requests"),
        (500, "Internal Server Error"),
        (503, "Service Unavailable"),
    ],
)
def test_titles_are_the_phrases_of_rfc_9110(status: int, title: str) -> None:
    scope = {"path": "/", "state": {"request_id": "r"}}
    assert json.loads(bytes(render(scope, ProblemError(status, "x")).body))["title"] == title


@pytest.mark.parametrize("number", ["NaN", "Infinity", "-Infinity", "1e999", "9" * 400])
def test_what_is_no_finite_number_is_refused(shop: Shop, number: str) -> None:
    turnover = body_of(KNOWN | {"recent_weeks": [SATURDAY | {"turnover": "?"}]})
    where = body_of(NEW | {"place": {"longitude": "?"}})
    for path, body, field in (
        (BUDGETS, {"budgets": ["?"]}, "body.budgets.0"),
        (PREDICT, turnover, "body.series.0.recent_weeks.0.turnover"),
        (PREDICT, where, "body.series.0.place.longitude"),
    ):
        found = problem(shop.send(path, json.dumps(body).replace('"?"', number).encode()), shop)
        assert (found["status"], found["errors"][0]["field"]) == (422, field)


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"null",
        b'{"series": [',
        b"store=105",
        b"\xff\xfe",
        b'{"series": [{"store": "\xff", "department": 117}]}',
        b'{"series": [{"store": "\\ud800", "department": 117}]}',
        b'{"series": [], "\\ud800": 1}',
        b'{"series": [{"store": ' + b"9" * 5000 + b', "department": 117}]}',
        b"[" * 100_000,
    ],
    ids=range(10),
)
def test_an_invalid_body_is_refused(shop: Shop, body: bytes) -> None:
    found = problem(shop.send(PREDICT, body), shop)
    assert found["status"] == 422
    assert found["errors"][0]["field"].startswith("body")


def test_only_some_of_thousands_of_mistakes_are_listed(shop: Shop) -> None:
    found = problem(shop.post(BUDGETS, {"budgets": [-1] * 1000}), shop)
    assert found["detail"].startswith("1000 errors in the request, for example body.budgets.0: ")
    assert len(found["errors"]) == 100


def test_thousands_of_unknown_fields_are_one_mistake(shop: Shop) -> None:
    for body in (
        {f"store {number}": 1 for number in range(5000)},
        body_of(KNOWN | {f"field {number}": 1 for number in range(5000)}),
        body_of(
            KNOWN
            | {
                "future_covariates": [
                    {"week": "2017-10-07", "values": dict.fromkeys(map(str, range(5000)), "x")}
                ]
            }
        ),
    ):
        found = problem(shop.post(PREDICT, body), shop)
        assert found["status"] == 422
        assert len(found["errors"]) == 1
        assert re.search(r"there are 5,00\d (fields|columns) here", found["detail"])


@pytest.mark.parametrize(
    "words", ["' OR '1'='1", "105'; drop table forecasts; --", "%", "\x00", "105\x00", "{{7*7}}", "../../etc"]
)
def test_text_that_looks_like_code_is_an_unknown_label(shop: Shop, words: str) -> None:
    assert shop.get("/v1/turnover/forecasts", store=words).status_code == 404
    assert shop.get("/v1/turnover/forecasts/levels/total", key=words).status_code == 404
    assert shop.post(PREDICT, body_of({"store": words, "department": 117})).status_code == 404
    place = {"postcode": words[:20], "region": words}
    answer = shop.post(PREDICT, body_of(NEW | {"place": place}))
    assert answer.status_code == 200, answer.text
    (record,) = shop.get(f"/v1/audit/{answer.json()['request_id']}").json()["answers"]
    assert record["input"]["series"][0]["place"] == place
    assert shop.get("/v1/turnover/forecasts", store="105").json()["total"] > 0


def test_a_body_that_is_too_large_is_refused_whether_it_tells_its_size_or_not(shop: Shop) -> None:
    pieces: Iterator[bytes] = (b" " * 100_000 for _ in range(50))
    for content in (b" " * 2_000_001, pieces):
        found = problem(shop.send(PREDICT, content), shop)
        assert (found["status"], found["title"]) == (413, "Content Too Large")
        assert "2,000,000 bytes; send less at once" in found["detail"]
    fits = json.dumps(body_of(KNOWN)).encode().ljust(2_000_000)
    assert shop.send(PREDICT, fits).status_code == 200


@pytest.mark.parametrize(
    ("method", "path", "status"),
    [("PUT", PREDICT, 405), ("GET", "/predict/", 405), ("GET", "/v2/forecasts", 404)],
)
def test_unknown_routes_and_methods_are_answered_with_problem_details(
    shop: Shop, method: str, path: str, status: int
) -> None:
    answer = shop.client.request(method, path)
    assert problem(answer, shop)["status"] == status
    assert "See /docs" in answer.json()["detail"]
