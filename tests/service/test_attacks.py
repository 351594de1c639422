"""What callers without a key, or with one, can do to the others: memory, time and reachability stay bounded."""

import contextlib
import json
import socket
import statistics
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

import httpx
import psutil
import pytest

from projects import Project, copy_finished
from services import Shop, served, wait_until

pytestmark = pytest.mark.xdist_group("attacks")

MEGABYTE = 2**20
OPEN_FILES = 300
SECONDS = 2
PREDICT, JOBS = "/v1/turnover/predict", "/v1/turnover/predictions"
OVERRIDES, ANSWERS = "/v1/turnover/overrides", "/v1/turnover/exceptions/answers"
SCENARIOS = "/v1/turnover/scenarios"
MANY_FIELDS = b"{" + b",".join(b'"k%06d":0' % number for number in range(140_000)) + b"}"
WEEKS = [{"week": "2017-09-30", "turnover": 1.0}] * 500


@dataclass(frozen=True)
class Target:
    """A service with few open files, and little patience."""

    shop: Shop
    process: psutil.Process
    log: Path

    @property
    def address(self) -> tuple[str, int]:
        url = self.shop.client.base_url
        return url.host, url.port or 80

    def connect(self) -> socket.socket:
        return socket.create_connection(self.address, timeout=30)

    def memory(self) -> float:
        return float(self.process.memory_info().rss / MEGABYTE)

    def lines(self, words: str) -> list[dict[str, object]]:
        found = [json.loads(line) for line in self.log.read_text().splitlines() if line.startswith("{")]
        return [line for line in found if words in str(line["message"])]

    def metric(self, name: str) -> float:
        lines = self.shop.client.get("/metrics").text.splitlines()
        return sum(float(line.split()[-1]) for line in lines if line.startswith(name))


@pytest.fixture(scope="module")
def target(
    small: Project, new_database: Callable[[str], str], tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Target]:
    folder = tmp_path_factory.mktemp("attacked")
    project = copy_finished(small, folder / "project")
    settings = {"max_header_seconds": SECONDS, "max_seconds": 10, "wrong_keys_per_minute": 20}
    (project.folder / "conf/local/service.yml").write_text(json.dumps(settings))
    limited = ("bash", "-c", f'ulimit -n {OPEN_FILES}; exec "$@"', "serve")
    log = folder / "serve.log"
    with served(project, new_database("sqlite"), log, before=limited) as (shop, process):
        assert shop.get("/v1/turnover/forecasts").status_code == 200
        yield Target(shop, psutil.Process(process.pid), log)


def send(target: Target, *pieces: bytes, megabytes: int) -> bytes:
    """Send the pieces, the last one again and again; what came back before the connection was closed."""
    *first, last = pieces
    answer = b""
    with target.connect() as connection, contextlib.suppress(ConnectionError):
        connection.sendall(b"".join(first))
        for _ in range(megabytes * MEGABYTE // len(last)):
            connection.sendall(last)
        connection.sendall(b"\r\n\r\n")
        answer = connection.recv(10_000)
    return answer


@dataclass
class Harm:
    """The most memory that an attack took, and the longest that others waited meanwhile."""

    megabytes: float = 0.0
    seconds: float = 0.0


@contextlib.contextmanager
def watched(target: Target) -> Iterator[Harm]:
    """Measures what an attack does while it goes on, by the eyes of somebody else."""
    before, harm, over = target.memory(), Harm(), threading.Event()

    def watch() -> None:
        with httpx.Client(base_url=target.shop.client.base_url, timeout=60) as other:
            while not over.is_set():
                start = time.monotonic()
                assert other.get("/health").status_code == 200
                harm.seconds = max(harm.seconds, time.monotonic() - start)
                harm.megabytes = max(harm.megabytes, target.memory() - before)
                over.wait(0.005)

    with ThreadPoolExecutor(1) as pool:
        watching = pool.submit(watch)
        try:
            yield harm
        finally:
            over.set()
        watching.result()


LINE = b"X-Filler: " + b"x" * 1000 + b"\r\n"
TINY = b"a:\r\n" * 250
CHUNKED = b"POST /health HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n"


@pytest.mark.parametrize(
    "pieces",
    [
        pytest.param((b"GET /health HTTP/1.1\r\n", LINE), id="header lines"),
        pytest.param((b"GET /health HTTP/1.1\r\n", TINY), id="tiny header lines"),
        pytest.param((b"GET /health HTTP/1.1\r\nX-Filler: ", b"x" * 1000), id="one header"),
        pytest.param((b"GET /health?", b"x" * 1000), id="address"),
        pytest.param((b"x" * 1000,), id="method"),
        pytest.param((CHUNKED + b"0\r\n", LINE), id="trailers"),
        pytest.param((CHUNKED + b"0\r\n", TINY), id="tiny trailers"),
        pytest.param((CHUNKED + b"1;", b"x" * 1000), id="extension of a chunk"),
    ],
)
def test_60_mb_of_headers_take_neither_memory_nor_time_of_others(
    target: Target, pieces: tuple[bytes, ...]
) -> None:
    with watched(target) as harm:
        answer = send(target, *pieces, megabytes=60)
    assert harm.megabytes < 50
    assert harm.seconds < 2
    assert answer[:12] in (b"", b"HTTP/1.1 431", b"HTTP/1.1 400", b"HTTP/1.1 405")


def test_bodies_that_do_not_come_keep_nobody_out(target: Target) -> None:
    stalled = b"POST /v1/turnover/predict HTTP/1.1\r\nHost: x\r\nContent-Length: 10\r\n\r\n"
    with contextlib.ExitStack() as stack, watched(target) as harm:
        for _ in range(2 * OPEN_FILES):
            with contextlib.suppress(ConnectionError):
                stack.enter_context(target.connect()).sendall(stalled)
        with httpx.Client(base_url=target.shop.client.base_url, timeout=10) as newcomer:
            assert newcomer.get("/health").status_code == 200
    assert harm.megabytes < 50


def test_answers_that_nobody_takes_in_take_little_memory_and_end(target: Target) -> None:
    head = (
        f"GET /v1/turnover/forecasts?limit=10000&quantiles=true HTTP/1.1\r\nHost: x\r\n{bearer(target)}\r\n"
    )
    with contextlib.ExitStack() as stack, watched(target) as harm:
        for _ in range(20):
            connection = stack.enter_context(target.connect())
            connection.sendall(f"{head}\r\n".encode() * 10)
        wait_until(lambda: bool(target.lines("limit unread_seconds")), seconds=60)
    assert harm.megabytes < 150
    wait_until(lambda: len(target.process.net_connections()) < 20, seconds=20)


def test_scripts_that_nobody_takes_in_take_no_memory(target: Target) -> None:
    """The largest answer without a key: Plotly has almost 5 MB where a client does not take gzip."""
    path, headers = "/monitoring/plotly.js", {"Accept-Encoding": "identity"}
    assert len(target.shop.client.get(path, headers=headers).content) > 3_000_000
    request = f"GET {path} HTTP/1.1\r\nHost: x\r\n\r\n".encode()
    with contextlib.ExitStack() as stack, watched(target) as harm:
        for _ in range(100):
            stack.enter_context(target.connect()).sendall(request)
        time.sleep(2)
    assert harm.megabytes < 50


def bearer(target: Target) -> str:
    return f"Authorization: Bearer {target.shop.key}"


def test_headers_that_are_a_little_too_long_are_refused_with_a_reason(target: Target) -> None:
    answer = target.shop.client.get("/health", headers={"X-Filler": "x" * 20_000})
    assert answer.status_code == 431
    problem = answer.json()
    assert problem["title"] == "Request Header Fields Too Large"
    assert "16,384 bytes" in problem["detail"]
    assert problem["request_id"] == answer.headers["X-Request-ID"]
    assert target.lines("header_bytes")
    assert target.metric('sales_forecast_connections_cut_total{limit="header_bytes"}') >= 1


def test_what_is_no_http_is_answered_with_an_id(target: Target) -> None:
    with target.connect() as connection:
        connection.sendall(b"nonsense\r\n\r\n")
        head, _, body = connection.recv(10_000).partition(b"\r\n\r\n")
    assert head.startswith(b"HTTP/1.1 400 Bad Request")
    problem = json.loads(body)
    assert problem["title"] == "Bad Request"
    assert f"X-Request-ID: {problem['request_id']}".encode() in head


def test_connections_that_send_nothing_more_are_closed_and_keep_nobody_out(target: Target) -> None:
    half_sent: list[socket.socket] = []
    with contextlib.ExitStack() as stack:
        for _ in range(2 * OPEN_FILES):
            half_sent.append(stack.enter_context(target.connect()))
            with contextlib.suppress(ConnectionError):
                half_sent[-1].sendall(b"GET /health HTTP/1.1\r\nHost")
        with httpx.Client(base_url=target.shop.client.base_url, timeout=10) as newcomer:
            assert newcomer.get("/health").status_code == 200
        wait_until(lambda: len(target.process.net_connections()) < 50, seconds=20)
    assert target.lines("limit connections")
    wait_until(lambda: bool(target.lines("header_seconds")), seconds=20)


def test_a_client_that_is_slow_but_in_time_is_answered(target: Target) -> None:
    with target.connect() as connection:
        for piece in (b"GET /hea", b"lth HTTP/1.1\r\nHo", b"st: x\r\n", b"\r\n"):
            connection.sendall(piece)
            time.sleep(0.1)
        assert connection.recv(1000).startswith(b"HTTP/1.1 200")


def test_many_requests_on_one_connection_are_answered_in_order(target: Target) -> None:
    with target.connect() as connection:
        connection.sendall(b"GET /health HTTP/1.1\r\nHost: x\r\n\r\n" * 16)
        answer = b""
        while answer.count(b"HTTP/1.1 200") < 16:
            answer += connection.recv(100_000)


def test_a_large_body_is_read_only_with_a_key(target: Target) -> None:
    body = b"[" + b" " * 1_500_000 + b"]"
    url = "/v1/turnover/predict"
    assert target.shop.client.post(url, content=body).status_code == 401
    assert target.shop.send(url, body).status_code == 422


def test_wrong_keys_are_limited_by_address_and_counted_while_a_right_one_goes_on(target: Target) -> None:
    url, before = "/v1/turnover/forecasts", target.metric("sales_forecast_wrong_keys_total")
    answers = [
        target.shop.client.get(url, headers={"Authorization": f"Bearer sf_{i:012x}_{'A' * 43}"})
        for i in range(30)
    ]
    statuses = [answer.status_code for answer in answers]
    assert statuses == sorted(statuses)
    assert set(statuses) == {401, 429}
    assert int(answers[-1].headers["Retry-After"]) <= 60
    assert 20 <= target.metric("sales_forecast_wrong_keys_total") - before <= 30
    assert target.shop.get(url).status_code == 200


FIELDS = b"{" + b",".join(b'"%c":0' % (97 + letter) for letter in range(22)) + b"}"


@pytest.mark.parametrize(
    ("path", "body"),
    [
        (PREDICT, MANY_FIELDS),
        (OVERRIDES, MANY_FIELDS),
        (ANSWERS, MANY_FIELDS),
        (SCENARIOS, MANY_FIELDS),
        (SCENARIOS, b'{"changes":[' + MANY_FIELDS + b"]}"),
        (PREDICT, b'{"series":[' + b",".join([FIELDS] * 1000) + b"]}"),
        (JOBS, b'{"series":[' + b",".join([FIELDS] * 14_000) + b"]}"),
        (JOBS, b'{"series":[' + b",".join([b"{}"] * 50_000) + b"]}"),
    ],
    ids=[
        "unknown fields",
        "override",
        "answer to an exception",
        "scenario",
        "change of a scenario",
        "series with unknown fields",
        "job with unknown fields",
        "empty series",
    ],
)
def test_what_is_wrong_in_many_places_is_refused_at_once(target: Target, path: str, body: bytes) -> None:
    assert len(body) < 2_000_000
    with watched(target) as harm:
        answer = target.shop.send(path, body)
    assert answer.status_code == 422
    assert "field" in answer.json()["detail"] or "required" in answer.json()["detail"]
    assert harm.seconds < 0.7


def test_stored_answers_do_not_wait_for_long_computations(target: Target) -> None:
    """Both are measured at the same time, so that a machine that is busy slows down both."""
    computed: list[float] = []
    over = threading.Event()

    def ask_for_new_stores(number: int) -> None:
        while not over.is_set():
            series = [{"store": str(900_000 + number), "department": "117", "place": {}}]
            start = time.monotonic()
            if target.shop.post(PREDICT, {"series": series}).status_code == 200:
                computed.append(time.monotonic() - start)

    stored: list[float] = []
    with ThreadPoolExecutor(4) as pool:
        asking = [pool.submit(ask_for_new_stores, number) for number in range(4)]
        try:
            wait_until(lambda: len(computed) >= 2)
            while len(computed) < 10:
                start = time.monotonic()
                assert target.shop.get("/v1/turnover/forecasts", store="105").status_code == 200
                stored.append(time.monotonic() - start)
        finally:
            over.set()
        for one in asking:
            one.result()
    assert statistics.quantiles(stored, n=20)[18] < statistics.median(computed) / 2


def test_stored_answers_do_not_wait_until_a_long_body_is_validated(target: Target) -> None:
    known = [{"store": "105", "department": "117", "recent_weeks": WEEKS}]
    body = json.dumps(
        {"series": known + [{"store": str(number), "department": "1"} for number in range(40_000)]}
    )
    start = time.monotonic()
    with watched(target) as harm:
        answer = target.shop.send(JOBS, body.encode())
    seconds = time.monotonic() - start
    assert answer.status_code == 202, answer.text
    assert harm.seconds < max(0.1, seconds / 2)
    target.shop.client.delete(answer.headers["Location"], headers=target.shop.bearer)
