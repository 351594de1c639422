import contextlib
import logging
import os
import re
import shutil
import sys
import uuid
from collections.abc import Callable, Generator, Iterator
from pathlib import Path
from typing import Any

import fsspec
import psycopg
import pytest
import yaml
from filelock import FileLock
from hypothesis import settings
from sqlalchemy import Engine, make_url

import projects
from projects import FEW_FOLDS, Project, copy_project, copy_small
from s3_here import BUCKET, s3
from sales_forecast.storage.database import open_database
from servers import NewPostgres, copy_sqlite, postgres_server, upgraded
from spark_here import far_from_greenwich, session

# Other work on the machine must not fail a test: how long something takes is a benchmark's business.
settings.register_profile("untimed", deadline=None)
settings.load_profile("untimed")

# conf/logging.yml keeps them off the screen; pytest listens at the root.
logging.getLogger("sales_forecast.forecasting").propagate = True

# pyspark.sql.connect, which MLflow looks for, takes a Python without main file or prompt for its own doctests
# and exits it with 0. pytest-xdist's workers are such Pythons.
sys.ps1 = ">>> "


collect_ignore = ["aws_stacks"]  # test_aws.py has them run by another Python

LONGEST_FIRST = (
    *("spark", "finished", "service", "service alone", "tracking", "lifecycle", "refresh", "weekly"),
    *(
        "airflow",
        "airflow live",
        "aws stacks",
        "bad input",
        "deliver",
        "database",
        "retailers",
        "harbour",
        "alone",
        "storage",
        "deploy",
        "attacks",
        "corner",
        "tutorial",
        "s3",
        "network",
        "logs",
        "retrain",
        "evidently",
        "verification",
        "aws",
        "aws train",
        "aws processing",
        "session",
    ),
    "acceptance",
)
"""Groups of tests that share something costly; a long one that came last would keep one worker waiting."""

NOT_BY_SETUP = re.compile(r"make (spark|s3|evidently|airflow|aws-setup)$")
"""How the reason ends that skips a test where another system is not set up."""

STARTED = {"made_once", "copied", "new_postgres", "s3_server", "spark_session"}
"""Fixtures that start a project, a server or Spark: who uses one of them is slow."""


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Mark what is slow or needs another system, for ``make`` to choose by, and bring the slow to the front."""
    ranks: dict[pytest.Item, int] = {}
    for item in items:
        fixtures, parameters = set(getattr(item, "fixturenames", ())), getattr(item, "callspec", None)
        kinds = (
            [value for value in parameters.params.values() if isinstance(value, str)] if parameters else []
        )
        slow = bool(fixtures & STARTED) or "postgresql" in kinds
        if slow:
            item.add_marker("slow")
        if any(NOT_BY_SETUP.search(skip.kwargs.get("reason", "")) for skip in item.iter_markers("skipif")):
            item.add_marker("systems")
        if "finished" in fixtures:
            item.add_marker(pytest.mark.xdist_group("finished"))
        group = item.get_closest_marker("xdist_group")
        ranks[item] = LONGEST_FIRST.index(group.args[0]) if group else len(LONGEST_FIRST) + (not slow)
    items.sort(key=ranks.__getitem__)


@pytest.hookimpl(tryfirst=True)
def pytest_runtest_setup(item: pytest.Item) -> None:
    """See that no project is made for a test that nothing marked as slow."""
    projects.MAY_BE_COPIED = item.get_closest_marker("slow") is not None


@pytest.hookimpl(wrapper=True)
def pytest_runtest_protocol() -> Generator[None, Any, Any]:
    """Find modules where they were before the test.

    MLflow puts the code of a model that it loads in front of the path, and Kedro a project; a process that a
    later test starts would find an incomplete copy of this package there, or what is left of one.
    """
    before = [*sys.path]
    try:
        return (yield)
    finally:
        sys.path = before


MadeOnce = Callable[[str, Callable[[Path], object]], Path]


@pytest.fixture(scope="session")
def made_once(tmp_path_factory: pytest.TempPathFactory) -> MadeOnce:
    """Makes a folder that all workers of pytest-xdist use, in the first one that asks for it."""
    own = tmp_path_factory.getbasetemp()
    shared = own.parent if "PYTEST_XDIST_WORKER" in os.environ else own

    def once(name: str, make: Callable[[Path], object]) -> Path:
        folder, done = shared / name, shared / f"{name}.done"
        with FileLock(shared / f"{name}.lock"):
            if not done.exists():
                shutil.rmtree(folder, ignore_errors=True)  # of a worker that failed
                make(folder)
                done.touch()
        return folder

    return once


@pytest.fixture(scope="session")
def finished(made_once: MadeOnce) -> Project:
    """A project after a whole run on the sample, by the real command and with few folds.

    Tests must not change it.
    """

    def run(folder: Path) -> None:
        project = copy_project(folder)
        (folder / "conf" / "local" / "parameters.yml").write_text(yaml.safe_dump({"turnover": FEW_FOLDS}))
        result = project.kedro("run")
        assert result.returncode == 0, result.stdout[-3000:] + result.stderr[-3000:]
        (folder / "run.log").write_text(result.stdout + result.stderr)

    return Project(made_once("finished", run))


@pytest.fixture(scope="session")
def small(made_once: MadeOnce) -> Project:
    """A project after a whole run on the sample with four folds and few trees; tests must not change it."""

    def run(folder: Path) -> None:
        code, output = copy_small(folder).run()
        assert code == 0, output[-3000:]

    return Project(made_once("small", run))


@pytest.fixture(scope="session")
def copied() -> Callable[[Path], Project]:
    """Makes projects in which nothing has been run yet."""
    return copy_project


@pytest.fixture
def new_project(copied: Callable[[Path], Project], tmp_path: Path) -> Project:
    """A project in which nothing has been run yet."""
    return copied(tmp_path / "project")


@pytest.fixture(scope="session")
def spark_session() -> Iterator[Any]:
    with contextlib.ExitStack() as stack:
        with far_from_greenwich():  # Java looks only when it starts
            found = stack.enter_context(session())
        yield found


@pytest.fixture(scope="module")
def spark(spark_session: Any) -> Iterator[Any]:
    """The session of all tests that need one, also of runs of the project in this process."""
    with far_from_greenwich():
        yield spark_session


@pytest.fixture(scope="session")
def s3_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, str]]:
    """An S3 on this machine: the environment variables of its clients."""
    with s3(tmp_path_factory.mktemp("s3") / "moto.log") as environment:
        yield environment


@pytest.fixture(scope="module")
def bucket(s3_server: dict[str, str]) -> Iterator[Any]:
    """The file system of fsspec on that S3, with an empty bucket; this process is its client."""
    with pytest.MonkeyPatch.context() as patch:
        for name, value in (s3_server | {"SALES_FORECAST_BUCKET": BUCKET}).items():
            patch.setenv(name, value)
        files = fsspec.filesystem("s3")
        if files.exists(BUCKET):
            files.rm(BUCKET, recursive=True)
        files.mkdir(BUCKET)
        yield files
        type(files).clear_instance_cache()


@pytest.fixture(scope="session")
def new_postgres() -> Iterator[NewPostgres]:
    """A real PostgreSQL."""
    with postgres_server() as server:

        def new(copy_of: str | None = None) -> str:
            name = f"shop_{uuid.uuid4().hex}"
            template = make_url(copy_of).database if copy_of else "template1"
            with psycopg.connect(server.get_uri(), autocommit=True) as connection:
                connection.execute(f"create database {name} template {template}")
            return str(server.get_uri(name))

        yield new


@pytest.fixture
def object_storage(tmp_path: Path) -> Iterator[str]:
    """URL of a folder in object storage, which is the memory of this process."""
    yield f"memory://{tmp_path}"
    memory = fsspec.filesystem("memory")
    for path in memory.find("/"):
        if path.startswith(f"{tmp_path}/"):
            memory.rm_file(path)


@pytest.fixture
def postgres_url(new_postgres: NewPostgres) -> str:
    """A new, empty database."""
    return new_postgres()


@pytest.fixture(params=["sqlite", "postgresql"])
def empty_url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """A new, empty database of either kind."""
    if request.param == "sqlite":
        return f"sqlite:///{tmp_path}/shop.db"
    return str(request.getfixturevalue("postgres_url"))


@pytest.fixture
def empty(empty_url: str) -> Iterator[Engine]:
    """A database without tables."""
    database = open_database(empty_url)
    yield database
    database.dispose()


@pytest.fixture(scope="session")
def sqlite_tables(tmp_path_factory: pytest.TempPathFactory) -> str:
    """An up-to-date database without rows, to be copied."""
    return upgraded(f"sqlite:///{tmp_path_factory.mktemp('tables')}/shop.db")


@pytest.fixture(scope="session")
def postgres_tables(new_postgres: NewPostgres) -> str:
    """An up-to-date database without rows, to be copied."""
    return upgraded(new_postgres())


@pytest.fixture(params=["sqlite", "postgresql"])
def database_url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """A new, up-to-date database of either kind."""
    if request.param == "sqlite":
        return copy_sqlite(request.getfixturevalue("sqlite_tables"), tmp_path / "shop.db")
    return str(request.getfixturevalue("new_postgres")(copy_of=request.getfixturevalue("postgres_tables")))


@pytest.fixture
def engine(database_url: str) -> Iterator[Engine]:
    """An up-to-date database."""
    database = open_database(database_url)
    yield database
    database.dispose()
