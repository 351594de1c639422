"""API Gateway -> Lambda -> endpoint with two variants: the answers are those of the service with two arms."""

import base64
import json
import socket
import time
from collections.abc import Iterator
from types import SimpleNamespace
from typing import Any

import httpx
import pytest
from fastapi.testclient import TestClient

from endpoints import endpoint
from services import Shop, opened

pytest.importorskip("boto3", reason="boto3 is not installed: make s3")

from sales_forecast.aws import lambda_gateway

pytestmark = [pytest.mark.xdist_group("aws"), pytest.mark.systems]

SALT = "in which stores"
CONTEXT = SimpleNamespace(get_remaining_time_in_millis=lambda: 29_000)
SERIES = [
    {"store": store, "department": department} for store in (105, 6, 30, 64, 87) for department in (117, 127)
]


@pytest.fixture(scope="module")
def shop(exported: Any, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Shop]:
    """The service with the same versions, of which the challenger predicts half of the stores."""
    url = f"sqlite:///{tmp_path_factory.mktemp('database')}/shop.db"
    content = {"challenger_share": 0.5, "salt": SALT, "planned_weeks": 8, "alpha": 0.05}
    with opened(exported.project, url, ab=content) as open_shop:
        yield open_shop


@pytest.fixture
def asked() -> list[str]:
    """Variants that were asked."""
    return []


@pytest.fixture
def address(
    containers: dict[str, TestClient], asked: list[str], monkeypatch: pytest.MonkeyPatch
) -> Iterator[str]:
    with endpoint(containers, asked) as found:
        connect(monkeypatch, found)
        monkeypatch.setenv(lambda_gateway.SHARE, "0.5")
        monkeypatch.setenv(lambda_gateway.SALT, SALT)
        yield found


def connect(monkeypatch: pytest.MonkeyPatch, url: str) -> None:
    """Let the real client of AWS call the endpoint on loopback."""
    lambda_gateway._client.cache_clear()
    variables = {"AWS_ACCESS_KEY_ID": "test", "AWS_SECRET_ACCESS_KEY": "test", "AWS_REGION": "eu-west-1"}
    variables |= {"AWS_DEFAULT_REGION": "eu-west-1", lambda_gateway.ENDPOINT: "shop"}
    for name, value in {**variables, "AWS_ENDPOINT_URL_SAGEMAKER_RUNTIME": url}.items():
        monkeypatch.setenv(name, value)


def call(body: Any, path: str = "/v1/turnover/predict", **changes: Any) -> tuple[int, dict[str, Any]]:
    """What API Gateway would answer."""
    event = {"path": path, "requestContext": {"requestId": "c6af9ac6-7b61"}, "isBase64Encoded": False}
    event["body"] = body if isinstance(body, str) else json.dumps(body)
    answer = lambda_gateway.handler(event | changes, CONTEXT)
    expected = "application/json" if answer["statusCode"] == 200 else "application/problem+json"
    assert answer["headers"]["Content-Type"] == expected
    return answer["statusCode"], json.loads(answer["body"])


def problem(shop: Shop, path: str, body: Any) -> tuple[int, dict[str, Any]]:
    answer = shop.post(path, body)
    return answer.status_code, answer.json() | {"request_id": "c6af9ac6-7b61"}


@pytest.mark.usefixtures("address")
def test_each_store_meets_the_arm_that_it_meets_at_the_service(shop: Shop, asked: list[str]) -> None:
    body = {"series": known(shop), "quantiles": True}
    status, found = call(body)
    expected = shop.post("/v1/turnover/predict", body).json()
    assert status == 200
    assert found["predictions"] == expected["predictions"]
    assert {row["arm"] for row in found["predictions"]} == {"champion", "challenger"}
    assert sorted(asked) == ["challenger", "champion"]


def known(shop: Shop) -> list[dict[str, str]]:
    """Some series of every store."""
    forecasts = shop.output("turnover/forecasts").astype({"store": str, "department": str})
    rows = forecasts[["store", "department"]].drop_duplicates().groupby("store").head(2)
    found: list[dict[str, str]] = rows.sample(frac=1, random_state=1).to_dict("records")
    return found


@pytest.mark.usefixtures("address")
def test_without_an_experiment_the_champion_answers(
    shop: Shop, asked: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv(lambda_gateway.SHARE)
    _, found = call({"series": known(shop)})
    assert {row["arm"] for row in found["predictions"]} == {"champion"}
    assert asked == ["champion"]


@pytest.mark.usefixtures("address")
def test_budgets_are_predicted_by_the_champion(shop: Shop) -> None:
    body = {"budgets": [100, 500]}
    status, found = call(body, "/v1/marketing/predict")
    expected = shop.post("/v1/marketing/predict", body).json()
    assert (status, found["predictions"]) == (200, expected["predictions"])


@pytest.mark.usefixtures("address")
def test_problems_are_those_of_the_service(shop: Shop) -> None:
    path = "/v1/turnover/predict"
    series = known(shop)
    for position in (0, len(series) // 2, len(series) - 1):  # in the part of either arm
        wrong = [*series]
        wrong[position] = {"store": series[position]["store"], "department": "none"}
        assert call({"series": wrong}) == problem(shop, path, {"series": wrong})
    assert call({"series": [{"store": 105}]}) == problem(shop, path, {"series": [{"store": 105}]})
    assert call({}) == problem(shop, path, {})


@pytest.mark.usefixtures("address")
def test_a_body_that_is_no_json_or_comes_as_base64() -> None:
    status, found = call("{")
    assert (status, found["errors"][0]["field"]) == (422, "body")
    encoded = base64.b64encode(json.dumps({"series": SERIES[:1]}).encode()).decode()
    status, _ = call(encoded, isBase64Encoded=True)
    assert status == 200


def test_an_endpoint_that_does_not_answer_is_a_problem_that_passes(monkeypatch: pytest.MonkeyPatch) -> None:
    connect(monkeypatch, "http://127.0.0.1:9")
    event = {"path": "/v1/turnover/predict", "requestContext": {"requestId": "1"}, "body": "{}"}
    answer = lambda_gateway.handler(event, CONTEXT)
    assert (answer["statusCode"], answer["headers"]["Retry-After"]) == (503, "5")


def test_an_endpoint_that_takes_too_long_is_a_problem_before_the_function_is_ended(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    with socket.create_server(("127.0.0.1", 0)) as silent:  # takes connections, and says nothing
        connect(monkeypatch, f"http://127.0.0.1:{silent.getsockname()[1]}")
        event = {"path": "/v1/turnover/predict", "requestContext": {"requestId": "1"}, "body": "{}"}
        almost_over = SimpleNamespace(get_remaining_time_in_millis=lambda: 3_100)
        began = time.monotonic()
        answer = lambda_gateway.handler(event, almost_over)
    assert time.monotonic() - began < 3.1
    assert (answer["statusCode"], answer["headers"]["Retry-After"]) == (504, "5")
    assert "fewer series" in json.loads(answer["body"])["detail"]


def test_an_answer_that_lambda_does_not_hand_on_says_what_helps(monkeypatch: pytest.MonkeyPatch) -> None:
    large = httpx.Client(
        transport=httpx.MockTransport(lambda _: httpx.Response(200, json={"predictions": "x" * 5_000_000})),
        base_url="http://container",
    )
    with endpoint({"champion": large}) as found:
        connect(monkeypatch, found)
        status, content = call({"series": SERIES})
    assert status == 413
    assert content["detail"] == "the answer has 5.0 MB; ask for fewer series at a time"


@pytest.mark.parametrize(
    ("code", "status"),
    [("ThrottlingException", 503), ("ModelNotReadyException", 503), ("ValidationError", 502)],
)
def test_errors_of_sagemaker_are_problems_without_its_words(code: str, status: int) -> None:
    refused = lambda_gateway._refusal({"Error": {"Code": code, "Message": "arn:aws:sagemaker:secret"}})
    assert refused.status == status
    assert "arn:" not in refused.detail


def test_a_container_that_breaks_is_a_bad_gateway(monkeypatch: pytest.MonkeyPatch) -> None:
    broken = httpx.Client(
        transport=httpx.MockTransport(lambda _: httpx.Response(500, text="Internal Server Error")),
        base_url="http://container",
    )
    with endpoint({"champion": broken}) as found:
        connect(monkeypatch, found)
        status, content = call({"series": SERIES})
    assert status == 502
    assert content["instance"] == "/v1/turnover/predict"
