import functools
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import uvicorn

from browser import CHROMIUM
from projects import Project, copy_finished
from sales_forecast.storage.database import open_database
from servers import NewPostgres, copy_sqlite, free_port
from services import Shop, fill, opened, wait_until


@pytest.fixture(scope="session")
def shop_project(small: Project, tmp_path_factory: pytest.TempPathFactory) -> Project:
    """What is served; tests must not change its registry."""
    return copy_finished(small, tmp_path_factory.mktemp("shop") / "project")


@pytest.fixture(scope="session")
def new_database(
    shop_project: Project,
    new_postgres: NewPostgres,
    tmp_path_factory: pytest.TempPathFactory,
) -> Callable[[str], str]:
    """Makes a database of either kind that holds what the run has published."""

    def new_file() -> str:
        return f"sqlite:///{tmp_path_factory.mktemp('database')}/shop.db"

    @functools.cache
    def template(kind: str) -> str:
        url = new_file() if kind == "sqlite" else new_postgres()
        engine = open_database(url)
        fill(engine, shop_project)
        engine.dispose()
        return url

    def new(kind: str) -> str:
        if kind == "sqlite":
            return copy_sqlite(template(kind), Path(new_file().removeprefix("sqlite:///")))
        return new_postgres(copy_of=template(kind))

    return new


@pytest.fixture(scope="module")
def chromium() -> Iterator[Any]:
    """A browser for a person's clicks; :mod:`browser` has a quicker one for looking at pages."""
    playwright = pytest.importorskip("playwright.sync_api")
    with playwright.sync_playwright() as started:
        browser = started.chromium.launch(
            executable_path=CHROMIUM, args=["--no-sandbox", "--disable-dev-shm-usage"]
        )
        yield browser
        browser.close()


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """Open the shop on each database that the module names: on SQLite alone where its subject is another."""
    if "database_of_shop" in metafunc.fixturenames:
        kinds = getattr(metafunc.module, "DATABASES", ["sqlite"])
        metafunc.parametrize("database_of_shop", kinds, indirect=True, scope="session")


@pytest.fixture(scope="session")
def database_of_shop(request: pytest.FixtureRequest, new_database: Callable[[str], str]) -> str:
    return new_database(request.param)


@pytest.fixture(scope="session")
def shop(shop_project: Project, database_of_shop: str) -> Iterator[Shop]:
    """The service with nothing but the sample's forecasts."""
    with opened(shop_project, database_of_shop) as open_shop:
        yield open_shop


@pytest.fixture(scope="session")
def address(shop: Shop) -> Iterator[str]:
    """Where the same service answers behind a real socket."""
    assert shop.app is not None
    port = free_port()
    server = uvicorn.Server(uvicorn.Config(shop.app, port=port, lifespan="off", log_level="warning"))
    thread = threading.Thread(target=server.run)
    thread.start()
    wait_until(lambda: server.started)
    yield f"http://127.0.0.1:{port}"
    server.should_exit = True
    thread.join()
