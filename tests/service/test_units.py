"""What requests cost of the units of a minute, and what callers without a key cost the database."""

import asyncio
import itertools
import os
import subprocess
import sys
import threading
import time
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import Engine

from browsers import READ, START, key_for, signed_in
from sales_forecast.service import dependencies
from sales_forecast.service.auth import WrongKeys
from sales_forecast.service.planner import routes
from sales_forecast.service.planner.frame import Page, Visit
from sales_forecast.service.planner.this_week import this_week
from sales_forecast.service.problems import ProblemError
from sales_forecast.service.rate_limit import IN_THIS_PROCESS, RateLimiter
from sales_forecast.service.sessions import BrowserSessions
from sales_forecast.service.start import forget_dead_processes
from sales_forecast.storage.keys import find_key
from services import Shop, new_key

pytestmark = pytest.mark.xdist_group("service")

DATABASES = ["sqlite", "postgresql"]

FORECASTS = "/v1/turnover/forecasts"


@pytest.mark.parametrize(
    ("path", "query", "units"),
    [
        (FORECASTS, {"limit": 1000, "week_from": "2017-10-07"}, [1, 1]),
        (FORECASTS, {"limit": 1001, "week_from": "2017-10-07"}, [2, 1]),
        (FORECASTS, {"limit": 10_000, "week_from": "2017-10-07"}, [91, 1]),
        ("/v1/marketing/curve", {}, [1, 1]),
        ("/v1/turnover/accuracy", {}, [10, 10]),
        ("/v1/turnover/signals", {}, [10, 10]),
        ("/v1/turnover/retraining", {}, [10, 10]),
    ],
)
def test_what_is_computed_costs_more_than_what_is_kept(
    shop: Shop, path: str, query: dict[str, Any], units: list[int]
) -> None:
    headers = {"Authorization": f"Bearer {new_key(shop.engine)}"}
    left = [60_000]
    for _ in units:
        answer = shop.client.get(path, params=query, headers=headers)
        assert answer.status_code == 200, answer.text
        left.append(int(answer.headers["RateLimit"].split("r=")[1].split(";")[0]))
    assert [before - after for before, after in itertools.pairwise(left)] == units
    if path == FORECASTS:
        headers["If-None-Match"] = answer.headers["ETag"]
        answer = shop.client.get(path, params=query, headers=headers)
        assert answer.status_code == 304
        assert f"r={left[-1] - 1};" in answer.headers["RateLimit"]


def test_a_large_page_is_a_long_computation_unless_it_is_kept(
    shop: Shop, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert shop.app is not None
    computations, asked = shop.app.state.service.computations, []
    run = computations.run

    async def note(key_id: str, function: Any, *arguments: Any) -> Any:
        asked.append(key_id)
        return await run(key_id, function, *arguments)

    monkeypatch.setattr(computations, "run", note)
    for _ in range(2):
        assert shop.get(FORECASTS, limit=2_000, horizon=2).status_code == 200
    assert asked == [shop.key.split("_")[1]]


def test_probes_of_strangers_ask_the_database_once_a_second(
    shop: Shop, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked, check = [], dependencies.check

    def count(service: Any) -> Any:
        asked.append(service)
        return check(service)

    monkeypatch.setattr(dependencies, "check", count)
    assert shop.app is not None
    shop.app.state.service.readiness.cache_clear()
    for path in ("/ready", "/ready/turnover", "/metrics") * 5:
        assert shop.client.get(path).status_code == 200
    assert 1 <= len(asked) <= 5  # a machine that is busy may take longer than a second for all of them


def test_wrong_cookies_are_limited_like_wrong_keys(engine: Engine) -> None:
    async def try_cookies() -> None:
        limit = WrongKeys(RateLimiter(3, IN_THIS_PROCESS, "wrong keys"))
        sessions = BrowserSessions(engine, limit, b"")
        until = int((datetime.now(UTC) + timedelta(hours=1)).timestamp())
        with engine.connect() as connection:
            key = find_key(connection, new_key(engine), datetime.now(UTC))
        assert key is not None
        right = await sessions.start(key)
        assert right is not None
        assert await sessions.find(right, "10.0.0.1") is not None
        for number in range(3):
            wrong = f"{number:012x}.{until}.{'0' * 64}"
            assert await sessions.find(wrong, "10.0.0.1") is None
        with pytest.raises(ProblemError, match="too many wrong keys came from your address"):
            await sessions.find(f"{4:012x}.{until}.{'0' * 64}", "10.0.0.1")
        assert await sessions.find(f"{4:012x}.{until}.{'0' * 64}", "10.0.0.2") is None
        assert await sessions.find(right, "10.0.0.1") is not None

    asyncio.run(try_cookies())


def test_who_reads_a_backup_of_the_database_signs_no_cookie(engine: Engine) -> None:
    async def forge() -> None:
        limit = WrongKeys(RateLimiter(3, IN_THIS_PROCESS, "wrong keys"))
        with engine.connect() as connection:
            key = find_key(connection, new_key(engine), datetime.now(UTC))
        assert key is not None
        forged = await BrowserSessions(engine, limit, b"").start(key)  # with all that a database has
        assert forged is not None
        sessions = BrowserSessions(engine, limit, b"a secret of those who run the service")
        assert await sessions.find(forged, "10.0.0.1") is None
        right = await sessions.start(key)
        assert right is not None
        assert await sessions.find(right, "10.0.0.1") is not None

    asyncio.run(forge())


def test_one_key_has_two_pages_at_a_time(shop: Shop, monkeypatch: pytest.MonkeyPatch) -> None:
    build, lock, going_on, most = this_week, threading.Lock(), Counter[str](), Counter[str]()

    def slow(visit: Visit) -> Page:
        key = visit.session.key.key_id
        with lock:
            going_on[key] += 1
            most[key] = max(most[key], going_on[key])
        time.sleep(0.2)
        with lock:
            going_on[key] -= 1
        return build(visit)

    monkeypatch.setattr(routes, "this_week", slow)
    one, other = signed_in(shop), signed_in(shop, key_for(shop, READ))
    with ThreadPoolExecutor(10) as threads:
        asked = [threads.submit(browser.get, START) for browser in [one] * 6 + [other] * 4]
        assert [each.result().status_code for each in asked] == [200] * 10
    assert sorted(most.values()) == [2, 2]


def test_wrong_keys_are_counted_by_the_network_that_one_client_of_ipv6_has() -> None:
    async def try_keys() -> None:
        for first, same, other in (
            ("2001:db8:1:2::1", "2001:db8:1:2:ffff::9", "2001:db8:1:3::1"),
            ("::ffff:203.0.113.9", "203.0.113.9", "::ffff:203.0.113.8"),
            ("fe80::1%eth0", "fe80::2%eth0", "fe81::1%eth0"),
        ):
            limit = WrongKeys(RateLimiter(2, IN_THIS_PROCESS, "wrong keys"))
            for number in range(2):
                await limit.note(f"wrong {number}", (first, same)[number], is_right=False)
            for address in (first, same):
                with pytest.raises(ProblemError, match="too many wrong keys came from your address"):
                    await limit.check("another one", address)
            await limit.check("another one", other)

    asyncio.run(try_keys())


def test_metrics_forget_what_a_process_that_died_was_doing(tmp_path: Path) -> None:
    with subprocess.Popen([sys.executable, "-c", ""]) as gone:
        gone.wait()
    names = [f"gauge_livesum_{gone.pid}.db", f"gauge_livesum_{os.getpid()}.db", f"counter_{gone.pid}.db"]
    for name in names:
        (tmp_path / name).touch()
    forget_dead_processes(tmp_path)
    assert {file.name for file in tmp_path.iterdir()} == set(names[1:])
