"""The audit log proves itself: what was changed, deleted or inserted is named; on SQLite and on PostgreSQL."""

import tracemalloc
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from itertools import pairwise

import pytest
from sqlalchemy import Engine, event, func, insert, select, text

from sales_forecast.storage.audit import AuditRecord
from sales_forecast.storage.audit_chain import AuditChain, Signer, link, opening, seal
from sales_forecast.storage.audit_purge import purge
from sales_forecast.storage.audit_verify import Proof, verify
from sales_forecast.storage.database import write_engine, writing
from sales_forecast.storage.schema import audit_log, audit_writers

pytestmark = pytest.mark.xdist_group("database")

NOON = datetime(2026, 3, 2, 12, tzinfo=UTC)
KEYS = ["", "a key of our own"]


def answers(first: int, last: int, prefix: str = "r") -> list[AuditRecord]:
    """One record for each number; one an hour, with contents that a detour through text may change."""
    content = {"series": [{"store": "é", "weeks": [1, 2.0, 1e-300, 0.1 + 0.2]}], "none": None}
    return [
        AuditRecord(
            f"{prefix}{number}",
            "champion",
            NOON + timedelta(hours=number, microseconds=number),
            "k",
            "/v1/turnover/predict",
            "blend",
            "1",
            content,
            [[{"forecast": number / 3, "week": NOON}]],
            None,
            1.5,
        )
        for number in range(first, last + 1)
    ]


def written(
    engine: Engine, key: str = "", count: int = 5, prefix: str = "r", name: str = "service"
) -> AuditChain:
    """What one process records: each record but the first two in a transaction of its own."""
    chain = AuditChain(Signer(key), name)
    chain.write(engine, answers(1, 2, prefix))
    for number in range(3, count + 1):
        chain.write(engine, answers(number, number, prefix))
    return chain


def proved(engine: Engine, *keys: str, until: datetime | None = None) -> Proof:
    return verify(engine, [Signer(key) for key in keys or [""]], until)


def change(engine: Engine, statement: str) -> None:
    with writing(engine) as connection:
        assert connection.execute(text(statement)).rowcount == 1


@pytest.mark.parametrize("key", KEYS)
def test_records_that_nobody_has_touched_are_proved(engine: Engine, key: str) -> None:
    written(engine, key)
    written(engine, key, prefix="s")
    found = proved(engine, key)
    assert (found.count, found.records, found.writers) == (0, 10, 2)
    assert found.unsigned == (0 if key else 10)


CHANGES = {
    "an output": """update audit_log set output = '[[{"forecast": 2}]]' where request_id = 'r3'""",
    "an input": "update audit_log set input = '{}' where request_id = 'r3'",
    "a time": "update audit_log set at = '2026-03-02 13:00:00' where request_id = 'r3'",
    "a key": "update audit_log set key_id = 'another' where request_id = 'r3'",
    "a version": "update audit_log set model_version = '2' where request_id = 'r3'",
    "a kind": "update audit_log set kind = 'purge' where request_id = 'r3'",
}


@pytest.mark.parametrize("what", CHANGES)
def test_a_record_that_was_changed_is_the_one_that_is_named(engine: Engine, what: str) -> None:
    written(engine)
    change(engine, CHANGES[what])
    (problem,) = proved(engine).problems
    assert problem.startswith("the record of request r3 (champion, 2026-03-02 1")
    assert "was changed" in problem


@pytest.mark.parametrize(
    ("number", "said"),
    [
        (1, "record 1 of writer"),
        (3, "record 3 of writer"),
        (5, "record 5, the newest, of writer"),
    ],
)
def test_a_record_that_was_deleted_is_missed(engine: Engine, number: int, said: str) -> None:
    written(engine)
    change(engine, f"delete from audit_log where number = {number}")
    (problem,) = proved(engine).problems
    assert problem.startswith(said)
    assert "is missing" in problem


def test_all_records_of_a_writer_and_the_writer_itself_are_missed(engine: Engine) -> None:
    for prefix in ("r", "s", "t"):
        written(engine, "ours", prefix=prefix)
    with writing(engine) as connection:
        second = select(audit_writers.c.writer).where(audit_writers.c.place == 2).scalar_subquery()
        connection.execute(audit_log.delete().where(audit_log.c.writer == second))
        connection.execute(audit_writers.delete().where(audit_writers.c.place == 2))
    (problem,) = proved(engine, "ours").problems
    assert "does not follow the writer before it" in problem


@pytest.mark.parametrize(
    "link",
    [
        {"writer": None, "number": None},
        {"number": 6},
        {"writer": "of nobody", "number": 1},
    ],
    ids=["without a link", "after the newest", "of an unknown writer"],
)
def test_a_record_that_was_inserted_is_named(engine: Engine, link: dict[str, object]) -> None:
    writer = written(engine).head
    assert writer is not None
    row = vars(answers(9, 9, "forged")[0]) | {"writer": writer.writer, "digest": "0" * 64}
    row["at"] = datetime.now(UTC)
    with writing(engine) as connection:
        connection.execute(insert(audit_log), row | link)
    (problem,) = proved(engine).problems
    assert "the record of request forged9" in problem
    assert "inserted" in problem or "not in audit_writers" in problem


def test_who_has_no_key_cannot_write_the_chain_anew(engine: Engine) -> None:
    """The newest record is deleted, and the writer's head set to the one before; or all is written again."""
    head = written(engine, "ours").head
    assert head is not None
    with writing(engine) as connection:
        connection.execute(audit_log.delete().where(audit_log.c.number == 5))
        before = select(audit_log.c.digest).where(audit_log.c.number == 4).scalar_subquery()
        forged = Signer().digest("head", head.writer, 4, "x")
        connection.execute(audit_writers.update().values(number=4, digest=before, seal=forged))
    (problem,) = proved(engine, "ours").problems
    assert "its newest record was changed in audit_writers" in problem


def test_a_log_witnesses_what_the_database_cannot_prove(engine: Engine) -> None:
    """Who has the key deletes the newest writer and all that it has written."""
    written(engine, prefix="s")
    head = written(engine).head
    assert head is not None
    said = f'{{"message": "Audit log: record 5 of writer {head.writer} has the digest {head.digest}"}}'
    asked = f'{{"message": "GET /record 1 of writer {"a" * 32} has the digest {"b" * 64} 404"}}'
    found = verify(engine, [Signer()], witnesses=["another line", asked, said])
    assert (found.count, found.witnessed) == (0, 1)
    with writing(engine) as connection:
        connection.execute(audit_log.delete().where(audit_log.c.writer == head.writer))
        connection.execute(audit_writers.delete().where(audit_writers.c.writer == head.writer))
    assert proved(engine).count == 0
    (problem,) = verify(engine, [Signer()], witnesses=[said]).problems
    assert problem == f"record 5 of writer {head.writer}, which that writer has told of, is gone"


def test_chains_without_a_key_or_with_another_one_are_named_once_there_was_a_key(engine: Engine) -> None:
    written(engine, "")
    written(engine, "first", prefix="s")
    written(engine, "second", prefix="t")
    later = NOON + timedelta(hours=5, minutes=1)
    assert proved(engine, "second", "first", until=later).count == 0
    (problem,) = proved(engine, "second", until=later).problems
    assert "signed with a key that is not configured here" in problem
    written(engine, "", prefix="u")
    (problem,) = proved(engine, "second", "first", until=later).problems
    assert "is not signed, although earlier ones are" in problem


def write_anew(engine: Engine, forged: str) -> None:
    """Compute all links again without a key, after one record was changed."""
    nobody = Signer()
    with writing(engine) as connection:
        writer = dict(connection.execute(select(audit_writers)).mappings().one())
        writer["key_mark"] = writer["purged_mark"] = ""
        writer["opened"] = digest = opening(nobody, "", writer)
        for row in connection.execute(select(audit_log).order_by(audit_log.c.number)).mappings().all():
            changed = dict(row) | ({"output": ["forged"]} if row["request_id"] == forged else {})
            changed["digest"] = digest = link(nobody, digest, writer["writer"], row["number"], changed)
            connection.execute(audit_log.update().where(audit_log.c.number == row["number"]).values(changed))
        writer |= {"digest": digest, "purged_digest": writer["opened"]}
        writer["seal"] = seal(nobody, "head", writer["writer"], writer["number"], digest)
        writer["purged_seal"] = seal(nobody, "purged", writer["writer"], 0, writer["opened"])
        connection.execute(audit_writers.update().values(writer))


def test_where_there_is_a_key_a_log_that_was_written_anew_without_one_is_named(engine: Engine) -> None:
    written(engine, "ours")
    write_anew(engine, "r3")
    assert proved(engine).count == 0, "without a key nobody can tell"
    (problem,) = proved(engine, "ours").problems
    assert problem.startswith("5 record(s) are not signed")
    assert "--unproved-until" in problem
    before_the_key = NOON + timedelta(hours=2, minutes=1)
    assert "3 record(s) are not signed" in proved(engine, "ours", until=before_the_key).problems[0]
    assert proved(engine, "ours", until=NOON + timedelta(hours=6)).count == 0


def test_where_there_is_a_key_a_record_without_a_link_is_named_whatever_its_time(engine: Engine) -> None:
    written(engine, "ours")
    with writing(engine) as connection:
        connection.execute(insert(audit_log), vars(answers(-90, -90, "forged")[0]))
    (problem,) = proved(engine, "ours").problems
    assert problem.startswith("1 record(s) have no link")
    assert proved(engine, "ours", until=NOON).count == 0


def test_a_purge_without_the_key_of_the_chain_is_named(engine: Engine) -> None:
    head = written(engine, "ours").head
    assert head is not None
    with writing(engine) as connection:
        connection.execute(audit_log.delete().where(audit_log.c.number <= 3))
        digest = connection.execute(select(audit_log.c.digest).where(audit_log.c.number == 4)).scalar_one()
        connection.execute(audit_log.delete().where(audit_log.c.number == 4))
        stub = {"purged_number": 4, "purged_digest": digest, "purged_mark": ""}
        stub["purged_seal"] = seal(Signer(), "purged", head.writer, 4, digest)
        connection.execute(audit_writers.update().values(stub))
    (problem,) = proved(engine, "ours").problems
    assert problem.endswith("is signed, but which of its records were purged is not")


def test_records_from_before_the_chain_are_counted(engine: Engine) -> None:
    with writing(engine) as connection:
        connection.execute(insert(audit_log), [vars(one) for one in answers(1, 3, "old")])
    written(engine)
    found = proved(engine)
    assert (found.count, found.unlinked, found.records) == (0, 3, 8)


def test_a_writer_whose_newest_record_is_not_its_own_begins_another_chain(engine: Engine) -> None:
    """As after an answer that was lost on its way from the database."""
    chain = written(engine)
    with writing(engine) as connection:
        chain.append(connection, answers(6, 6))  # committed, but the writer never learns of it
    chain.write(engine, answers(7, 7))
    found = proved(engine)
    assert (found.count, found.records, found.writers) == (0, 8, 2)


def test_a_writer_whose_newest_records_were_removed_says_what_they_were(engine: Engine) -> None:
    """Somebody without the key puts back the row of the writer as it was after its third record."""
    chain = written(engine, "ours", count=3)
    with engine.connect() as connection:
        earlier = dict(connection.execute(select(audit_writers)).mappings().one())
    chain.write(engine, answers(4, 7))
    head = chain.head
    assert head is not None
    with writing(engine) as connection:
        connection.execute(audit_log.delete().where(audit_log.c.number > 3))
        connection.execute(audit_writers.update().values(earlier))
    assert proved(engine, "ours").count == 0, "before the process writes again, only its log tells"
    chain.write(engine, answers(8, 8))
    found = proved(engine, "ours")
    assert found.problems == [f"record 7 of writer {head.writer}, which that writer has told of, is gone"]
    assert (found.records, found.writers, found.unsigned) == (5, 2, 0)
    purged(engine, NOON + timedelta(days=9), "ours")
    assert proved(engine, "ours").count == 1, "the record of it is newer than what is purged"


def test_records_that_are_rolled_back_leave_no_gap(engine: Engine) -> None:
    chain = written(engine)
    with write_engine(engine).connect() as connection:
        chain.append(connection, answers(6, 6))
        connection.rollback()
    chain.write(engine, answers(7, 7))
    found = proved(engine)
    assert (found.count, found.records, found.writers) == (0, 6, 1)


# --- purges --------------------------------------------------------------------------------------------


def purged(engine: Engine, before: datetime, key: str = "") -> int:
    return purge(engine, before, Signer(key), AuditChain(Signer(key), "command line"), {"account": "ada"})


def requests(engine: Engine) -> Sequence[str]:
    query = select(audit_log.c.request_id).where(audit_log.c.kind == "answer").order_by(audit_log.c.at)
    with engine.connect() as connection:
        return connection.execute(query).scalars().all()


@pytest.mark.parametrize("key", KEYS)
def test_what_a_purge_leaves_is_proved_and_the_purge_on_record(engine: Engine, key: str) -> None:
    chain = written(engine, key)
    assert purged(engine, NOON + timedelta(hours=3, minutes=30), key) == 3
    assert requests(engine) == ["r4", "r5"]
    chain.write(engine, answers(6, 6))
    found = proved(engine, key)
    assert (found.count, found.records) == (0, 5)
    with engine.connect() as connection:
        events = connection.execute(select(audit_log).where(audit_log.c.kind == "purge")).mappings().all()
    assert {"deleted": 3} in [row["output"] for row in events]
    assert {row["input"]["account"] for row in events} == {"ada"}
    assert purged(engine, NOON + timedelta(days=1), key) == 3
    assert proved(engine, key).count == 0
    change(engine, "update audit_writers set purged_number = 2 where place = 1")
    assert "which of its records were purged was changed" in proved(engine, key).problems[0]


def test_a_purge_deletes_some_rows_in_each_transaction(
    engine: Engine, monkeypatch: pytest.MonkeyPatch
) -> None:
    for module in ("chunks", "audit_purge"):
        monkeypatch.setattr(f"sales_forecast.storage.{module}.ROWS_AT_A_TIME", 10)
    monkeypatch.setattr("sales_forecast.storage.chunks.PAUSE_SECONDS", 0)
    with writing(engine) as connection:
        connection.execute(insert(audit_log), [vars(one) for one in answers(1, 25, "old")])
    AuditChain(Signer(), "service").write(engine, answers(1, 45))
    left: list[int] = []

    @event.listens_for(engine, "commit")
    def count(connection: object) -> None:
        left.append(connection.execute(select(func.count()).select_from(audit_log)).scalar_one())  # type: ignore[attr-defined]

    assert purged(engine, NOON + timedelta(days=9)) == 70
    steps = [before - after for before, after in pairwise(left) if after < before]
    assert max(steps) == 10
    assert sum(steps) == 70
    assert proved(engine).count == 0


def test_a_purge_that_was_killed_leaves_a_chain_that_is_proved(
    engine: Engine, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("sales_forecast.storage.audit_purge.ROWS_AT_A_TIME", 2)

    def kill(_: Engine) -> None:
        raise ArithmeticError

    monkeypatch.setattr("sales_forecast.storage.audit_purge.give_way", kill)
    written(engine)
    with pytest.raises(ArithmeticError):
        purged(engine, NOON + timedelta(days=9))
    assert requests(engine) == ["r3", "r4", "r5"]
    assert proved(engine).count == 0


def test_a_large_log_is_proved_in_little_memory(engine: Engine) -> None:
    chain = AuditChain(Signer(), "service")
    for first in range(1, 6001, 1000):
        chain.write(engine, answers(first, first + 999))
    tracemalloc.start()
    try:
        assert proved(engine).records == 6000
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert peak < 12e6, "a thousand records at a time, not all of them"
