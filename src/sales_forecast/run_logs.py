"""Where a run logs to: what ``logging.yml`` of the configuration says, wherever that lies."""

from __future__ import annotations

import logging
from contextlib import suppress
from pathlib import Path

from kedro.config import OmegaConfigLoader
from kedro.framework.project import configure_logging


def log_as_configured_in(conf_source: str) -> None:
    """Take ``logging.yml`` of a folder or archive, if it has one; Kedro looks in the working directory."""
    loader = OmegaConfigLoader(
        conf_source, base_env="", default_run_env="", config_patterns={"logging": ["logging.yml"]}
    )
    if found := loader["logging"]:
        configure_logging(found)
        make_log_folders()


def make_log_folders() -> None:
    """Make the folders of the log files, which are opened by the first line."""
    for handler in logging.getLogger().handlers:
        if isinstance(handler, logging.FileHandler):
            with suppress(OSError):  # on a disk that is only read logging itself says that it cannot write
                Path(handler.baseFilename).parent.mkdir(parents=True, exist_ok=True)
