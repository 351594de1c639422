"""Numbers that are no longer kept go in short transactions, and the ledger says so before they do."""

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from mlflow import MlflowClient
from sqlalchemy import Engine

from publications import forecasts, publication, rows
from sales_forecast.pipelines.retention import Kept, RetentionParams, find_removals
from sales_forecast.storage.database import open_database, upgrade
from sales_forecast.storage.ledger import verify
from sales_forecast.storage.publications import publish

MONDAY = datetime(2017, 10, 2, 6, tzinfo=UTC)


@pytest.fixture
def shop(tmp_path: Path) -> Engine:
    """Two publications, of which the second one serves."""
    engine = open_database(f"sqlite:///{tmp_path}/shop.db")
    upgrade(engine)
    for day, first in enumerate((100.0, 200.0)):
        publish(engine, publication(first), MONDAY + timedelta(days=day))
    return engine


@contextmanager
def numbers_to_remove(engine: Engine, folder: Path) -> Iterator[list[str]]:
    """What retention finds where only numbers are limited; removed at the end."""
    client = MlflowClient(f"sqlite:///{folder}/mlflow.db")
    none = dict.fromkeys(RetentionParams.model_fields)
    params = RetentionParams(**none | {"ledger_days": 0})
    with engine.connect() as connection:
        kept = Kept(engine, connection, client, str(folder), str(folder), params, datetime.now(UTC))
        removals = list(find_removals(kept))
    yield [f"{removal.kind} {removal.name}" for removal in removals]
    for removal in removals:
        removal.remove()


def proved(engine: Engine) -> tuple[int, tuple[str, ...]]:
    with engine.connect() as connection:
        found = verify(connection)
    return found.without_numbers, found.broken


def test_old_numbers_go_and_those_that_serve_stay(
    shop: Engine, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("sales_forecast.storage.chunks.ROWS_AT_A_TIME", 2)
    monkeypatch.setattr("sales_forecast.storage.chunks.PAUSE_SECONDS", 0)
    with numbers_to_remove(shop, tmp_path) as found:
        assert found == ["numbers of a publication 1"]
    assert {row["run"] for row in rows(shop, "forecasts")} == {2}
    assert proved(shop) == (1, ())
    with numbers_to_remove(shop, tmp_path) as found:
        assert found == []


def test_a_removal_that_was_killed_is_told_and_finished(
    shop: Engine, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def kill(_: Engine) -> None:
        raise ArithmeticError

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("sales_forecast.storage.chunks.ROWS_AT_A_TIME", 2)
        patch.setattr("sales_forecast.storage.chunks.give_way", kill)
        with pytest.raises(ArithmeticError), numbers_to_remove(shop, tmp_path):
            pass
    assert 0 < sum(row["run"] == 1 for row in rows(shop, "forecasts")) < len(forecasts())
    (said,) = proved(shop)[1]
    assert said.endswith("'retention' has removed some of its numbers only; let it run again")
    with numbers_to_remove(shop, tmp_path) as found:
        assert found == ["numbers of a publication 1"]
    assert proved(shop) == (1, ())
