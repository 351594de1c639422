"""The project's configuration, for commands that are not a pipeline run."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

from kedro.config import OmegaConfigLoader

from sales_forecast.errors import InputError
from sales_forecast.places import on_disk
from sales_forecast.project_root import project_root

if TYPE_CHECKING:
    from kedro.io import DataCatalog


def load_configuration(env: str) -> OmegaConfigLoader:
    """Read ``conf/base`` and ``conf/<env>`` of the project around the working directory.

    A folder in which the packaged configuration was unpacked will do, too.

    Raises:
        InputError: This is no project, or it has no such environment.
    """
    logging.disable(logging.INFO)  # Kedro tells how it logs
    from kedro.framework import project as kedro_project

    project = Path(project_root())
    if not (project / "conf" / "base").is_dir():
        raise InputError("there is no project here, and no conf folder; go there first")
    if kedro_project.PACKAGE_NAME != "sales_forecast":  # once: Dynaconf looks through all modules each time
        kedro_project.configure_project("sales_forecast")
    logging.disable(logging.NOTSET)
    from sales_forecast.renamed import refuse_old_names
    from sales_forecast.settings import CONFIG_LOADER_ARGS

    if not (project / "conf" / env).is_dir():
        raise InputError(f"there is no environment conf/{env}")
    loader = OmegaConfigLoader(str(project / "conf"), env=env, **CONFIG_LOADER_ARGS)
    refuse_old_names(loader)
    return loader


def open_project(
    env: str, raw_folder: str, params: Mapping[str, Any] | None = None
) -> tuple[DataCatalog, Mapping[str, Any]]:
    """Open the project around the working directory as a run would.

    Args:
        env: Folder in ``conf/``.
        raw_folder: Where the raw files are: a folder, or a URL of fsspec.
        params: Further parameters, as nested groups.

    Returns:
        The catalog, and ``globals.yml``.

    Raises:
        InputError: This is no project, or its tracking server does not answer.
    """
    load_configuration(env)  # says what is wrong in one sentence
    logging.disable(logging.INFO)  # Kedro tells how it logs
    from kedro.framework.session import KedroSession

    path = on_disk(raw_folder)
    given = {**(params or {}), "raw_folder": raw_folder if path is None else path.resolve().as_posix()}
    session = KedroSession.create(project_root(), env=env, runtime_params=given)
    context = session.load_context()
    logging.disable(logging.NOTSET)
    return cast("DataCatalog", context.catalog), context.config_loader["globals"]
