"""What every client of HTTP may expect, whatever it asks for."""

import httpx
import pytest

from services import Shop

pytestmark = pytest.mark.xdist_group("service")

SERIES = {"but_num_business_unit": 105, "dpt_num_department": 117}


@pytest.mark.parametrize("path", ["/predict", "/predict_8_weeks"])
def test_both_forms_of_an_earlier_call_are_answered_without_redirect(shop: Shop, path: str) -> None:
    answers = [
        shop.client.post(
            form, json=SERIES | {"day_id": "2017-10-07"}, headers=shop.bearer, follow_redirects=False
        )
        for form in (path, f"{path}/")
    ]
    assert [answer.status_code for answer in answers] == [200, 200], answers[0].text
    assert answers[0].json() == answers[1].json()


@pytest.mark.parametrize(
    "path",
    [
        "/",
        "/health",
        "/ready",
        "/docs",
        "/openapi.json",
        "/v1/models",
        "/v1/turnover/forecasts?store=105",
        "/v1/turnover/forecasts?store=nowhere",
        "/planner/sign-in",
        "/nothing",
    ],
)
def test_head_is_answered_like_get_without_body(shop: Shop, address: str, path: str) -> None:
    with httpx.Client(base_url=address, headers=shop.bearer) as client:
        got, head = client.get(path), client.head(path)
    assert (head.status_code, head.content) == (got.status_code, b"")
    assert head.headers["X-Request-ID"] != got.headers["X-Request-ID"]
    own = {"x-request-id", "date"}
    assert {name for name in head.headers if name not in own} == {
        name for name in got.headers if name not in own
    }
    if got.status_code == 200:
        assert head.headers["Content-Type"] == got.headers["Content-Type"]


def test_head_is_counted_as_head_of_its_route(shop: Shop) -> None:
    shop.client.head("/v1/turnover/forecasts", headers=shop.bearer)
    counted = (
        'sales_forecast_request_seconds_count{method="HEAD",route="/v1/turnover/forecasts",status="200"}'
    )
    assert counted in shop.client.get("/metrics").text


def test_a_call_that_only_answers_post_says_so_to_head(shop: Shop) -> None:
    answer = shop.client.head("/v1/turnover/predict", headers=shop.bearer)
    assert (answer.status_code, answer.headers["Allow"]) == (405, "POST")
    answer = shop.client.post("/health")
    assert (answer.status_code, answer.headers["Allow"]) == (405, "GET, HEAD")
    answer = shop.client.put("/v1/turnover/predictions/1", headers=shop.bearer)
    assert (answer.status_code, answer.headers["Allow"]) == (405, "GET, DELETE, HEAD")


def test_the_root_says_what_this_is_and_leads_to_its_documentation(shop: Shop) -> None:
    answer = shop.client.get("/")
    assert answer.status_code == 200, answer.text
    found = answer.json()
    assert found["name"] == "sales_forecast"
    assert found["documentation"] == "/docs"
    for path in (found["documentation"], found["openapi"], found["health"]):
        assert shop.client.get(path).status_code == 200


def test_methods_that_no_route_has_make_no_metric_of_their_own(shop: Shop) -> None:
    for method in ("PROPFIND", "M-SEARCH", "DELETE"):
        assert shop.client.request(method, "/health").status_code == 405
        assert shop.client.request(method, "/v2/nothing").status_code == 404
    counted = shop.client.get("/metrics").text
    assert 'method="other",route="/health",status="405"' in counted
    assert "PROPFIND" not in counted
    assert "M-SEARCH" not in counted
    assert 'method="DELETE",route="/health"' not in counted
