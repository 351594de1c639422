"""Backups: what was backed up is back, whole or not at all; on SQLite and on a real PostgreSQL."""

import os
import sqlite3
import stat
from collections.abc import Callable, Iterator
from contextlib import closing
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from alembic import command
from sqlalchemy import Engine, inspect, text
from typer.testing import CliRunner, Result

from publications import everything, publication, rows
from sales_forecast.errors import InputError
from sales_forecast.storage import backup as backups
from sales_forecast.storage import cli, db_cli
from sales_forecast.storage.audit_chain import Signer
from sales_forecast.storage.audit_verify import verify
from sales_forecast.storage.chunks import free_space
from sales_forecast.storage.database import configuration, database_errors, open_database, upgrade, writing
from sales_forecast.storage.publications import publish

pytestmark = pytest.mark.xdist_group("database")

MONDAY = datetime(2017, 10, 2, 6, tzinfo=UTC)


def configure(monkeypatch: pytest.MonkeyPatch, url: str) -> None:
    """Let commands use a database, with an audit log that is signed."""
    settings = {"audit": {"keep_days": 1, "key": "ours"}}
    configuration = {"globals": {"database_url": url}, "service": settings}
    for module in (db_cli, cli):
        monkeypatch.setattr(module, "load_configuration", lambda _: configuration)


@pytest.fixture
def db(database_url: str, monkeypatch: pytest.MonkeyPatch) -> Callable[..., Result]:
    """Calls a command with the database as it is configured."""
    configure(monkeypatch, database_url)
    return lambda *arguments, **options: CliRunner().invoke(db_cli.db, list(map(str, arguments)), **options)


@pytest.fixture
def published(engine: Engine) -> Engine:
    publish(engine, publication(), MONDAY)
    return engine


def but_for_the_log(engine: Engine) -> dict[str, list[dict[str, Any]]]:
    """All tables but those of the audit log, which has a record of each backup."""
    return {name: found for name, found in everything(engine).items() if not name.startswith("audit_")}


def files(folder: Path) -> list[str]:
    return sorted(os.listdir(folder))  # noqa: PTH208


def test_a_backup_brings_back_what_was_destroyed(
    published: Engine, db: Callable[..., Result], tmp_path: Path
) -> None:
    before = but_for_the_log(published)
    made = db("backup", tmp_path / "copy")
    assert made.exit_code == 0, made.output
    assert made.stdout.startswith(f"{tmp_path}/copy (")
    assert stat.S_IMODE((tmp_path / "copy").stat().st_mode) == 0o600
    with writing(published) as connection:
        connection.execute(text("delete from forecasts"))
        connection.execute(text("drop table level_forecasts"))
        connection.execute(text("create table of_a_later_version (id integer)"))
    published.dispose()
    restored = db("restore", tmp_path / "copy", "--yes")
    assert restored.exit_code == 0, restored.output
    assert but_for_the_log(published) == before
    assert "of_a_later_version" not in inspect(published).get_table_names()
    assert db("check").stdout == "integrity: ok\nmigrations: ok\nforeign keys: ok\n"
    assert not publish(published, publication(), MONDAY), "the same forecasts serve"


def test_without_a_yes_nothing_is_restored(
    published: Engine, db: Callable[..., Result], tmp_path: Path
) -> None:
    db("backup", tmp_path / "copy")
    publish(published, publication(200.0), MONDAY)
    before = everything(published)
    assert db("restore", tmp_path / "copy", input="n\n").exit_code == 1
    assert everything(published) == before


def test_who_has_copied_and_replaced_the_audit_log_is_on_record(
    published: Engine, db: Callable[..., Result], tmp_path: Path
) -> None:
    db("backup", tmp_path / "copy")
    db("backup", tmp_path / "later")
    published.dispose()
    assert db("restore", tmp_path / "copy", "--yes").exit_code == 0
    records = sorted(rows(published, "audit_log"), key=lambda row: row["at"])
    assert [(row["kind"], row["endpoint"]) for row in records] == [
        ("record_read", "db backup"),
        ("restore", "db restore"),
    ]
    assert {row["input"]["file"] for row in records} == {str(tmp_path / "copy")}
    assert all(row["input"]["account"] for row in records)
    assert verify(published, [Signer("ours")]).count == 0


def test_a_database_of_an_earlier_version_is_backed_up_without_a_record(
    engine: Engine, db: Callable[..., Result], tmp_path: Path
) -> None:
    with writing(engine) as connection:
        command.downgrade(configuration(connection), "0008")
    made = db("backup", tmp_path / "copy")
    assert made.exit_code == 0, made.output
    assert made.stderr == "The backup is not on record: the database has migration 0008.\n"


@pytest.mark.parametrize("content", [b"", b"no backup at all" * 100], ids=["empty", "another"])
def test_a_file_that_is_no_backup_changes_nothing(
    published: Engine, db: Callable[..., Result], tmp_path: Path, content: bytes
) -> None:
    before, there = everything(published), tmp_path / "copy"
    there.write_bytes(content)
    done = db("restore", there, "--yes")
    assert done.exit_code == 1
    assert "nothing is changed" in done.stderr
    assert done.stderr.startswith("Error: ")
    assert everything(published) == before
    missing = db("restore", tmp_path / "nothing", "--yes")
    assert missing.stderr == f"Error: there is no file {tmp_path}/nothing\n"


def test_sizes_count_rows_and_bytes(published: Engine, db: Callable[..., Result]) -> None:
    listed = db("size")
    assert listed.exit_code == 0, listed.output
    lines = [line.replace("│", " ").split() for line in listed.stdout.splitlines()]
    (line,) = (line for line in lines if line[2:] == ["forecasts"])
    assert line[0] == "6"
    assert float(line[1]) > 0


def test_old_migrations_are_told_and_not_made(published: Engine, db: Callable[..., Result]) -> None:
    with writing(published) as connection:
        connection.execute(text("update alembic_version set version_num = '0008'"))
    done = db("check")
    assert done.exit_code == 1
    assert "migrations: at 0008, while this version of the project has " in done.stdout


# --- SQLite ------------------------------------------------------------------------------------------


@pytest.fixture
def shop(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Engine]:
    configure(monkeypatch, url := f"sqlite:///{tmp_path}/shop.db")
    engine = open_database(url)
    upgrade(engine)
    publish(engine, publication(), MONDAY)
    yield engine
    engine.dispose()


def called(*arguments: object) -> Result:
    return CliRunner().invoke(db_cli.db, list(map(str, arguments)))


def test_files_are_for_their_owner_alone(shop: Engine, tmp_path: Path) -> None:
    with shop.connect() as connection:
        connection.execute(text("select 1 from models")).all()
        found = {file.name: stat.S_IMODE(file.stat().st_mode) for file in tmp_path.glob("shop.db*")}
    assert {name: mode for name, mode in found.items() if not name.endswith(".lock")} == dict.fromkeys(
        ("shop.db", "shop.db-wal", "shop.db-shm"), 0o600
    )


def test_an_existing_file_is_taken_from_others_and_its_locks_stay(shop: Engine, tmp_path: Path) -> None:
    file = tmp_path / "shop.db"
    with shop.connect() as first:
        first.execute(text("select 1 from models")).all()
        for path in tmp_path.glob("shop.db*"):
            path.chmod(0o644)
        inode = file.stat().st_ino

        def locks() -> int:
            return sum(f":{inode} " in line for line in Path("/proc/locks").read_text().splitlines())

        before = locks()
        with shop.connect() as second:
            second.execute(text("select 1 from models")).all()
        assert locks() == before > 0
        modes = {path.name: stat.S_IMODE(path.stat().st_mode) for path in tmp_path.glob("shop.db*")}
    assert {modes[f"shop.db{end}"] for end in ("", "-wal", "-shm")} == {0o600}


def test_a_file_that_is_locked_while_it_shrinks_is_one_message(shop: Engine, tmp_path: Path) -> None:
    with writing(shop) as connection:
        connection.execute(text("create table large (content text)"))
        connection.execute(text("insert into large values (zeroblob(9000000))"))
    with writing(shop) as connection:
        connection.execute(text("drop table large"))
    other = sqlite3.connect(tmp_path / "shop.db", isolation_level=None)
    with closing(other), closing(shop.raw_connection()) as pooled:
        pooled.cursor().execute("pragma busy_timeout = 0")
        pooled.close()
        other.execute("begin immediate")
        with pytest.raises(InputError, match="does not answer: database is locked"), database_errors(shop):
            free_space(shop)


def test_the_file_before_a_restore_is_kept_beside_it(shop: Engine, tmp_path: Path) -> None:
    called("backup", tmp_path / "copy")
    publish(shop, publication(200.0), MONDAY)
    before = everything(shop)
    shop.dispose()
    done = called("restore", tmp_path / "copy", "--yes")
    assert done.exit_code == 0, done.output
    (kept,) = tmp_path.glob("shop.db.before-*")
    assert kept.name in done.stdout.replace("\n", "")
    assert stat.S_IMODE((tmp_path / "shop.db").stat().st_mode) == 0o600
    assert everything(open_database(f"sqlite:///{kept}")) == before
    assert len(everything(shop)["forecast_runs"]) == 1


def test_a_database_that_is_in_use_is_not_replaced(shop: Engine, tmp_path: Path) -> None:
    called("backup", tmp_path / "copy")
    before = files(tmp_path)
    with shop.connect() as connection:
        connection.execute(text("select * from models")).all()
        done = called("restore", tmp_path / "copy", "--yes")
    assert done.exit_code == 1
    assert "is in use" in done.stderr
    assert "stop the service and runs first; nothing is changed" in done.stderr
    assert set(files(tmp_path)) <= {*before, "shop.db-wal", "shop.db-shm"}


def test_a_damaged_file_is_told_and_replaced(shop: Engine, tmp_path: Path) -> None:
    called("backup", tmp_path / "copy")
    shop.dispose()
    (tmp_path / "shop.db").write_bytes(b"rubbish" * 1000)
    assert called("check").exit_code == 1
    assert called("restore", tmp_path / "copy", "--yes").exit_code == 0
    assert called("check").exit_code == 0


def test_a_damaged_backup_and_one_of_a_newer_version_are_refused(shop: Engine, tmp_path: Path) -> None:
    called("backup", tmp_path / "copy")
    whole = (tmp_path / "copy").read_bytes()
    with sqlite3.connect(tmp_path / "copy") as connection:
        connection.execute("update alembic_version set version_num = '9999'")
    assert (
        "made by a newer version of this project (migration 9999"
        in called("restore", tmp_path / "copy", "--yes").stderr
    )
    (tmp_path / "half").write_bytes(whole[: len(whole) // 2])
    assert "nothing is changed" in called("restore", tmp_path / "half", "--yes").stderr
    assert len(everything(shop)["forecast_runs"]) == 1


def test_rows_without_what_they_refer_to_are_counted(shop: Engine, tmp_path: Path) -> None:
    with sqlite3.connect(tmp_path / "shop.db") as connection:
        connection.execute("delete from forecast_runs")
    done = called("check")
    assert done.exit_code == 1
    assert "foreign keys: 7 row(s) without what they refer to: row 1 of " in done.stdout


def test_a_database_that_is_not_there_is_named_and_not_made(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    configure(monkeypatch, f"sqlite:///{tmp_path}/none.db")
    for arguments in (("check",), ("size",), ("backup", tmp_path / "copy")):
        assert called(*arguments).stderr == f"Error: there is no database {tmp_path}/none.db\n"
    assert files(tmp_path) == []


# --- PostgreSQL --------------------------------------------------------------------------------------


def test_a_program_that_is_missing_or_too_old_is_named(
    postgres_url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    engine = open_database(postgres_url)
    monkeypatch.setattr(backups, "_packaged", lambda _: [])
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(
        backups.InputError, match=r"the program pg_dump of that version .* is not on the PATH\. Install"
    ):
        backups.back_up(engine, tmp_path / "copy")
    (tmp_path / "pg_dump").write_text("#!/bin/sh\necho 'pg_dump (PostgreSQL) 9.6'\n")
    (tmp_path / "pg_dump").chmod(0o755)
    with pytest.raises(backups.InputError, match=r"there is .*/pg_dump of version 9"):
        backups.back_up(engine, tmp_path / "copy")
    assert not (tmp_path / "copy").exists()
