"""Where a run logs to: what ``logging.yml`` of the configuration says, wherever that lies."""

from __future__ import annotations

import logging
from contextlib import suppress
from pathlib import Path
from typing import Any

from kedro.config import OmegaConfigLoader
from kedro.framework.context import KedroContext
from kedro.framework.hooks import hook_impl
from kedro.framework.project import configure_logging
from kedro.pipeline import Node

from sales_forecast.ecs import EcsFormatter, current_fields, process_fields


def log_as_configured_in(conf_source: str) -> None:
    """Take ``logging.yml`` of a folder or archive, if it has one; Kedro looks in the working directory."""
    loader = OmegaConfigLoader(
        conf_source, base_env="", default_run_env="", config_patterns={"logging": ["logging.yml"]}
    )
    if found := loader["logging"]:
        configure_logging(found)
        prepare_log_files()


def prepare_log_files() -> None:
    """Make the folders of the log files, which the first line opens, and set the format of JSON lines.

    Kedro takes no formatters in ``logging.yml`` but those of the standard library.
    """
    for handler in logging.getLogger().handlers:
        if isinstance(handler, logging.FileHandler):
            file = Path(handler.baseFilename)
            with suppress(OSError):  # on a disk that is only read logging itself says that it cannot write
                file.parent.mkdir(parents=True, exist_ok=True)
            if file.suffix == ".jsonl":
                handler.setFormatter(EcsFormatter("sales_forecast.pipeline"))


class LogHooks:
    """Label log lines with what a run is at. Kedro calls these by name."""

    def __init__(self) -> None:
        self._data_versions: dict[str, str] = {}

    @hook_impl(tryfirst=True)
    def after_context_created(self, context: KedroContext) -> None:
        """Forget the last run of this process."""
        process_fields.clear()
        process_fields["service.environment"] = context.env or "local"
        current_fields.set({})
        self._data_versions.clear()

    @hook_impl
    def before_dataset_loaded(self, node: Node) -> None:
        """Name the node whose inputs are loaded, which will run and save its outputs next."""
        self._label(node)

    @hook_impl
    def after_dataset_loaded(self, dataset_name: str, data: Any, node: Node) -> None:
        """Remember which data a domain is made from."""
        self._remember(dataset_name, data, node)

    @hook_impl
    def before_node_run(self, node: Node) -> None:
        """Name a node without inputs, too."""
        self._label(node)

    @hook_impl
    def after_dataset_saved(self, dataset_name: str, data: Any, node: Node) -> None:
        """Remember which data a domain is made from."""
        self._remember(dataset_name, data, node)

    @hook_impl(tryfirst=True)
    def after_pipeline_run(self) -> None:
        """Name no node any more."""
        current_fields.set({})

    def _label(self, node: Node) -> None:
        domain, stage, *_ = [*(node.namespace or "").split("."), ""]
        labels = {"domain": domain, "stage": stage, "data_version": self._data_versions.get(domain)}
        current_fields.set({f"labels.{name}": value or None for name, value in labels.items()})

    def _remember(self, dataset_name: str, data: Any, node: Node) -> None:
        domain, _, name = dataset_name.rpartition(".")
        if name == "data_version":
            self._data_versions[domain] = data.version
            self._label(node)
