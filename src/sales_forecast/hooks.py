"""What happens around a run: raw files checked first, outputs written whole, results told."""

from __future__ import annotations

import gc
import os
import shutil
import threading
from collections import deque
from collections.abc import Iterable, Mapping
from difflib import get_close_matches
from pathlib import Path
from typing import Any

import fsspec
from kedro.framework.context import KedroContext
from kedro.framework.hooks import hook_impl
from kedro.framework.project import pipelines
from kedro.io import DataCatalog, DatasetError
from kedro.pipeline import Pipeline
from kedro.validation.exceptions import DataValidationError
from rich.console import Console
from rich.style import Style
from rich.table import Table
from rich.text import Text

from sales_forecast.errors import InputError
from sales_forecast.raw_files import why_unreadable
from sales_forecast.tracking import read_metrics

READ_ELSEWHERE = {"raw_folder", "mlflow.required"}
"""Parameters that no node reads, but the catalog or the tracking."""

CHECKED_FIRST = "checked_first"
"""Tag of the nodes that read raw files or question parameters, and stop the run if something is wrong."""


def check_runtime_params(given: dict[str, Any], known: set[str]) -> None:
    """Refuse parameters that nothing would read: the run would go on without them.

    Args:
        given: What follows ``--params``, as nested groups.
        known: Names with dots between that somebody reads.

    Raises:
        InputError: One of them nobody reads.
    """
    for name in _names(given):
        if not any(f"{name}.".startswith(f"{one}.") or f"{one}.".startswith(f"{name}.") for one in known):
            near = get_close_matches(name, known, n=1, cutoff=0.5)
            meant = f"did you mean '{near[0]}'?" if near else "the parameters are in conf/base/parameters."
            raise InputError(f"--params: nothing reads '{name}'; {meant}")


def _names(given: dict[str, Any], group: str = "") -> Iterable[str]:
    for name, value in given.items():
        if isinstance(value, dict) and value:
            yield from _names(value, f"{group}{name}.")
        else:
            yield f"{group}{name}"


def check_load_versions(wanted: Mapping[str, str], pipeline: Pipeline, catalog: DataCatalog) -> None:
    """Refuse versions that nothing would load: Kedro goes on with the file as it is.

    Args:
        wanted: What follows ``--load-versions``: version by name of the dataset.
        pipeline: What is run.
        catalog: Where the datasets are declared.

    Raises:
        InputError: A dataset keeps no versions, or no node of this run loads it.
    """
    loaded = {name for node in pipeline.nodes for name in node.inputs}
    for name, version in wanted.items():
        if not catalog.config_resolver.resolve_pattern(name).get("versioned"):
            raise InputError(
                f"--load-versions: '{name}' keeps no versions, so {version} cannot be loaded. Each run "
                "overwrites it. To keep versions from now on, add 'versioned: true' to it in the catalog."
            )
        if name not in loaded:
            raise InputError(f"--load-versions: no node of this run loads '{name}'.")


def check_inputs(pipeline: Pipeline, catalog: DataCatalog) -> None:
    """Run the checking nodes once in memory, so that bad input stops the run before any output changes.

    Raises:
        InputError: A raw file cannot be read or breaks its contract, or parameters cannot work together.
    """
    tables: dict[str, Any] = {}
    for node in pipeline.only_nodes_with_tags(CHECKED_FIRST).nodes:
        tables |= {name: _load(name, catalog) for name in node.inputs if name not in tables}
        tables |= node.run({name: tables[name] for name in node.inputs})


def _load(name: str, catalog: DataCatalog) -> Any:
    try:
        return catalog.load(name)
    except DataValidationError:
        raise
    except DatasetError as error:
        cause = _innermost(error)
        source = catalog.config_resolver.resolve_pattern(name)
        path = source.get("filepath", name)
        reading = f"{name.split('.', maxsplit=1)[0]}.read_csv"
        if ".raw_" in name and (said := why_unreadable(cause, path, source.get("load_args", {}), reading)):
            raise InputError(f"{path}: {said}") from error
        remedy = "Save it as a CSV file in UTF-8, complete, and compressed if its name ends in .gz."
        if isinstance(cause, FileNotFoundError) or "PATH_NOT_FOUND" in str(cause):
            remedy = (
                "Put the file there, or say where your files are: kedro run --params raw_folder=FOLDER, "
                "or raw_folder in globals.yml of your environment (conf/local/ without --env)."
                if ".raw_" in name
                else "Run the stages before this one first, or everything: kedro run."
            )
        raise InputError(f"{path} cannot be read: {cause}. {remedy}") from error


def _innermost(error: BaseException) -> BaseException:
    while (deeper := error.__cause__ or error.__context__) is not None:
        error = deeper
    return error


class _Saves(threading.local):
    """What this thread is saving: its files get their names when all of it is complete.

    Kedro's file datasets write through fsspec's local file system, of which each thread has one. Inside
    its transaction they write under temporary names. ``kedro run --async`` saves all outputs of a node at
    the same time; with the ThreadRunner datasets belong to another thread than the one that saves, and
    are written as Kedro does it.
    """

    under_way = 0

    @property
    def _files(self) -> Any:
        return fsspec.filesystem("file", auto_mkdir=True)

    def begin(self) -> None:
        """Write under temporary names from now on."""
        if not self.under_way:
            self._files.start_transaction()
        self.under_way += 1

    def complete(self) -> None:
        """Give the files their names, if no other save is under way."""
        self.under_way -= 1
        if not self.under_way:
            for file in self._forget_appended():
                _move_beside(file)
            self._files.end_transaction()

    def drop(self) -> None:
        """Forget what is half written, and write as usual."""
        self.under_way = 0
        if self._files._intrans:
            self._forget_appended()
            self._files.transaction.complete(commit=False)

    def _forget_appended(self) -> Iterable[Any]:
        """Keep to files under temporary names; one that is appended to never had one."""
        transaction = self._files.transaction
        transaction.files = deque(file for file in transaction.files if hasattr(file, "temp"))
        return list(transaction.files)


def _move_beside(file: Any) -> None:
    """Bring a temporary file into the folder it is for, so that giving it its name is a mere rename."""
    target = Path(file.path)
    beside = target.with_name(f".{target.name}.{os.getpid()}.part")
    try:
        shutil.move(file.temp, beside)
    except OSError:  # such as a full disk
        beside.unlink(missing_ok=True)
        raise
    file.temp = str(beside)


class ProjectHooks:
    """Kedro calls these by name."""

    def __init__(self) -> None:
        self._reporting = Path()
        self._saves = _Saves()

    @hook_impl
    def after_context_created(self, context: KedroContext) -> None:
        """Remember where the project is."""
        self._reporting = Path(context.project_path) / "data" / "08_reporting"

    @hook_impl(tryfirst=True)
    def before_pipeline_run(
        self, run_params: dict[str, Any], pipeline: Pipeline, catalog: DataCatalog
    ) -> None:
        """Stop before anything is written, or tracked, if an input is bad or the database does not answer."""
        gc.freeze()  # what was imported need not be looked at again
        if given := run_params.get("runtime_params"):
            inputs = {name for each in pipelines.values() for name in each.inputs()}
            read = {name.removeprefix("params:") for name in inputs if name.startswith("params:")}
            check_runtime_params(given, read | READ_ELSEWHERE)
        check_load_versions(run_params.get("load_versions") or {}, pipeline, catalog)
        check_inputs(pipeline, catalog)
        for name in sorted(pipeline.all_outputs()):
            if make_ready := getattr(catalog.get(name), "make_ready", None):
                make_ready()

    @hook_impl
    def before_node_run(self) -> None:
        """Drop what an interrupted run left half written in this process, and what earlier nodes left behind.

        Tables of finished nodes hang in reference cycles of the libraries that checked them: without a
        collection they stay in memory until the next one happens to come.
        """
        self._saves.drop()
        gc.collect()

    @hook_impl
    def before_dataset_saved(self) -> None:
        """Begin to write under temporary names."""
        self._saves.begin()

    @hook_impl
    def after_dataset_saved(self) -> None:
        """Give the complete files their names."""
        self._saves.complete()

    @hook_impl
    def on_pipeline_error(self) -> None:
        """Drop what was half written: Kedro reports an error while saving only here."""
        self._saves.drop()

    @hook_impl
    def after_pipeline_run(self, pipeline: Pipeline) -> None:
        """End with a short table of what this run measured."""
        gc.unfreeze()
        summarise(read_metrics(self._reporting, pipeline), self._reporting / "report.html")


def summarise(metrics: dict[str, Any], report: Path) -> None:
    """Print the best method of each domain, its error against the simplest one's, and the report's place."""
    table = Table("domain", "best", "error", "simplest method's error", title="Where this leaves us")
    for domain, words in metrics.items():
        headline = words.get("headline")
        if headline:
            table.add_row(domain, headline["best"], headline["error"], headline["baseline"])
    console = Console()
    if table.row_count:
        console.print(table)
    if report.exists():
        place = Text(
            str(report), style=Style(link=report.absolute().as_uri())
        )  # where a terminal knows links
        console.print(Text("Report: ") + place, soft_wrap=True)
