"""The service after a kill, without its database, with slow requests and after internal errors."""

import json
import re
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from time import sleep
from typing import Any

import httpx
import pytest
from sqlalchemy import select, text

from ecs_fields import assert_ecs
from projects import Project, copy_finished
from sales_forecast.service.auth import CACHE_SECONDS
from sales_forecast.storage.database import open_database, writing
from sales_forecast.storage.schema import api_keys, audit_log
from servers import postgres_server
from services import Shop, fill, new_key, opened, served, wait_until

pytestmark = pytest.mark.xdist_group("service alone")

BODY = {"series": [{"store": 105, "department": 117}]}


@pytest.fixture(scope="module")
def in_production(small: Project, tmp_path_factory: pytest.TempPathFactory) -> Project:
    """A project with a salt of its own."""
    project = copy_finished(small, tmp_path_factory.mktemp("production") / "project")
    settings = (project.folder / "conf/base/service.yml").read_text()
    (project.folder / "conf/local/service.yml").write_text(settings.replace("change-me", "of our own"))
    return project


@pytest.mark.parametrize("kind", ["sqlite", "postgresql"])
def test_responses_before_a_kill_are_in_the_audit_log(
    in_production: Project, new_database: Callable[[str], str], tmp_path: Path, kind: str
) -> None:
    url = new_database(kind)
    engine = open_database(url)
    new_key(engine)
    answers: dict[str, Any] = {}

    def keep_calling(shop: Shop) -> None:
        with httpx.Client(base_url=shop.client.base_url, headers=shop.bearer, timeout=60) as client:
            while True:
                try:
                    answer = client.post("/v1/turnover/predict", json=BODY)
                except httpx.HTTPError:
                    return
                answers[answer.headers["X-Request-ID"]] = answer.json()["predictions"]

    log = tmp_path / "serve.log"
    with served(in_production, url, log, "--production") as (shop, process):
        threads = [threading.Thread(target=keep_calling, args=[shop]) for _ in range(4)]
        for thread in threads:
            thread.start()
        wait_until(lambda: len(answers) > 50)
        process.kill()
        for thread in threads:
            thread.join()
        secret = shop.key
    with engine.connect() as connection:
        recorded = {row.request_id: row.output for row in connection.execute(select(audit_log))}
        assert connection.execute(select(api_keys.c.name)).scalars().all() == ["a planner"] * 2
    assert len(answers) > 50
    assert answers.keys() <= recorded.keys()
    assert all(recorded[request] == [answer] for request, answer in answers.items())
    assert_lines_are_ecs(log.read_text(), set(answers), secret)

    with served(in_production, url, tmp_path / "again.log", "--production") as (shop, _):
        assert shop.ready()[1] == "green"
        assert shop.post("/v1/turnover/predict", BODY).json()["predictions"] in answers.values()
        assert_a_large_body_without_a_size_is_refused(shop)
    engine.dispose()


def assert_lines_are_ecs(log: str, requests: set[str], secret: str) -> None:
    """One JSON line per request in the Elastic Common Schema, and the key in none."""
    assert secret not in log
    lines = [json.loads(line) for line in log.splitlines() if line.startswith("{")]
    assert all(line["service"]["name"] == "sales_forecast" and "ecs.version" in line for line in lines)
    told = [line for line in lines if line.get("http", {}).get("request", {}).get("id") in requests]
    assert len(told) >= len(requests) - 4  # the line comes after the answer
    assert len({line["http"]["request"]["id"] for line in told}) == len(told)
    one = told[0]
    assert one["@timestamp"]
    assert one["log.level"] == "info"
    assert (one["http"]["request"]["method"], one["http"]["response"]["status_code"]) == ("POST", 200)
    assert one["url"]["path"] == "/v1/turnover/predict"
    assert one["user"]["id"] == secret.split("_")[1]
    assert one["event"]["duration"] > 0
    assert one["labels"]["champion_version"] == "1"
    for line in lines:
        assert_ecs(line)


def assert_a_large_body_without_a_size_is_refused(shop: Shop) -> None:
    pieces: Iterator[bytes] = (b" " * 100_000 for _ in range(30))
    answer = shop.send("/v1/turnover/predict", pieces)
    assert answer.status_code == 413
    assert "Content-Length" not in answer.request.headers


def test_a_database_that_stops_is_reported_and_used_again_after_a_restart(
    shop_project: Project,
) -> None:
    with postgres_server() as server:
        url = server.get_uri()
        engine = open_database(url)
        fill(engine, shop_project)
        engine.dispose()
        with opened(shop_project, url) as shop:
            assert shop.ready()[1] == "green"
            server.stop()
            sleep(CACHE_SECONDS)
            for answer in (
                shop.get("/v1/turnover/forecasts"),
                shop.post("/v1/turnover/predict", BODY),
                shop.get("/v1/models"),
            ):
                assert answer.status_code == 503
                assert int(answer.headers["Retry-After"]) > 0
                assert answer.headers["Content-Type"] == "application/problem+json"
                assert answer.json()["detail"] == "the database does not answer; try again in some seconds"
            wait_until(lambda: shop.ready()[1] == "red", seconds=10)  # an answer is used for a second
            status, colour, checks = shop.ready()
            assert (status, colour) == (503, "red")
            assert checks["database"] == {"status": "red", "detail": None}  # no key can be checked
            assert "sales_forecast_ready 0.0" in metrics(shop)
            assert shop.client.get("/health").status_code == 200
            server.start()
            assert shop.get("/v1/turnover/forecasts").status_code == 200
            answer = shop.post("/v1/turnover/predict", BODY)
            assert answer.status_code == 200
            assert len(shop.audited(answer.json()["request_id"])) == 1
            wait_until(lambda: shop.ready()[1] == "green", seconds=20)
            assert "sales_forecast_ready 1.0" in metrics(shop)


def test_requests_that_wait_for_the_audit_log_do_not_block_others(
    shop_project: Project, new_database: Callable[[str], str]
) -> None:
    url = new_database("sqlite")
    with opened(shop_project, url) as shop, ThreadPoolExecutor(60) as threads:
        waiting = shop.app.state.service.audit_writer._waiting  # type: ignore[union-attr]
        assert shop.post("/v1/turnover/predict", BODY).status_code == 200  # from now on it is quick
        with writing(open_database(url)):  # holds the lock that the record needs
            answers = [threads.submit(shop.post, "/v1/turnover/predict", BODY) for _ in range(60)]
            wait_until(lambda: waiting.qsize() > 50)
            assert shop.ready()[0] == 200
        assert [answer.result().status_code for answer in answers] == [200] * 60


def test_a_database_file_that_was_replaced_is_noticed(
    shop_project: Project, new_database: Callable[[str], str], tmp_path: Path
) -> None:
    file, another = (Path(new_database("sqlite").removeprefix("sqlite:///")) for _ in range(2))
    with opened(shop_project, f"sqlite:///{file}") as shop:
        file.rename(tmp_path / "old.db")
        for name in ("shop.db-wal", "shop.db-shm"):
            (file.parent / name).unlink(missing_ok=True)
        assert shop.get("/v1/turnover/forecasts").status_code == 503
        file.unlink()
        another.rename(file)
        anew = open_database(f"sqlite:///{file}")
        headers = {"Authorization": f"Bearer {new_key(anew)}"}
        answer = shop.client.get("/v1/turnover/forecasts", headers=headers)
        assert answer.status_code == 200
        with anew.connect() as connection:
            recorded = connection.execute(select(audit_log.c.request_id)).scalars().all()
        assert recorded == [answer.headers["X-Request-ID"]]
        anew.dispose()


def test_a_request_that_takes_too_long_is_given_up(
    shop_project: Project, new_database: Callable[[str], str]
) -> None:
    weeks = [{"week": "2017-09-30", "turnover": 1.0}]
    much = [{"store": 900_000 + i, "department": 117, "place": {}, "recent_weeks": weeks} for i in range(300)]
    with opened(shop_project, new_database("sqlite"), max_seconds=0.1) as shop:
        answer = shop.post("/v1/turnover/predict", {"series": much})
        assert answer.status_code == 503
        assert int(answer.headers["Retry-After"]) > 0
        assert "no answer within 0.1 seconds; ask for less at once" in answer.json()["detail"]
        assert answer.headers["X-Request-ID"] == answer.json()["request_id"]
        wait_until(
            lambda: re.search(r"\nsales_forecast_requests_given_up_total [1-9]", metrics(shop)) is not None
        )


def metrics(shop: Shop) -> str:
    return shop.client.get("/metrics").text


def test_an_internal_error_reveals_its_request_id_only(
    shop_project: Project, new_database: Callable[[str], str], caplog: pytest.LogCaptureFixture
) -> None:
    with opened(shop_project, new_database("postgresql")) as shop:
        with writing(shop.engine) as connection:
            connection.execute(text("drop table level_forecasts"))
        answer = shop.get("/v1/turnover/forecasts/levels/total")
        assert answer.status_code == 500
        problem = answer.json()
        assert problem["detail"] == "the request failed here; report its request_id"
        assert problem["request_id"] == answer.headers["X-Request-ID"]
        assert "level_forecasts" not in answer.text
        assert f"Request {problem['request_id']} failed" in caplog.text
        assert 'route="/v1/turnover/forecasts/levels/{level}",status="500"' in metrics(shop)
        assert shop.get("/v1/turnover/forecasts").status_code == 200
