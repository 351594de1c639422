"""A headless Chromium that lays out a page as a screen of a given width would, through its own protocol."""

import base64
import itertools
import json
import shutil
import subprocess
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from websockets.sync.client import connect

CHROMIUM = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)
NEEDS_CHROMIUM = pytest.mark.skipif(
    CHROMIUM is None, reason="no Chromium on PATH. On Debian or Ubuntu: apt-get install chromium"
)
QUIET = (
    *("--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run"),
    *("--disable-background-networking", "--disable-component-update", "--disable-sync"),
    *("--disable-dev-shm-usage", "--remote-debugging-port=0"),
)


class Tab:
    """One tab of the browser."""

    def __init__(self, call: Callable[..., dict[str, Any]], events: list[dict[str, Any]]) -> None:
        self._call, self._events = call, events

    def open(
        self, page: Path | str, width: int, *, height: int = 900, dark: bool = False, media: str = ""
    ) -> None:
        """Load a file or an address as a screen of that width shows it; return when it is laid out.

        ``media="print"`` shows it as on paper of that width.
        """
        address = page if isinstance(page, str) else page.absolute().as_uri()
        phone = width < 600
        scheme = {"name": "prefers-color-scheme", "value": "dark" if dark else "light"}
        self._call("Emulation.setEmulatedMedia", media=media, features=[scheme])
        self._call(
            "Emulation.setDeviceMetricsOverride",
            **{"width": width, "height": height, "deviceScaleFactor": 1, "mobile": phone},
        )
        self._call("Page.navigate", url=address)
        while self.ask("location.href") != address:
            time.sleep(0.02)
        self.wait()

    def wait(self) -> None:
        """Wait until the page is laid out."""
        wait = "new Promise(done => {const poll = () => document.readyState === 'complete' "
        wait += "? requestAnimationFrame(() => setTimeout(done, 50)) : setTimeout(poll, 20); poll()})"
        self.ask(wait)

    def listen(self) -> None:
        """Keep what pages ask for and complain about from now on."""
        for domain in ("Network", "Log", "Runtime"):
            self._call(f"{domain}.enable")

    def requests(self) -> list[str]:
        """Addresses that pages have asked for."""
        self.ask("0")  # reads what is waiting
        sent = [each["params"] for each in self._events if each["method"] == "Network.requestWillBeSent"]
        return [params["request"]["url"] for params in sent]

    def complaints(self) -> list[Any]:
        """Errors and warnings in the console, and errors that nothing has caught."""
        self.ask("0")
        kinds = ("Log.entryAdded", "Runtime.consoleAPICalled", "Runtime.exceptionThrown")
        return [each["params"] for each in self._events if each["method"] in kinds]

    def ask(self, expression: str) -> Any:
        """Evaluate JavaScript in the page."""
        answer = self._call("Runtime.evaluate", expression=expression, returnByValue=True, awaitPromise=True)
        assert "exceptionDetails" not in answer, answer["exceptionDetails"]
        return answer["result"].get("value")

    def picture(self, path: Path) -> None:
        """Write the whole page as a PNG file."""
        shot = self._call("Page.captureScreenshot", captureBeyondViewport=True)
        path.write_bytes(base64.b64decode(shot["data"]))


@contextmanager
def browser() -> Iterator[Tab]:
    """Start Chromium with a profile of its own, and end it."""
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as profile:
        process = subprocess.Popen(
            [str(CHROMIUM), *QUIET, f"--user-data-dir={profile}", "about:blank"],
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        try:
            port, path = _address(Path(profile) / "DevToolsActivePort")
            with connect(f"ws://127.0.0.1:{port}{path}", max_size=None) as socket:
                yield Tab(*_attached(socket))
        finally:
            process.terminate()
            process.wait(20)


def _address(file: Path) -> tuple[str, str]:
    deadline = time.monotonic() + 60
    while not (file.exists() and file.read_text().count("\n")):
        assert time.monotonic() < deadline, "Chromium did not start within a minute"
        time.sleep(0.05)
    port, path = file.read_text().split("\n")[:2]
    return port, path


def _attached(socket: Any) -> tuple[Callable[..., dict[str, Any]], list[dict[str, Any]]]:
    numbers, events = itertools.count(1), []

    def call(method: str, session: str | None = None, **params: Any) -> dict[str, Any]:
        number = next(numbers)
        named = {"id": number, "method": method, "params": params}
        socket.send(json.dumps(named | ({"sessionId": session} if session else {})))
        while (answer := json.loads(socket.recv(timeout=60))).get("id") != number:
            events.append(answer)
        assert "error" not in answer, answer
        result: dict[str, Any] = answer["result"]
        return result

    target = call("Target.createTarget", url="about:blank")["targetId"]
    session = call("Target.attachToTarget", targetId=target, flatten=True)["sessionId"]
    return lambda method, **params: call(method, session, **params), events
