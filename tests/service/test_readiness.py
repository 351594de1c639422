"""Which version serves when the champion is broken, and whether the database takes writes."""

import logging
import sqlite3
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from sqlalchemy import Engine

from sales_forecast.registry.store import Action, Event
from sales_forecast.service import model_manager, readiness
from sales_forecast.service.model_manager import LOADING, ModelManager
from sales_forecast.service.readiness import WriteProbe
from sales_forecast.storage.database import open_database, upgrade
from services import wait_until


def event(action: Action, version: str, previous: str | None) -> Event:
    return Event(action, version, previous, "ada", "2026-01-01T00:00:00Z", "why")


class FakeRegistry:
    """A registered model whose history answers a number of times, then fails once."""

    name = "sales_forecast.turnover"

    def __init__(self, champion: str, events: list[Event], fails_at: int = 0) -> None:
        self._champion, self._events, self._fails_at, self.asked = champion, events, fails_at, 0

    def champion(self) -> Any:
        return self.version(self._champion)

    def challenger(self) -> None:
        return None

    def version(self, number: str) -> Any:
        about = {"name": self.name, "version": number, "run_id": "r", "creation_timestamp": 0}
        return SimpleNamespace(**about, description="", tags={})

    def versions(self) -> list[Any]:
        return []

    def history(self) -> list[Event]:
        self.asked += 1
        if self.asked == self._fails_at:
            raise ConnectionError("MLflow is away for a moment")
        return self._events


def manager(registry: FakeRegistry, monkeypatch: pytest.MonkeyPatch, *broken: str) -> ModelManager:
    def load(_: str, found: Any, __: Any) -> Any:
        if found.version in broken:
            raise ValueError("broken")
        return SimpleNamespace(version=found.version, model_name=found.name, warm_up=lambda: None)

    monkeypatch.setitem(model_manager.LOADERS, "turnover", load)
    return ModelManager({"turnover": registry}, 0.0, "salt")  # type: ignore[dict-item]


PROMOTED = [event("promote", "1", None), event("promote", "2", "1")]
WITHDRAWN = [*PROMOTED, event("rollback", "1", "2")]
AGAIN = [*WITHDRAWN, event("promote", "2", "1"), event("promote", "3", "2")]


@pytest.mark.parametrize(
    ("champion", "events", "serves"),
    [
        ("2", PROMOTED, "version 1 serves"),
        ("1", WITHDRAWN, "no version serves"),
        ("3", AGAIN, "version 2 serves"),
        ("2", [*AGAIN, event("rollback", "2", "3")], "version 1 serves"),
    ],
    ids=["promoted", "rolled back", "promoted again", "the last but one"],
)
def test_a_broken_champion_is_replaced_by_the_last_one_that_was_not_withdrawn(
    champion: str, events: list[Event], serves: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    found = manager(FakeRegistry(champion, events), monkeypatch, champion)
    found.refresh()
    assert found.problems["turnover champion"].endswith(f"cannot be loaded: broken; {serves}")


def test_a_registry_that_fails_while_a_broken_version_is_replaced_is_asked_again(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    registry = FakeRegistry("2", PROMOTED, fails_at=2)
    found = manager(registry, monkeypatch, "2")
    thread = found.watch(0.01)
    wait_until(lambda: registry.asked > 3, 10)
    assert thread.is_alive()
    assert LOADING not in found.problems
    found.stop()


def test_models_are_watched_whatever_a_refresh_raises(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    found, tries = manager(FakeRegistry("1", PROMOTED), monkeypatch), []

    def fail() -> None:
        tries.append(1)
        raise ArithmeticError

    monkeypatch.setattr(found, "refresh", fail)
    thread = found.watch(0.01)
    wait_until(lambda: len(tries) > 1, 10)
    assert thread.is_alive()
    assert "The models cannot be refreshed" in caplog.text
    found.stop()


# --- writes ------------------------------------------------------------------------------------------


@pytest.fixture
def shop(tmp_path: Path) -> Iterator[Engine]:
    engine = open_database(f"sqlite:///{tmp_path}/shop.db")
    upgrade(engine)
    yield engine
    engine.dispose()


def test_a_database_that_is_locked_for_long_takes_no_writes(
    shop: Engine, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.ERROR)
    clock = 1000.0
    monkeypatch.setattr(readiness, "monotonic", lambda: clock)
    probe, locked = WriteProbe(shop), sqlite3.connect(tmp_path / "shop.db", isolation_level=None)
    with closing(locked):
        locked.execute("begin immediate")
        assert not WriteProbe(shop).works(), "nothing was ever written"
        locked.execute("rollback")
        assert probe.works()
        locked.execute("begin immediate")
        clock += 10
        assert probe.works(), "somebody else writes for a moment"
        clock += readiness.BUSY_SECONDS
        assert not probe.works()
        locked.execute("rollback")
        clock += 6
        assert probe.works()
    assert "The database takes no writes" in caplog.text
