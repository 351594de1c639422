"""Prints what Alertmanager sends, in place of a chat or a pager: ``python deploy/monitoring/receiver.py``."""

from __future__ import annotations

import json
import sys
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

PORT = 8099
"""The port of the webhooks in alertmanager.yml."""


class Receiver(BaseHTTPRequestHandler):
    """Answers each webhook with 200, after printing its alerts."""

    def do_POST(self) -> None:
        """Print one line for each alert, and where to read on."""
        message = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        for alert in message["alerts"]:
            told = alert["annotations"]
            print(f"{self.path[1:]}: {alert['status']}: {alert['labels']['alertname']}: {told['summary']}")
            print(f"  {told['description']}\n  {told['runbook']}", flush=True)
        self.send_response(200)
        self.end_headers()

    def log_message(self, format: str, *args: object) -> None:
        """Print nothing beside the alerts."""


if __name__ == "__main__":
    port = int(sys.argv[1]) if len(sys.argv) > 1 else PORT
    ThreadingHTTPServer(("127.0.0.1", port), Receiver).serve_forever()
