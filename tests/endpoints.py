"""A SageMaker endpoint on loopback, which hands requests of the real client of AWS to our containers."""

import json
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import httpx

ATTRIBUTES = "X-Amzn-SageMaker-Custom-Attributes"


@contextmanager
def endpoint(variants: Mapping[str, httpx.Client], asked: list[str] | None = None) -> Iterator[str]:
    """Answer ``InvokeEndpoint`` as SageMaker does.

    Args:
        variants: Name of each production variant -> its container.
        asked: Takes the name of the variant of each request.

    Yields:
        Address, for ``AWS_ENDPOINT_URL_SAGEMAKER_RUNTIME``.
    """

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["Content-Length"]))
            name = self.headers.get("X-Amzn-SageMaker-Target-Variant") or next(iter(variants))
            if asked is not None:
                asked.append(name)
            handed_on = {each: self.headers[each] for each in ("Content-Type", "Accept", ATTRIBUTES)}
            answer = variants[name].post("/invocations", content=body, headers=handed_on)
            if answer.is_success:
                self.answer(200, answer.content, answer.headers["Content-Type"])
                return
            error = {"OriginalStatusCode": answer.status_code, "OriginalMessage": answer.text}
            error |= {"Message": f"Received client error ({answer.status_code}) from {name}"}
            self.answer(424, json.dumps(error).encode(), "application/json", "ModelError")

        def answer(self, status: int, body: bytes, form: str, error: str | None = None) -> None:
            self.send_response(status)
            self.send_header("Content-Type", form)
            self.send_header("Content-Length", str(len(body)))
            if error:
                self.send_header("x-amzn-errortype", error)
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, format: str, *args: object) -> None:
            """Print nothing."""

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{server.server_port}"
        server.shutdown()
