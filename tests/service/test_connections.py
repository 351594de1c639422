"""Connections with a small application behind them: which are closed by a limit, when, and which are not."""

import asyncio
import contextlib
import logging
import socket
import threading
import time
from collections import OrderedDict
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import pytest
import uvicorn

from sales_forecast.service.connection_limits import ConnectionLimits
from sales_forecast.service.connections import LimitedProtocol
from servers import free_port
from services import wait_until

SECONDS = 1.0
CONNECTIONS = 4
BYTES = {"/large": 20_000_000, "/medium": 12_000_000, "/small": 2}


class Small(LimitedProtocol):
    """Few connections, and little patience with those that read nothing."""

    limits = ConnectionLimits(16_384, 10, SECONDS, 4_000_000, CONNECTIONS)
    waiting = OrderedDict()
    _told_at = {}


async def application(scope: Any, receive: Any, send: Any) -> None:
    """Reads a body to its end; a stream goes on for longer than a client may stop to read."""
    while (await receive()).get("more_body"):
        pass
    await send({"type": "http.response.start", "status": 200, "headers": []})
    if scope["path"] == "/headers":
        await send({"type": "http.response.body", "body": b" ".join(name for name, _ in scope["headers"])})
        return
    for _ in range(20 if scope["path"] == "/stream" else 0):
        await send({"type": "http.response.body", "body": b"x" * 10_000, "more_body": True})
        await asyncio.sleep(SECONDS / 10)
    await send({"type": "http.response.body", "body": b"x" * BYTES.get(scope["path"], 0)})


@dataclass(frozen=True)
class Open:
    """The server, and how to reach it."""

    server: uvicorn.Server
    port: int

    def connect(self, request: bytes = b"") -> socket.socket:
        made = socket.create_connection(("127.0.0.1", self.port), timeout=10)
        made.sendall(request)
        return made

    def count(self) -> int:
        return len(self.server.server_state.connections)

    def answers(self) -> bool:
        """Whether a newcomer is answered."""
        with contextlib.suppress(ConnectionError), self.connect(get("/small")) as newcomer:
            return newcomer.recv(100).startswith(b"HTTP/1.1 200")
        return False


def get(path: str) -> bytes:
    return b"GET %s HTTP/1.1\r\nHost: x\r\n\r\n" % path.encode()


@pytest.fixture(params=["asyncio", "uvloop"])
def opened(request: pytest.FixtureRequest) -> Iterator[Open]:
    Small._told_at.clear()
    config = uvicorn.Config(
        application, port=free_port(), http=Small, loop=request.param, ws="none", log_config=None
    )
    server = uvicorn.Server(config)
    thread = threading.Thread(target=server.run)
    thread.start()
    wait_until(lambda: server.started)
    yield Open(server, config.port)
    server.should_exit = True
    thread.join(timeout=10 * SECONDS)
    assert not thread.is_alive(), "the server waits for a client"


def test_clients_that_take_nothing_in_lose_their_connection_and_keep_nobody_out(
    opened: Open, caplog: pytest.LogCaptureFixture
) -> None:
    with contextlib.ExitStack() as stack:
        for _ in range(CONNECTIONS):
            stack.enter_context(opened.connect(get("/large")))
        wait_until(lambda: opened.count() == CONNECTIONS, seconds=5)
        assert opened.answers()  # the one that has waited for longest had to go
        wait_until(lambda: opened.count() == 0, seconds=10 * SECONDS)
    assert {"unread_seconds", "connections"} <= set(" ".join(caplog.messages).split())


def test_a_client_that_has_taken_in_its_answer_keeps_its_connection(
    opened: Open, caplog: pytest.LogCaptureFixture
) -> None:
    with opened.connect(get("/medium")) as connection:
        time.sleep(0.2)
        read(connection, BYTES["/medium"])
        time.sleep(1.5 * SECONDS)
        connection.sendall(get("/small"))
        assert connection.recv(1000).startswith(b"HTTP/1.1 200")
    assert "unread_seconds" not in caplog.text


def test_a_stream_that_is_read_slowly_goes_on(opened: Open) -> None:
    with opened.connect(get("/stream")) as connection:
        read(connection, 20 * 10_000)


def test_bodies_that_do_not_come_keep_nobody_out(opened: Open) -> None:
    stalled = b"POST /small HTTP/1.1\r\nHost: x\r\nContent-Length: 10\r\n\r\n"
    with contextlib.ExitStack() as stack:
        for _ in range(CONNECTIONS):
            stack.enter_context(opened.connect(get("/small") + stalled))
        wait_until(lambda: opened.count() == CONNECTIONS, seconds=5)
        assert all(opened.answers() for _ in range(2 * CONNECTIONS))


def test_a_body_in_pieces_is_read(opened: Open) -> None:
    with opened.connect(b"POST /small HTTP/1.1\r\nHost: x\r\nContent-Length: 3\r\n\r\n") as connection:
        for piece in (b"a", b"b", b"c"):
            time.sleep(0.05)
            connection.sendall(piece)
        assert connection.recv(1000).startswith(b"HTTP/1.1 200")


@pytest.mark.parametrize(
    "first", [b"", b"Transfer-Encoding: chunked\r\n\r\n0\r\n"], ids=["headers", "trailers"]
)
def test_tiny_headers_are_counted_with_what_they_take_beside_their_bytes(opened: Open, first: bytes) -> None:
    head = b"POST /small HTTP/1.1\r\nHost: x\r\n" + first
    with opened.connect(head + b"a:\r\n" * 400 + b"\r\n") as connection:
        assert connection.recv(1000).startswith(b"HTTP/1.1 200")
    with opened.connect(head) as connection:
        with contextlib.suppress(ConnectionError):
            connection.sendall(b"a:\r\n" * 3_000)  # 12 kB, less than the limit
        assert connection.recv(1000).startswith(b"HTTP/1.1 431")


def test_a_refused_client_that_takes_nothing_in_is_not_waited_for(
    opened: Open, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.WARNING)
    with opened.connect(get("/large") + b"nonsense\r\n\r\n"):
        wait_until(lambda: "no_http" in caplog.text, seconds=5)
        wait_until(lambda: opened.count() == 0, seconds=5)


def read(connection: socket.socket, size: int) -> None:
    found = 0
    while found < size:
        piece = connection.recv(2**20)
        assert piece, f"the connection ended after {found} bytes"
        found += len(piece)


def test_trailers_are_not_headers(opened: Open) -> None:
    trailers = b"0\r\nX-Forwarded-User: carol\r\n\r\n"
    with opened.connect(
        b"POST /headers HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n" + trailers
    ) as connection:
        answer = b""
        while not answer.endswith(b"0\r\n\r\n"):
            answer += connection.recv(1000)
    assert b"host" in answer
    assert b"x-forwarded-user" not in answer


def test_requests_that_come_before_their_responses_are_few(opened: Open) -> None:
    with opened.connect(get("/small") * 10) as connection:
        read(connection, 10 * BYTES["/small"])
    with opened.connect(get("/stream") * 1000) as connection:
        assert b"more than 16 requests came before their responses" in connection.recv(10_000)
    wait_until(lambda: opened.count() == 0, seconds=5)
