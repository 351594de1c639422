"""Real log lines of the service and of runs, shipped by the real rsyslogd to a stub of Elasticsearch."""

import contextlib
import json
import os
import shutil
import subprocess
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import text

from ecs_fields import IN_EVERY_LINE, assert_ecs, flat
from projects import REPOSITORY, Project
from sales_forecast.storage.database import writing
from services import new_key, served, wait_until

pytestmark = pytest.mark.xdist_group("logs")

RSYSLOGD = shutil.which("rsyslogd", path=f"{os.environ.get('PATH', '')}{os.pathsep}/usr/sbin")
CONFIGURATION = REPOSITORY / "deploy" / "monitoring" / "rsyslog" / "sales_forecast.conf"
TRACE = "4bf92f3577b34da6a3ce929d0e0e4736"


class Elasticsearch(ThreadingHTTPServer):
    """Keeps what ``_bulk`` brings; as a data stream does, it takes documents by ``create`` only."""

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.bulks: list[tuple[dict[str, Any], dict[str, Any]]] = []


class _Handler(BaseHTTPRequestHandler):
    protocol_version, disable_nagle_algorithm, wbufsize = "HTTP/1.1", True, -1
    server: Elasticsearch

    def do_GET(self) -> None:
        self._answer({})

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["Content-Length"])).decode()
        assert self.path == "/_bulk", self.path
        lines = [json.loads(line) for line in body.splitlines()]
        pairs = list(zip(lines[::2], lines[1::2], strict=True))
        statuses = [201 if "create" in action and "@timestamp" in line else 400 for action, line in pairs]
        self.server.bulks += [pair for pair, status in zip(pairs, statuses, strict=True) if status == 201]
        items = [{"create": {"status": status}} for status in statuses]
        self._answer({"errors": 400 in statuses, "items": items})

    def _answer(self, content: dict[str, Any]) -> None:
        body = json.dumps(content).encode()
        self.send_response(200)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: Any) -> None:
        """Keep quiet."""


@contextlib.contextmanager
def shipping(logs: Path, folder: Path) -> Iterator[Elasticsearch]:
    """rsyslogd with the configuration of this repository, and where it ships to."""
    folder.mkdir()
    (folder / "rsyslog.conf").write_text(
        f'global(workDirectory="{folder}")\ninclude(file="{CONFIGURATION}")\n'
    )
    with Elasticsearch() as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        address = {"ELASTICSEARCH_URL": f"http://127.0.0.1:{server.server_port}"}
        login = {"ELASTICSEARCH_USER": "shipper", "ELASTICSEARCH_PASSWORD": "secret"}
        command = [str(RSYSLOGD), "-n", "-f", str(folder / "rsyslog.conf"), "-i", str(folder / "pid")]
        with (folder / "output").open("wb") as output:
            environment = os.environ | address | login | {"SALES_FORECAST_LOGS": str(logs)}
            process = subprocess.Popen(command, env=environment, stdout=output, stderr=subprocess.STDOUT)
        try:
            yield server
        finally:
            process.terminate()
            process.wait(60)
            server.shutdown()


def lines_of(logs: Path) -> list[dict[str, Any]]:
    """The JSON lines of all files; beside them there is what the service prints for people."""
    files = sorted(logs.glob("*.jsonl"))
    written = [line for file in files for line in file.read_text().splitlines()]
    return [json.loads(line) for line in written if line.startswith("{")]


@dataclass
class Shipped:
    logs: Path
    bulks: list[tuple[dict[str, Any], dict[str, Any]]] = field(default_factory=list)
    request_ids: dict[int, str] = field(default_factory=dict)

    def where(self, **wanted: Any) -> list[dict[str, Any]]:
        """Flat documents with these values; a name's dots are written as two underscores."""
        conditions = {name.replace("__", "."): value for name, value in wanted.items()}
        documents = [dict(flat(document)) for _, document in self.bulks]
        return [each for each in documents if conditions.items() <= each.items()]


@pytest.fixture(scope="module")
def shipped(copied: Callable[[Path], Project], tmp_path_factory: pytest.TempPathFactory) -> Shipped:
    """What arrives of a service, a small run and a run that fails, which write while rsyslogd reads."""
    if RSYSLOGD is None or not [*Path("/usr/lib").glob("**/rsyslog/omelasticsearch.so")]:
        pytest.skip(
            "rsyslogd or its omelasticsearch is missing: apt-get install rsyslog rsyslog-elasticsearch"
        )
    folder = tmp_path_factory.mktemp("logs")
    service, runs = copied(folder / "service"), copied(folder / "runs")
    shipped = Shipped(runs.folder / "logs")
    shipped.logs.mkdir()
    database = f"sqlite:///{folder}/shop.db"
    with (
        shipping(shipped.logs, folder / "rsyslog") as elasticsearch,
        ThreadPoolExecutor() as pool,
    ):
        small = pool.submit(runs.kedro, "run", "--namespaces", "marketing", "--pipelines", "data_processing")
        failing = pool.submit(runs.kedro, "run", "--nodes", "nowhere")
        with served(service, database, shipped.logs / "service.jsonl", answers_at="/health") as (shop, _):
            path, another_key = "/v1/turnover/forecasts", new_key(shop.engine)
            traced = shop.bearer | {"traceparent": f"00-{TRACE}-00f067aa0ba902b7-01"}
            answers = [shop.client.get(path), shop.client.get(path, headers=traced)]
            with writing(shop.engine) as connection:
                connection.execute(text("drop table api_keys"))
            answers.append(shop.client.get(path, headers={"Authorization": f"Bearer {another_key}"}))
            shipped.request_ids = {one.status_code: one.headers["X-Request-ID"] for one in answers}
        assert small.result().returncode == 0, small.result().stderr
        assert failing.result().returncode != 0
        wait_until(lambda: len(elasticsearch.bulks) >= len(lines_of(shipped.logs)))
        shipped.bulks = elasticsearch.bulks
    return shipped


def test_every_line_arrives_as_it_was_written(shipped: Shipped) -> None:
    def in_order(documents: list[dict[str, Any]]) -> list[str]:
        return sorted(json.dumps(each, sort_keys=True) for each in documents)

    arrived = [{k: v for k, v in document.items() if k != "host"} for _, document in shipped.bulks]
    assert in_order(arrived) == in_order(lines_of(shipped.logs))
    assert not (shipped.logs / "rejected.json").exists()


def test_documents_are_created_in_the_data_stream_of_their_dataset(shipped: Shipped) -> None:
    for action, document in shipped.bulks:
        assert action.keys() == {"create"}
        assert action["create"].keys() == {"_index", "_id"}  # Elasticsearch 8 refuses _type
        assert action["create"]["_index"] == f"logs-{document['event']['dataset']}-default"
    assert len({action["create"]["_id"] for action, _ in shipped.bulks}) == len(shipped.bulks)


def test_every_shipped_field_is_one_of_ecs(shipped: Shipped) -> None:
    for _, document in shipped.bulks:
        assert_ecs(document)
    early = [each for each in shipped.where() if "service.environment" not in each]
    assert all(each["event.dataset"] == "sales_forecast.pipeline" for each in early)  # before --env is read
    assert all(IN_EVERY_LINE - {"service.environment"} <= each.keys() for each in shipped.where())
    assert {each["event.dataset"].partition(".")[2] for each in shipped.where()} == {
        *("access", "service", "pipeline")
    }


def test_a_request_has_one_access_line(shipped: Shipped) -> None:
    (line,) = shipped.where(
        event__dataset="sales_forecast.access", http__request__id=shipped.request_ids[404]
    )
    assert line["http.request.method"] == "GET"
    assert line["http.response.status_code"] == 404
    assert line["url.path"] == line["labels.route"] == "/v1/turnover/forecasts"
    assert line["user.id"]
    assert line["client.address"] == "127.0.0.1"
    assert line["trace.id"] == TRACE
    assert line["service.environment"] == "local"
    assert 0 < line["event.duration"] < 60e9  # nanoseconds


def test_an_error_names_the_request_that_it_belongs_to(shipped: Shipped) -> None:
    found = shipped.where(http__request__id=shipped.request_ids[503])
    assert [each["log.level"] for each in found] == ["error", "info"]
    assert "no such table: api_keys" in found[0]["message"]
    assert found[0]["event.dataset"] == "sales_forecast.service"


def test_lines_of_a_node_tell_the_run_the_domain_and_the_data(shipped: Shipped) -> None:
    (stage,) = shipped.where(log__logger="sales_forecast.progress", labels__stage="data_processing")
    assert stage["event.duration"] > 0
    assert (stage["labels.domain"], stage["service.environment"]) == ("marketing", "local")
    assert len(stage["labels.run_id"]) == 32
    versions = {each["labels.data_version"] for each in shipped.where() if "labels.data_version" in each}
    assert [len(version) for version in versions] == [12]
    assert len({each["process.pid"] for each in shipped.where() if "labels.run_id" in each}) == 1


def test_a_run_that_fails_leaves_the_message_and_the_traceback(shipped: Shipped) -> None:
    (failure,) = shipped.where(log__logger="sales_forecast.failures")
    assert failure["log.level"] == "error"
    assert "there is no node 'nowhere'" in failure["message"]
    assert failure["error.type"] == "InputError"
    assert failure["error.message"] == failure["message"]
    assert "run_options.py" in failure["error.stack_trace"]


def test_no_file_has_colours(shipped: Shipped) -> None:
    for file in shipped.logs.glob("*.jsonl"):
        assert "\\u001b" not in file.read_text()
