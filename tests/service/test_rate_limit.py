"""Rate limits that several processes count together, and what happens without the place where they do."""

import asyncio
import shutil
import socket
import subprocess
import threading
import time
from collections.abc import Iterator
from contextlib import suppress

import pytest
import redis

from sales_forecast.service.computations import Computations
from sales_forecast.service.problems import ProblemError
from sales_forecast.service.rate_limit import IN_THIS_PROCESS, RateLimiter
from servers import free_port
from services import wait_until


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[subprocess.Popen[bytes], str]]:
    program = shutil.which("redis-server")
    if program is None:
        pytest.skip("redis-server is not installed; .ci/run installs it on Debian")
    port, folder = free_port(), tmp_path_factory.mktemp("redis")
    with subprocess.Popen(
        [program, "--port", str(port), "--dir", str(folder), "--save", ""], stdout=subprocess.DEVNULL
    ) as process:

        def answers() -> bool:
            with suppress(redis.ConnectionError):
                return bool(redis.Redis(port=port).ping())
            return False

        wait_until(answers, seconds=20)
        yield process, f"redis://127.0.0.1:{port}"
        process.terminate()


def test_processes_on_one_redis_count_together_and_alone_without_it(
    server: tuple[subprocess.Popen[bytes], str], caplog: pytest.LogCaptureFixture
) -> None:
    process, url = server

    async def spend() -> None:
        one, other = (RateLimiter(100, url, "units") for _ in range(2))
        assert (await one.spend("a key", 60)).remaining == 40
        found = await other.spend("a key", 60)
        assert (found.is_exceeded, found.remaining) == (True, 0)
        assert (await other.spend("another key", 60)).remaining == 40
        process.terminate()
        process.wait()
        assert (await one.spend("a key", 60)).remaining == 40  # counted in this process from now on
        assert (await one.spend("a key", 60)).is_exceeded

    asyncio.run(spend())
    assert "The storage of the rate limits does not answer" in caplog.text


def test_a_storage_that_hangs_costs_one_request_a_moment_and_is_left_alone_for_a_while(
    caplog: pytest.LogCaptureFixture,
) -> None:
    silent = socket.create_server(("127.0.0.1", 0))  # takes connections, and says nothing
    port = silent.getsockname()[1]

    async def spend() -> None:
        limiter = RateLimiter(100, f"redis://127.0.0.1:{port}", "units")
        start = time.monotonic()
        found = [await limiter.spend("a key", 10) for _ in range(5)]
        assert time.monotonic() - start < 2  # redis-py would wait 5 seconds, each time
        assert [budget.remaining for budget in found] == [90, 80, 70, 60, 50]

    with silent:
        asyncio.run(spend())
    assert caplog.text.count("The storage of the rate limits does not answer") == 1


def test_a_request_that_no_window_has_enough_for_takes_nothing_and_any_other_what_it_asks_for() -> None:
    async def spend() -> None:
        limiter = RateLimiter(10, IN_THIS_PROCESS, "units")
        assert (await limiter.spend("a", 11)).is_exceeded
        assert (await limiter.spend("a", 9)).remaining == 1
        assert (await limiter.spend("b", 0)).remaining == 10
        together = await asyncio.gather(*(limiter.spend("b", 6) for _ in range(5)))
        assert [budget.is_exceeded for budget in together].count(False) == 1

    asyncio.run(spend())


def test_long_computations_wait_for_each_other_and_one_key_gets_half_of_the_places() -> None:
    async def compute() -> None:
        computations, gate = Computations(threads=1, max_waiting=4), threading.Event()
        running = [asyncio.create_task(computations.run("a", gate.wait, 60)) for _ in range(3)]
        await asyncio.sleep(0)
        with pytest.raises(ProblemError, match="too many long computations"):
            await computations.run("a", gate.wait, 60)
        running += [asyncio.create_task(computations.run("b", gate.wait, 60)) for _ in range(2)]
        await asyncio.sleep(0)
        with pytest.raises(ProblemError, match="too many long computations"):
            await computations.run("c", gate.wait, 60)
        gate.set()
        await asyncio.gather(*running)
        assert await computations.run("c", lambda: 7) == 7
        computations.close()

    asyncio.run(compute())


def test_jobs_compute_after_live_requests_and_all_the_same_after_some_time(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    async def compute() -> list[str]:
        computations, gate, order = Computations(threads=1, max_waiting=4), threading.Event(), []
        first = asyncio.create_task(computations.run("a", gate.wait, 60))
        await asyncio.sleep(0)
        part = asyncio.create_task(computations.run_last(lambda: order.append("job")))
        await asyncio.sleep(0)
        later = asyncio.create_task(computations.run("a", order.append, "live"))
        await asyncio.sleep(0)
        gate.set()
        await asyncio.gather(first, part, later)
        gate.clear()
        endless = asyncio.create_task(computations.run("a", gate.wait, 60))
        monkeypatch.setattr("sales_forecast.service.computations.LONGEST_WAIT_SECONDS", 0.01)
        part = asyncio.create_task(computations.run_last(lambda: order.append("job")))
        await asyncio.sleep(0.1)
        late = asyncio.create_task(computations.run("a", order.append, "late"))
        await asyncio.sleep(0)
        gate.set()
        await asyncio.gather(endless, part, late)
        computations.close()
        return order

    assert asyncio.run(compute()) == ["live", "job", "job", "late"]
