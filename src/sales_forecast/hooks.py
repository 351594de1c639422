"""What happens around a run: files checked first, outputs written whole, results tracked and told."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import fsspec
from kedro.framework.context import KedroContext
from kedro.framework.hooks import hook_impl
from kedro.io import DataCatalog
from kedro.pipeline import Pipeline
from kedro.pipeline.node import Node
from rich.console import Console
from rich.table import Table

READS_RAW = "reads_raw"
"""Tag of the nodes that turn raw files into checked tables, or stop the run."""


def flatten(tree: dict[str, Any], prefix: str = "") -> Iterator[tuple[str, Any]]:
    """Walk a nested dictionary: ``{"a": {"b": 1}}`` gives ``("a.b", 1)``."""
    for key, value in tree.items():
        if isinstance(value, dict):
            yield from flatten(value, f"{prefix}{key}.")
        else:
            yield f"{prefix}{key}", value


def check_raw_files(pipeline: Pipeline, catalog: DataCatalog) -> None:
    """Run the reading nodes once in memory, so that a bad file stops the run before any output changes.

    Raises:
        DataContractError: A raw file breaks its contract.
    """
    tables: dict[str, Any] = {}
    for node in pipeline.only_nodes_with_tags(READS_RAW).nodes:
        tables |= {name: catalog.load(name) for name in node.inputs if name not in tables}
        tables |= node.run({name: tables[name] for name in node.inputs})


class ProjectHooks:
    """Kedro calls these by name."""

    def __init__(self) -> None:
        self._reporting = Path()
        # Kedro's file datasets write through fsspec's one local file system; inside its transaction
        # a file gets its name only when it is complete.
        self._files = fsspec.filesystem("file", auto_mkdir=True)

    @hook_impl
    def after_context_created(self, context: KedroContext) -> None:
        """Remember where the project is."""
        self._reporting = Path(context.project_path) / "data" / "08_reporting"

    @hook_impl(tryfirst=True)
    def before_pipeline_run(self, pipeline: Pipeline, catalog: DataCatalog) -> None:
        """Stop before anything is written, or tracked, if a raw file is bad."""
        check_raw_files(pipeline, catalog)

    @hook_impl
    def before_dataset_saved(self) -> None:
        """Begin to write under temporary names."""
        self._files.start_transaction()

    @hook_impl
    def after_dataset_saved(self) -> None:
        """Give the complete files their names."""
        self._files.end_transaction()

    @hook_impl
    def on_node_error(self, node: Node) -> None:
        """Drop what was half written."""
        if self._files._intrans:
            self._files.transaction.complete(commit=False)

    @hook_impl(tryfirst=True)
    def after_pipeline_run(self) -> None:
        """Track metrics and reports with the run, and end with a short table."""
        metrics = self._read_json("metrics.json")
        self._track(metrics)
        summarise(metrics, self._reporting / "report.html")

    def _read_json(self, name: str) -> dict[str, Any]:
        path = self._reporting / name
        content: dict[str, Any] = json.loads(path.read_text("utf-8")) if path.exists() else {}
        return content

    def _track(self, metrics: dict[str, Any]) -> None:
        import mlflow

        if mlflow.active_run() is None:  # tracking is switched off
            return
        numbers = {
            name: value
            for name, value in flatten(metrics)
            if isinstance(value, int | float) and not isinstance(value, bool)
        }
        mlflow.log_metrics(numbers)
        if self._reporting.exists():
            mlflow.log_artifacts(str(self._reporting), "reporting")


def summarise(metrics: dict[str, Any], report: Path) -> None:
    """Print the best method of each lane, its error against the simplest one's, and the report's place."""
    table = Table("lane", "best", "error", "simplest method's error", title="Where this leaves us")
    for lane, words in metrics.items():
        headline = words.get("headline")
        if headline:
            table.add_row(lane, headline["best"], headline["error"], headline["baseline"])
    console = Console()
    if table.row_count:
        console.print(table)
    if report.exists():
        console.print(f"Report: {report}", soft_wrap=True)
