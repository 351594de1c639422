"""Users of the service under load, as locust simulates them; ``benchmarks.load`` passes this file to it.

A user sends requests at an even pace, however long the response takes, so that the number of users gives the
requests per second. Each begins at a random moment of its pace: users that begin together would queue.
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
"""``keys``, ``series`` and ``weeks`` of requests, ``pace`` by class of user, and a file for ``responses``."""

responses: list[tuple[str, float, str | None]] = []
"""Class of user, milliseconds, and the error, if any."""


def _note(name: str, response_time: float, exception: Exception | None, **_: Any) -> None:
    responses.append((name, response_time, repr(exception) if exception else None))


def _write(**_: Any) -> None:
    Path(PLAN["responses"]).write_text(json.dumps(responses))


events.request.add_listener(_note)
events.quitting.add_listener(_write)


class ApiUser(FastHttpUser):
    """A user with an API key."""

    abstract = True

    def on_start(self) -> None:
        """Begin at a random moment, with one of the keys."""
        self.key = {"Authorization": f"Bearer {random.choice(PLAN['keys'])}"}
        gevent.sleep(random.uniform(0, PLAN["pace"][type(self).__name__]))
        self._due = monotonic()

    def wait_time(self) -> float:
        """Seconds until the next request; none if the last response took too long."""
        self._due += PLAN["pace"][type(self).__name__]
        return max(0.0, self._due - monotonic())

    def predict_series(self, series: list[dict[str, Any]]) -> None:
        """Request predictions of some series."""
        name = type(self).__name__
        self.client.post("/v1/turnover/predict", json={"series": series}, headers=self.key, name=name)


def _some(count: int) -> list[dict[str, Any]]:
    drawn = random.sample(PLAN["series"], min(count, len(PLAN["series"])))
    return [{"store": store, "department": department} for store, department in drawn]


class StoredForecasts(ApiUser):
    """Reads the stored forecasts of one series."""

    @task
    def read(self) -> None:
        """Choose a series at random."""
        (one,) = _some(1)
        self.client.get("/v1/turnover/forecasts", params=one, headers=self.key, name=type(self).__name__)


class OneSeries(ApiUser):
    """Requests predictions of one series."""

    @task
    def predict(self) -> None:
        """Choose a series at random."""
        self.predict_series(_some(1))


class HundredSeries(ApiUser):
    """Requests predictions of 100 series."""

    @task
    def predict(self) -> None:
        """Choose 100 series at random, or all where there are fewer."""
        self.predict_series(_some(100))


class NewStore(ApiUser):
    """Requests predictions of a store that the model does not know, with recent weeks of its own."""

    @task
    def predict(self) -> None:
        """Choose a department at random."""
        (one,) = _some(1)
        weeks = [{"week": week, "turnover": random.uniform(50, 500)} for week in PLAN["weeks"]]
        self.predict_series(
            [one | {"store": "999999", "place": {"postcode": "59000"}, "recent_weeks": weeks}]
        )
