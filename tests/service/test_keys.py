"""Authentication: each refusal has its status, its reason and its remedy."""

import re
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from time import sleep

import pytest

from projects import Project
from sales_forecast.service.auth import CACHE_SECONDS
from sales_forecast.storage.database import writing
from sales_forecast.storage.keys import Scope, revoke_key
from services import Shop, new_key, opened

pytestmark = pytest.mark.xdist_group("service")

DATABASES = ["sqlite", "postgresql"]

CALLS: dict[Scope, tuple[str, str]] = {
    "read": ("GET", "/v1/turnover/forecasts"),
    "predict": ("POST", "/v1/marketing/predict"),
    "admin": ("GET", "/v1/audit/nothing"),
}


def refused(shop: Shop, key: str | None, scope: Scope = "read") -> tuple[int, str]:
    """Status and reason; every refusal is a problem that can be reported."""
    method, path = CALLS[scope]
    headers = {"Authorization": f"Bearer {key}"} if key is not None else {}
    body = {"budgets": [10]} if method == "POST" else None
    answer = shop.client.request(method, path, headers=headers, json=body)
    problem = answer.json()
    assert answer.headers["Content-Type"] == "application/problem+json"
    assert problem["status"] == answer.status_code
    assert problem["request_id"] == answer.headers["X-Request-ID"]
    assert problem["instance"] == path
    assert key is None or key not in answer.text
    if answer.status_code == 401:
        assert answer.headers["WWW-Authenticate"] == "Bearer"
    return answer.status_code, problem["detail"]


def test_a_request_without_key_is_told_how_to_send_one(shop: Shop) -> None:
    assert refused(shop, None) == (401, "send an API key: Authorization: Bearer sf_...")


def test_a_right_name_with_a_wrong_secret_is_refused(shop: Shop) -> None:
    last = "A" if shop.key[-1] != "A" else "B"
    status, reason = refused(shop, shop.key[:-1] + last)
    assert status == 401
    assert "ask for another one" in reason


@pytest.mark.parametrize(
    "key", ["sf_", "nonsense", "sf_000000000000_" + "A" * 43, "é", "' or 1=1 --", "x" * 9000]
)
def test_what_is_no_key_is_refused(shop: Shop, key: str) -> None:
    headers = {"Authorization": f"Bearer {key}".encode("latin-1")}
    answer = shop.client.get("/v1/turnover/forecasts", headers=headers)
    assert answer.status_code == 401
    assert answer.headers["Content-Type"] == "application/problem+json"


def test_a_key_is_refused_after_it_expires_or_is_revoked(shop: Shop) -> None:
    now = datetime.now(UTC)
    over = new_key(shop.engine, expires_at=now - timedelta(seconds=1))
    valid = new_key(shop.engine, expires_at=now + timedelta(hours=1))
    assert refused(shop, over)[0] == 401
    headers = {"Authorization": f"Bearer {valid}"}
    assert shop.client.get("/v1/turnover/forecasts", headers=headers).status_code == 200
    with writing(shop.engine) as connection:
        revoke_key(connection, valid.split("_")[1], now)
    sleep(CACHE_SECONDS)
    assert refused(shop, valid) == (401, "this key is wrong, expired or revoked; ask for another one")


@pytest.mark.parametrize("scope", ["read", "predict", "admin"])
def test_a_key_is_accepted_for_its_scope_only(shop: Shop, scope: Scope) -> None:
    key = new_key(shop.engine, [scope])
    for other, (method, path) in CALLS.items():
        if other == scope:
            body = {"budgets": [10]} if method == "POST" else None
            given = {"Authorization": f"Bearer {key}"}
            assert shop.client.request(method, path, headers=given, json=body).status_code in (200, 404)
        else:
            reason = f"this key is for {scope}; one for {other} is needed"
            assert refused(shop, key, other) == (403, reason)


def test_the_database_holds_no_secret(shop: Shop) -> None:
    with shop.engine.connect() as connection:
        rows = connection.exec_driver_sql("select * from api_keys").all()
    secret = shop.key.split("_", 2)[2]
    assert rows
    assert secret not in repr(rows)


def test_a_key_over_the_rate_limit_waits_and_others_do_not(
    shop_project: Project, new_database: Callable[[str], str]
) -> None:
    with opened(shop_project, new_database("sqlite"), units_per_minute=3) as strict:
        answers = [strict.get("/v1/turnover/forecasts", limit=1) for _ in range(4)]
        assert [answer.status_code for answer in answers] == [200, 200, 200, 429]
        wait = int(answers[-1].headers["Retry-After"])
        assert 1 <= wait <= 60
        assert [answer.headers["RateLimit"].split(";")[1] for answer in answers] == [
            "r=2",
            "r=1",
            "r=0",
            "r=0",
        ]
        assert answers[0].headers["RateLimit-Policy"] == '"key";q=3;w=60'
        assert re.fullmatch(
            rf"more than 3 units in a minute; wait {wait} seconds", answers[-1].json()["detail"]
        )
        other = {"Authorization": f"Bearer {new_key(strict.engine)}"}
        assert strict.client.get("/v1/turnover/forecasts", headers=other).status_code == 200


def test_a_request_costs_by_what_it_takes(shop_project: Project, new_database: Callable[[str], str]) -> None:
    known, new = {"store": 105, "department": 117}, {"store": 900001, "department": 117, "place": {}}
    with opened(shop_project, new_database("sqlite"), units_per_minute=300) as strict:
        left: list[int] = []
        for series in ([known], [new]):
            answer = strict.post("/v1/turnover/predict", {"series": series})
            left.append(int(answer.headers["RateLimit"].split(";")[1].removeprefix("r=")))
        assert (answer.status_code, left) == (200, [296, 92])
        answer = strict.post(
            "/v1/turnover/predict", {"series": [new | {"store": 900000 + i} for i in range(30)]}
        )
        assert answer.status_code == 413
        assert answer.json()["detail"] == "this costs 320 units, and a minute has 300; ask for less at once"
        assert strict.get("/v1/turnover/forecasts", limit=1).status_code == 200
        answer = strict.post("/v1/turnover/predict", {"series": [new]})
        assert answer.status_code == 429
        assert answer.headers["RateLimit"].split(";")[1] == "r=0"  # what is refused is counted
        assert strict.get("/v1/turnover/forecasts", limit=1).status_code == 429
