"""Decisions about deliveries, and what is known before the next one comes."""

from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
from sqlalchemy import Engine

from publications import WEEK, publication, rows, sold
from sales_forecast.deliveries.archive import archive_files, archived, restore_files
from sales_forecast.deliveries.delivery import (
    BY_RULE,
    DeliveredFile,
    Delivery,
    Finding,
    State,
    delivered_files,
    delivery_id,
)
from sales_forecast.deliveries.known import KnownHistory
from sales_forecast.deliveries.recorded import Recorded
from sales_forecast.errors import InputError
from sales_forecast.storage.database import writing
from sales_forecast.storage.deliveries import accept_delivery, accepted_last, find_delivery, record_delivery
from sales_forecast.storage.publications import publish

pytestmark = pytest.mark.xdist_group("database")

MONDAY = datetime(2017, 10, 2, 6, tzinfo=UTC)
TUESDAY, WEDNESDAY = MONDAY + timedelta(days=1), MONDAY + timedelta(days=2)
ZEROS = Finding(check="level", severity="hold", text="sold nothing")


def delivery(number: str, state: State = "accepted", *findings: Finding, **changes: Any) -> Delivery:
    files = {"sales": DeliveredFile(path="turnover/train.csv", sha256=number * 4)}
    return Delivery(
        id=number,
        folder="/in",
        files=files,
        findings=findings,
        state=state,
        last_week=date(2017, 9, 30),
        **changes,
    )


def record(engine: Engine, given: Delivery, at: datetime) -> None:
    with writing(engine) as connection:
        record_delivery(connection, given, at)


def newest(engine: Engine, retailer: str = "default") -> str | None:
    with engine.connect() as connection:
        return accepted_last(connection, retailer)


def test_a_delivery_is_recorded_once_however_often_it_is_read(engine: Engine) -> None:
    for at in (MONDAY, TUESDAY):
        record(engine, delivery("a1"), at)
    (row,) = rows(engine, "deliveries")
    assert (row["id"], row["at"], row["state"], row["who"]) == ("a1", MONDAY, "accepted", BY_RULE)
    assert newest(engine) == "a1"
    assert newest(engine, "harbour") is None


def test_a_held_delivery_is_used_only_after_somebody_has_accepted_it(engine: Engine) -> None:
    record(engine, delivery("a1"), MONDAY)
    record(engine, delivery("b2", "held", ZEROS), TUESDAY)
    assert newest(engine) == "a1"
    with writing(engine) as connection:
        accepted = accept_delivery(connection, "b2", WEDNESDAY, "ada", "a strike")
    assert (accepted.id, accepted.findings) == ("b2", (ZEROS,))
    assert newest(engine) == "b2"
    decided = [
        (row["state"], row["who"], row["why"]) for row in rows(engine, "deliveries") if row["id"] == "b2"
    ]
    assert decided == [("held", BY_RULE, ""), ("accepted", "ada", "a strike")]
    with engine.connect() as connection:
        assert find_delivery(connection, "b2").state == "accepted"


def test_an_accepted_delivery_that_comes_again_later_can_be_held(engine: Engine) -> None:
    record(engine, delivery("a1"), MONDAY)
    record(engine, delivery("b2"), TUESDAY)
    older = Finding(check="older delivery", severity="hold", text="ends before")
    record(engine, delivery("a1", "held", older), WEDNESDAY)
    assert newest(engine) == "b2"
    with engine.connect() as connection:
        assert find_delivery(connection, "a1").state == "held"


@pytest.mark.parametrize(
    ("number", "said"),
    [
        ("zz", "there is no delivery zz"),
        ("a1", "delivery a1 is accepted already"),
        ("c3", "delivery c3 was refused: it cannot be read"),
    ],
)
def test_what_cannot_be_accepted_is_said(engine: Engine, number: str, said: str) -> None:
    record(engine, delivery("a1"), MONDAY)
    record(engine, delivery("c3", "refused", ZEROS), TUESDAY)
    with writing(engine) as connection, pytest.raises(InputError, match=said):
        accept_delivery(connection, number, WEDNESDAY, "ada", "please")


def test_what_is_known_is_what_was_recorded_and_what_serves(engine: Engine, database_url: str) -> None:
    recorded = Recorded(database_url)
    assert recorded.known_history("default").digests == {}
    publish(engine, publication(weekly_turnover=sold(1.0, 2.0, 3.0)), MONDAY)
    record(engine, delivery("a1"), TUESDAY)
    known = recorded.known_history("default")
    weeks = [WEEK - pd.Timedelta(weeks=weeks) for weeks in (3, 2, 1)]
    assert sorted(known.digests) == weeks
    assert (known.values_known, known.accepted) == (3, "a1")
    assert set(known.forecasts["week"]) == {WEEK}
    assert known.forecasts.set_index("store")["forecast"]["1"] == 100.0
    again = sold(1.0, 2.5, 3.0).astype({"store": str, "department": str})
    assert known.differing(again) == [weeks[1]]
    (value,) = known.values([weeks[1]])["turnover"]
    assert value == 2.0
    assert recorded.known_history("harbour").digests == {}


def test_without_a_history_nothing_differs() -> None:
    assert KnownHistory().differing(sold(1.0)) == []
    assert KnownHistory().values([]).empty


# --- the archive ---------------------------------------------------------------------------------------


@pytest.fixture
def files(tmp_path: Any) -> dict[str, DeliveredFile]:
    import hashlib

    contents = {"sales": ("turnover/train.csv.gz", b"a,b\n1,2\n"), "stores": ("stores.csv", b"s\n1\n")}
    for path, content in contents.values():
        target = tmp_path / "in" / path
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_bytes(content)
    hashes = {name: hashlib.sha256(content).hexdigest() for name, (_, content) in contents.items()}
    return delivered_files(
        hashes, {name: path for name, (path, _) in contents.items()} | {"forecast_index": None}
    )


@pytest.mark.parametrize("scheme", ["", "file://", "memory://"])
def test_raw_files_are_kept_once_under_their_content_and_come_back(
    tmp_path: Any, files: dict[str, DeliveredFile], scheme: str
) -> None:
    archive = f"{scheme}{tmp_path}/archive"
    assert archive_files(archive, str(tmp_path / "in"), files) == 2
    assert archive_files(archive, str(tmp_path / "in"), files) == 0
    restore_files(archive, files, tmp_path / "out")
    for file in files.values():
        assert (tmp_path / "out" / file.path).read_bytes() == (tmp_path / "in" / file.path).read_bytes()


def test_a_file_that_was_damaged_or_removed_is_not_taken_for_the_delivered_one(
    tmp_path: Any, files: dict[str, DeliveredFile]
) -> None:
    archive = f"{tmp_path}/archive"
    archive_files(archive, str(tmp_path / "in"), files)
    place = Path(archived(archive, files["sales"]))
    assert place.name.endswith(".csv.gz")
    place.write_bytes(b"other")
    with pytest.raises(InputError, match="has another content than its name says"):
        restore_files(archive, files, tmp_path / "out")
    assert archive_files(archive, str(tmp_path / "in"), files) == 1, "the same files again mend it"
    restore_files(archive, files, tmp_path / "out")
    place.unlink()
    with pytest.raises(InputError, match="the archive lacks sales of that delivery"):
        restore_files(archive, files, tmp_path / "out")


def test_an_archive_that_cannot_be_written_keeps_no_parts(
    tmp_path: Any, files: dict[str, DeliveredFile], monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(self: Path, target: Path) -> None:
        raise OSError(28, "No space left on device", target)

    monkeypatch.setattr(Path, "replace", full)
    with pytest.raises(OSError, match="No space left"):
        archive_files(f"{tmp_path}/archive", str(tmp_path / "in"), files)
    assert [file for file in (tmp_path / "archive").rglob("*") if file.is_file()] == []


@pytest.mark.parametrize("place", ["abfs://shop/archive", "nowhere://shop/archive"])
def test_an_archive_that_needs_a_package_names_it(place: str, files: dict[str, DeliveredFile]) -> None:
    with pytest.raises(InputError, match=rf"{place}.* cannot be opened: .* s3:// needs s3fs"):
        archive_files(place, "/in", files)


def test_equal_files_are_one_delivery_and_a_changed_one_is_another(files: dict[str, DeliveredFile]) -> None:
    moved = {name: file.model_copy(update={"path": "elsewhere.csv"}) for name, file in files.items()}
    changed = files | {"stores": files["stores"].model_copy(update={"sha256": "0" * 64})}
    assert delivery_id(files) == delivery_id(moved) != delivery_id(changed)
    assert len(delivery_id(files)) == 12


def test_what_was_forecast_a_week_before_each_week_is_found(engine: Engine, database_url: str) -> None:
    """Of several publications of a week the newest one that is not withdrawn counts."""
    last = WEEK.date()
    before = last - timedelta(weeks=1)
    for hour, first in enumerate((100.0, 110.0)):
        publish(engine, publication(first, cutoff=before), MONDAY + timedelta(hours=hour))
    publish(engine, publication(120.0, cutoff=last), TUESDAY)
    found = Recorded(database_url).week_ahead_forecasts(last, "default", 8)
    assert found.set_index("store")["forecast"]["1"] == 110.0
    assert set(found["week"]) == {WEEK}
    assert Recorded(database_url).week_ahead_forecasts(before, "default", 8).empty


def test_a_restated_week_is_compared_with_what_was_published_last_before_it_was_known(
    engine: Engine, database_url: str
) -> None:
    """Also if that was some weeks before, because several weeks came at once."""
    for weeks, first in ((3, 90.0), (2, 100.0), (0, 120.0)):
        publish(engine, publication(first, cutoff=WEEK.date() - timedelta(weeks=weeks)), MONDAY)
    known = Recorded(database_url).known_history("default")
    found = known.past_forecasts([WEEK])
    assert found.set_index("store")["forecast"]["1"] == 100.0
    assert set(found["week"]) == {WEEK}
    assert known.past_forecasts([WEEK - timedelta(weeks=9)]).empty
    assert KnownHistory().past_forecasts([WEEK]).empty
