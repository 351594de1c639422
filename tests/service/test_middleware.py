"""What stands around every request, with a small application in it: bodies of many callers, and long responses."""

import asyncio
import logging
from collections.abc import Awaitable, Callable
from types import SimpleNamespace
from typing import Any

import pytest

from sales_forecast.service import bodies
from sales_forecast.service.middleware import RequestMiddleware
from sales_forecast.service.problems import ProblemError

LIMIT = 10_000
SECONDS = 0.2

App = Callable[[Any, Any, Any], Awaitable[None]]


async def answers(scope: Any, receive: Any, send: Any) -> None:
    await receive()
    await send({"type": "http.response.start", "status": 200, "headers": []})
    await send({"type": "http.response.body", "body": b"ok"})


class Callers:
    """Callers of an application, who send bodies in pieces, each with a key of its own name."""

    def __init__(self, app: App = answers) -> None:
        settings: Any = SimpleNamespace(max_body_bytes=LIMIT, max_seconds=SECONDS)
        self._app, self.sent = RequestMiddleware(app, settings), b""

    async def call(self, key: str, *pieces: bytes, ends: bool = True) -> int:
        """The status of the response; a body that does not end is stalled for good."""
        statuses, coming = [], iter(pieces)

        async def receive() -> Any:
            piece = next(coming, None)
            if piece is None:
                await asyncio.sleep(60)
            return {"type": "http.request", "body": piece, "more_body": not ends}

        async def send(message: Any) -> None:
            statuses.append(message.get("status"))
            self.sent += message.get("body", b"")

        state = SimpleNamespace(service=SimpleNamespace(refusals=SimpleNamespace(note=lambda *_: None)))
        scope = {"type": "http", "method": "POST", "path": "/", "headers": [], "client": (key, 1)}
        await self._app({**scope, "app": SimpleNamespace(state=state)}, receive, send)
        return int(statuses[0])


@pytest.fixture(autouse=True)
def spent(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Who has spent units; the caller's address is the key, and there is nothing left for 'poor'."""
    found: list[str] = []

    async def authenticate(scope: Any) -> Any:
        if scope["client"][0] == "stranger":
            raise ProblemError(401, "send an API key")
        return SimpleNamespace(key_id=scope["client"][0])

    async def spend(request: Any, key: Any, units: int) -> None:
        if key.key_id == "poor":
            raise ProblemError(429, "nothing is left")
        found.extend([key.key_id] * units)

    monkeypatch.setattr(bodies, "authenticate", authenticate)
    monkeypatch.setattr(bodies, "spend", spend)
    return found


async def stalled(callers: Callers, key: str, count: int) -> list[asyncio.Task[int]]:
    tasks = [asyncio.create_task(callers.call(key, b"x" * LIMIT, ends=False)) for _ in range(count)]
    for _ in range(10):  # until each of them waits for more
        await asyncio.sleep(0)
    return tasks


def test_one_key_that_stalls_large_bodies_keeps_nobody_else_out() -> None:
    async def attack() -> None:
        callers = Callers()
        tasks = await stalled(callers, "attacker", 20)
        assert await callers.call("other", b"y" * 60) == 200
        assert await callers.call("other", b"y" * LIMIT) == 200
        assert await callers.call("attacker", b"y" * LIMIT) == 429
        assert await callers.call("attacker", b"y" * 60) == 200
        statuses = await asyncio.gather(*tasks)
        assert sorted(statuses) == [429] * 15 + [503] * 5  # five were read, and given up
        assert await callers.call("attacker", b"y" * LIMIT) == 200

    asyncio.run(attack())


def test_many_keys_that_stall_large_bodies_leave_small_ones_to_the_others() -> None:
    async def attack() -> None:
        callers = Callers()
        tasks = [task for key in "abcd" for task in await stalled(callers, key, 5)]
        assert await callers.call("other", b"y" * LIMIT) == 503
        assert await callers.call("other", b"y" * 60) == 200
        await asyncio.gather(*tasks)

    asyncio.run(attack())


def test_a_large_body_is_read_only_once_it_is_paid(spent: list[str]) -> None:
    async def send() -> None:
        callers = Callers()
        assert await callers.call("stranger", b"x" * 5_000) == 401
        assert await callers.call("poor", b"x" * 5_000, ends=False) == 429
        assert await callers.call("rich", b"x" * 5_000) == 200
        assert await callers.call("rich", b"x" * 60) == 200

    asyncio.run(send())
    assert spent == ["rich"]


def test_a_body_that_did_not_come_to_its_end_reaches_no_route() -> None:
    first = {"type": "http.request", "body": b"[1", "more_body": True}
    messages = iter([first, {"type": "http.disconnect"}])

    async def receive() -> Any:
        return next(messages)

    with pytest.raises(ProblemError, match="ended before the body did"):
        asyncio.run(bodies.BodyReader(LIMIT).read({}, receive))


def test_a_response_that_has_begun_is_not_ended_by_the_limit_of_time(
    caplog: pytest.LogCaptureFixture,
) -> None:
    async def slow_result(scope: Any, receive: Any, send: Any) -> None:
        await send({"type": "http.response.start", "status": 200, "headers": []})
        for _ in range(4):
            await asyncio.sleep(SECONDS / 2)
            await send({"type": "http.response.body", "body": b"part", "more_body": True})
        await send({"type": "http.response.body"})

    async def never(scope: Any, receive: Any, send: Any) -> None:
        await asyncio.sleep(60)

    caplog.set_level(logging.ERROR)
    callers = Callers(slow_result)
    assert asyncio.run(callers.call("a", b"")) == 200
    assert callers.sent == 4 * b"part"
    assert asyncio.run(Callers(never).call("a", b"")) == 503
    assert not caplog.records
