"""Connections with limits, which hold before anybody has said who they are: size, time and number."""

from __future__ import annotations

import asyncio
import logging
from collections import OrderedDict
from collections.abc import Callable
from typing import ClassVar
from uuid import uuid4

import orjson
from prometheus_client import Counter
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

from sales_forecast.service.connection_limits import ConnectionLimits
from sales_forecast.service.problems import MEDIA_TYPE, ProblemDetails, title_of

logger = logging.getLogger(__name__)

CUT = Counter("sales_forecast_connections_cut_total", "Connections that were closed by a limit.", ["limit"])

BYTES_BESIDE_A_HEADER = 32
"""What a header counts beside its name and value, as in RFC 9113, 6.5.2: short ones take memory, too."""

PIPELINED = 16
"""Requests that may come before the responses to those before them; each keeps some kB in memory."""

GRACE_SECONDS = 1.0
"""Time in which a client has to take in why it was refused."""

SECONDS_BETWEEN_LINES = 10.0
"""A flood must not fill the log: a limit writes one line in this time, and counts in the metric always."""


class LimitedProtocol(HttpToolsProtocol):
    """HTTP/1.1 of uvicorn with limits. It overrides callbacks of asyncio and of httptools.

    httptools keeps a header of any size in memory until it ends, so bytes are counted before it sees them.
    """

    limits: ClassVar[ConnectionLimits]
    """Set before the server starts; uvicorn makes an instance for each connection."""

    waiting: ClassVar[OrderedDict[LimitedProtocol, None]] = OrderedDict()
    """Connections that wait for their client, first the one that has done so for longest.

    The client has to send a request, or the rest of one, or to take in what it was answered.
    """

    _told_at: ClassVar[dict[str, float]] = {}

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """Take a connection; where there are too many, the one that has waited for longest has to go."""
        super().connection_made(transport)
        transport.set_write_buffer_limits(high=0)  # so that it is told whenever something is not taken in
        self._bytes, self._in_headers, self._too_long = 0, True, False
        self._header_clock, self._unread_clock = _Clock(self.loop), _Clock(self.loop)
        self._start_header_clock()
        if len(self.connections) > self.limits.connections:
            next(iter(self.waiting), self)._cut("connections")
        if not transport.is_closing():
            self.waiting[self] = None

    def connection_lost(self, exc: Exception | None) -> None:
        """Forget a connection."""
        self.waiting.pop(self, None)
        self._header_clock.stop()
        self._unread_clock.stop()
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        """Take some bytes, unless the headers or the whole request have become too long."""
        if self.transport.is_closing():
            return
        if self._in_headers and self._bytes > self.limits.header_bytes:
            self._too_long = True
            self.send_400_response("")
            return
        self._bytes += len(data)
        if self._bytes > self.limits.message_bytes:
            self._cut("message_bytes")
            return
        super().data_received(data)
        if self._in_headers and self._bytes and not self._header_clock.runs:
            self._start_header_clock()

    def on_message_begin(self) -> None:
        """Begin a request."""
        self._header_bytes = 0
        super().on_message_begin()

    def on_url(self, url: bytes) -> None:
        """Take a part of the address."""
        self._count(len(url))
        super().on_url(url)

    def on_header(self, name: bytes, value: bytes) -> None:
        """Take a header, which may also come after a body that is sent in chunks."""
        self._count(len(name) + len(value) + BYTES_BESIDE_A_HEADER)
        if self._in_headers:  # what comes after a body must not say who the client is
            super().on_header(name, value)

    def on_headers_complete(self) -> None:
        """Hand a request over, whose body may be still to come."""
        self._header_clock.stop()
        self._in_headers = False
        super().on_headers_complete()
        if len(self.pipeline) > PIPELINED:
            raise ValueError("too many requests at once")  # the parser stops, as in _count

    def on_message_complete(self) -> None:
        """Wait for the response, unless there has been one already, and for the next request."""
        self._bytes, self._in_headers = 0, True
        super().on_message_complete()
        self._note_waiting()

    def on_response_complete(self) -> None:
        """Go on to the next request."""
        super().on_response_complete()
        self._note_waiting()

    def pause_writing(self) -> None:
        """Give the client some time to take in what it was answered."""
        super().pause_writing()
        self._unread_clock.start(self.limits.unread_seconds, lambda: self._cut("unread_seconds"))
        self._note_waiting()

    def resume_writing(self) -> None:
        """Go on: the client has taken in everything so far."""
        super().resume_writing()
        self._unread_clock.stop()
        self._note_waiting()

    def send_400_response(self, msg: str) -> None:
        """Refuse what is no request, or one with headers that are too long, and close the connection."""
        status, detail = 400, "this is no valid HTTP request"
        if self._too_long:
            status = 431
            detail = f"address and headers have more than {self.limits.header_bytes:,} bytes; send fewer"
        elif len(self.pipeline) > PIPELINED:
            detail = f"more than {PIPELINED} requests came before their responses"
        problem = ProblemDetails(
            title=title_of(status), status=status, detail=detail, instance="/", request_id=str(uuid4())
        )
        content = orjson.dumps(problem.model_dump())
        head = (
            f"HTTP/1.1 {status} {problem.title}\r\nContent-Type: {MEDIA_TYPE}\r\n"
            f"Content-Length: {len(content)}\r\nX-Request-ID: {problem.request_id}\r\n"
            "Connection: close\r\n\r\n"
        )
        self.transport.write(head.encode() + content)
        self.transport.close()
        self.loop.call_later(GRACE_SECONDS, self.transport.abort)
        self._tell_cut("header_bytes" if self._too_long else "no_http", problem.request_id)

    def _start_header_clock(self) -> None:
        self._header_clock.start(self.limits.header_seconds, lambda: self._cut("header_seconds"))

    def _count(self, header_bytes: int) -> None:
        self._header_bytes += header_bytes
        if self._header_bytes > self.limits.header_bytes:
            self._too_long = True
            raise ValueError("the headers are too long")  # the parser stops, and uvicorn asks for a response

    def _note_waiting(self) -> None:
        """Note whether the client has to do something now, or the service."""
        is_computing = self.cycle is not None and not (self.cycle.response_complete or self.cycle.more_body)
        if is_computing and not self.flow.write_paused:
            self.waiting.pop(self, None)
        elif not self.transport.is_closing() or self.flow.write_paused:
            self.waiting.setdefault(self)

    def _cut(self, limit: str) -> None:
        """End the connection at once: what its client has not taken in is dropped."""
        self._tell_cut(limit)
        self.transport.abort()

    def _tell_cut(self, limit: str, request_id: str | None = None) -> None:
        """Count a connection that a limit closes, and say so once in a while."""
        self.waiting.pop(self, None)
        self._header_clock.stop()
        CUT.labels(limit).inc()
        now = self.loop.time()
        if now - self._told_at.get(limit, -SECONDS_BETWEEN_LINES) < SECONDS_BETWEEN_LINES:
            return
        self._told_at[limit] = now
        allowed = getattr(self.limits, limit, None)
        logger.warning(
            "A connection was closed by the limit %s%s; more like it are only counted for %g seconds",
            limit,
            f" of {allowed:,}" if allowed is not None else "",
            SECONDS_BETWEEN_LINES,
            extra={
                "client.address": self.client[0] if self.client else None,
                "http.request.id": request_id,
            },
        )


class _Clock:
    """Calls a function after some time, unless it is stopped before."""

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self._loop = loop
        self._handle: asyncio.TimerHandle | None = None

    @property
    def runs(self) -> bool:
        return self._handle is not None

    def start(self, seconds: float, function: Callable[[], None]) -> None:
        self.stop()
        self._handle = self._loop.call_later(seconds, function)

    def stop(self) -> None:
        if self._handle is not None:
            self._handle.cancel()
            self._handle = None
