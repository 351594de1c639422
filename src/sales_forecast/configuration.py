"""The project's configuration, for commands that are not a pipeline run."""

from __future__ import annotations

import logging
from pathlib import Path

from kedro.config import OmegaConfigLoader

from sales_forecast.errors import InputError


def load_configuration(env: str) -> OmegaConfigLoader:
    """Read ``conf/base`` and ``conf/<env>`` of the project around the working directory.

    A folder in which the packaged configuration was unpacked will do, too.

    Raises:
        InputError: This is no project, or it has no such environment.
    """
    logging.disable(logging.INFO)  # Kedro tells how it logs
    from kedro.framework.project import configure_project
    from kedro.utils import find_kedro_project

    project = find_kedro_project(Path.cwd()) or Path.cwd()
    if not (project / "conf" / "base").is_dir():
        raise InputError("there is no project here, and no conf folder; go there first")
    configure_project("sales_forecast")
    logging.disable(logging.NOTSET)
    from sales_forecast.renamed import refuse_old_names
    from sales_forecast.settings import CONFIG_LOADER_ARGS

    if not (project / "conf" / env).is_dir():
        raise InputError(f"there is no environment conf/{env}")
    loader = OmegaConfigLoader(str(project / "conf"), env=env, **CONFIG_LOADER_ARGS)
    refuse_old_names(loader)
    return loader
