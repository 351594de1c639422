"""Lambda's Runtime API on loopback, from which the real runtime client of AWS takes events."""

import json
import queue
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from uuid import uuid4

SECONDS = 120


@dataclass
class Runtime:
    """Events for one function, and what it answers."""

    address: str = ""
    """For ``AWS_LAMBDA_RUNTIME_API``."""

    events: "queue.Queue[tuple[str, bytes]]" = field(default_factory=queue.Queue)
    answers: "queue.Queue[tuple[str, Any]]" = field(default_factory=queue.Queue)

    def invoke(self, event: dict[str, Any]) -> Any:
        """Hand an event to the function, and return what it answers."""
        self.events.put((str(uuid4()), json.dumps(event).encode()))
        kind, content = self.answers.get(timeout=SECONDS)
        assert kind == "response", content
        return content


@contextmanager
def runtime_api() -> Iterator[Runtime]:
    """Serve the paths that the client calls: next, response, error and init/error."""
    runtime = Runtime()

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            number, event = runtime.events.get()
            self.send_response(200)
            headers = {
                "Content-Type": "application/json",
                "Content-Length": str(len(event)),
                "Lambda-Runtime-Aws-Request-Id": number,
                "Lambda-Runtime-Deadline-Ms": "4102444800000",
                "Lambda-Runtime-Invoked-Function-Arn": "arn:aws:lambda:eu-west-1:1:function:shop",
            }
            for name, value in headers.items():
                self.send_header(name, value)
            self.end_headers()
            self.wfile.write(event)

        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
            runtime.answers.put((self.path.rpartition("/")[2], json.loads(body)))
            self.send_response(202)
            self.send_header("Content-Length", "0")
            self.end_headers()

        def log_message(self, format: str, *args: object) -> None:
            """Print nothing."""

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        server.daemon_threads = True
        threading.Thread(target=server.serve_forever, daemon=True).start()
        runtime.address = f"127.0.0.1:{server.server_port}"
        yield runtime
        server.shutdown()
