"""The project's configuration, for commands that are no pipeline run."""

from __future__ import annotations

import logging
from pathlib import Path

from kedro.config import OmegaConfigLoader

from sales_forecast.errors import InputError


def load_configuration(env: str) -> OmegaConfigLoader:
    """Read ``conf/base`` and ``conf/<env>`` of the project around the working directory.

    Raises:
        InputError: This is no project, or it has no such environment.
    """
    logging.disable(logging.INFO)  # Kedro tells how it logs
    from kedro.framework.startup import bootstrap_project
    from kedro.utils import find_kedro_project

    project = find_kedro_project(Path.cwd())
    if project is None:
        raise InputError("this is no folder of the project; go there first")
    bootstrap_project(project)
    logging.disable(logging.NOTSET)
    from sales_forecast.settings import CONFIG_LOADER_ARGS

    if not (project / "conf" / env).is_dir():
        raise InputError(f"there is no environment conf/{env}")
    return OmegaConfigLoader(str(project / "conf"), env=env, **CONFIG_LOADER_ARGS)
