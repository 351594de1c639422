"""The project in a container of AWS: in a copy that may be written to, and run as ``kedro run`` does."""

from __future__ import annotations

import json
import logging
import os
import shutil
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import chdir, contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, cast

import click

from sales_forecast.errors import InputError
from sales_forecast.memory import limit_heaps

if TYPE_CHECKING:
    from kedro.io import DataCatalog

ENV = "SALES_FORECAST_ENV"
"""Environment variable with the folder in ``conf/``; without it, everything stays in the container."""

STATE = "SALES_FORECAST_STATE"

COPY = "sales_forecast_project"


def environment() -> str:
    """Return the folder in ``conf/`` that this container works with."""
    if region := os.environ.get("AWS_REGION"):  # which SageMaker sets; AWS's client reads the other one
        os.environ.setdefault("AWS_DEFAULT_REGION", region)
    return os.environ.get(ENV, "local")


@contextmanager
def project_copy() -> Iterator[Path]:
    """Work in a copy of the project's configuration among temporary files, where ``data/`` is, too.

    Lambda lets a function write nowhere else, and SageMaker keeps temporary files on the volume that a job
    asks for. A function that is called again finds the copy of its last call.
    """
    from sales_forecast.project_root import project_root

    limit_heaps()
    source, folder = Path(project_root()), Path(tempfile.gettempdir(), COPY)
    shutil.copytree(source / "conf", folder / "conf", dirs_exist_ok=True)
    shutil.copy(source / "pyproject.toml", folder)
    for name in ("conf/local", "data", "src"):  # without src/ Kedro finds no project
        (folder / name).mkdir(exist_ok=True)
    before = os.environ.get(STATE)
    os.environ[STATE] = str(folder / "data")
    try:
        with chdir(folder):
            yield folder
    finally:
        os.environ.pop(STATE)
        if before is not None:
            os.environ[STATE] = before


def run_kedro(params: Mapping[str, object], **options: str) -> None:
    """Run pipelines in the working directory, with the checks and messages of ``kedro run``.

    Args:
        params: Runtime parameters, as nested groups.
        options: Other options of ``kedro run`` by name, such as ``pipelines``; empty ones are left out.

    Raises:
        click.ClickException: What was wrong, in one message.
    """
    logging.disable(logging.INFO)  # Kedro tells how it logs
    from kedro.framework.project import configure_project

    configure_project("sales_forecast")
    logging.disable(logging.NOTSET)
    from sales_forecast.cli import cli

    with tempfile.NamedTemporaryFile("w", suffix=".yml") as file:
        json.dump({"run": {"params": dict(params)}}, file)  # which, unlike --params, takes commas
        file.flush()
        given = [part for name, value in options.items() if value for part in (f"--{name}", value)]
        words = ["run", "--env", environment(), "--config", file.name, *given]
        cli(words, prog_name="sales-forecast", standalone_mode=False)


def told(error: BaseException) -> str:
    """Say what was wrong in one message: ``kedro run`` has brought most errors to that already."""
    if isinstance(error, KeyboardInterrupt | click.Abort):
        return "the job was stopped"
    if isinstance(error, click.ClickException):
        return error.message
    return str(error) if isinstance(error, InputError) else f"{type(error).__name__}: {error}"


def open_catalog() -> DataCatalog:
    """Open the catalog of the project in the working directory."""
    from kedro.framework.session import KedroSession

    logging.disable(logging.INFO)
    session = KedroSession.create(Path.cwd(), env=environment())
    catalog = session.load_context().catalog
    logging.disable(logging.NOTSET)
    return cast("DataCatalog", catalog)
