"""Who calls the service under load; ``benchmarks.load`` has locust read this file.

A caller asks at an even pace, however long the answer takes, so many callers are so many requests a second.
Each begins at a random moment of its pace: all at once would be a queue of our own making.
"""

from __future__ import annotations

import json
import os
import random
from pathlib import Path
from time import monotonic
from typing import Any

import gevent
from locust import FastHttpUser, events, task

PLAN: dict[str, Any] = json.loads(Path(os.environ["LOAD_PLAN"]).read_text())
"""``key, series, weeks`` to ask with and about, ``pace`` by caller, and a file for the ``answers``."""

HEADERS = {"Authorization": f"Bearer {PLAN['key']}"}

answers: list[tuple[str, float, str | None]] = []
"""Who asked, milliseconds, and what went wrong."""


def _note(name: str, response_time: float, exception: Exception | None, **_: Any) -> None:
    answers.append((name, response_time, repr(exception) if exception else None))


def _write(**_: Any) -> None:
    Path(PLAN["answers"]).write_text(json.dumps(answers))


events.request.add_listener(_note)
events.quitting.add_listener(_write)


class Caller(FastHttpUser):
    """Somebody with a key."""

    abstract = True

    def on_start(self) -> None:
        """Begin at some moment."""
        gevent.sleep(random.uniform(0, PLAN["pace"][type(self).__name__]))
        self._due = monotonic()

    def wait_time(self) -> float:
        """Until the next question; none if the last answer took too long."""
        self._due += PLAN["pace"][type(self).__name__]
        return max(0.0, self._due - monotonic())

    def ask(self, series: list[dict[str, Any]]) -> None:
        """Have series predicted."""
        name = type(self).__name__
        self.client.post("/v1/turnover/predict", json={"series": series}, headers=HEADERS, name=name)


def _some(count: int) -> list[dict[str, Any]]:
    chosen = random.sample(PLAN["series"], min(count, len(PLAN["series"])))
    return [{"store": store, "department": department} for store, department in chosen]


class StoredForecasts(Caller):
    """Reads the stored forecasts of one series."""

    @task
    def read(self) -> None:
        """Any of them."""
        (one,) = _some(1)
        self.client.get("/v1/turnover/forecasts", params=one, headers=HEADERS, name=type(self).__name__)


class OneSeries(Caller):
    """Has one series predicted."""

    @task
    def predict(self) -> None:
        """Any of them."""
        self.ask(_some(1))


class HundredSeries(Caller):
    """Has 100 series predicted."""

    @task
    def predict(self) -> None:
        """Any of them; all, where there are fewer."""
        self.ask(_some(100))


class NewStore(Caller):
    """Has a store predicted that the model does not know, from weeks of its own."""

    @task
    def predict(self) -> None:
        """One department."""
        (one,) = _some(1)
        weeks = [{"week": week, "turnover": random.uniform(50, 500)} for week in PLAN["weeks"]]
        self.ask([one | {"store": "999999", "place": {"postcode": "59000"}, "recent_weeks": weeks}])
