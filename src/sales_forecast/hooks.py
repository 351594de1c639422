"""What happens around a run: raw files checked first, files of a publication kept, results told."""

from __future__ import annotations

import gc
import logging
from collections.abc import Iterable, Mapping
from contextlib import suppress
from difflib import get_close_matches
from functools import partial
from typing import Any

from kedro.framework.context import KedroContext
from kedro.framework.hooks import hook_impl
from kedro.framework.project import pipelines
from kedro.io import DataCatalog, DatasetError
from kedro.pipeline import Node, Pipeline
from rich.console import Console
from rich.style import Style
from rich.table import Table
from rich.text import Text

from sales_forecast.data_root import reachable_root
from sales_forecast.errors import InputError
from sales_forecast.input_checks import CHECKED_FIRST, check_inputs, forget_kept
from sales_forecast.places import on_disk
from sales_forecast.published_files import (
    begin_publishing,
    bring_back_unpublished,
    end_publishing,
    keep_published_files,
)
from sales_forecast.run_lock import RunLock
from sales_forecast.tracking import load_metrics

logger = logging.getLogger(__name__)

__all__ = ["CHECKED_FIRST", "ProjectHooks", "check_inputs"]

READ_ELSEWHERE = {"raw_folder", "horizon_weeks", "retailer", "mlflow.required"}
"""Parameters that no node reads, but the catalog or the tracking."""


def params_that_are_read() -> set[str]:
    """Name the parameters that a node, the catalog or the tracking reads, with dots between."""
    inputs = {name for each in pipelines.values() for name in each.inputs()}
    return {name.removeprefix("params:") for name in inputs if name.startswith("params:")} | READ_ELSEWHERE


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


def receive_delivery(made: Mapping[str, Any], catalog: DataCatalog) -> None:
    """Record the delivery that a run has read, and stop if it is held.

    Args:
        made: What the checking nodes have made, by the names of their outputs.
        catalog: Where the datasets are declared.

    Raises:
        InputError: The delivery is held.
    """
    for name, value in made.items():
        if record := getattr(catalog.get(name), "record", None):
            record(value)
            value.stop_if_held()


def receive_refused(pipeline: Pipeline, catalog: DataCatalog, node: Node, error: InputError) -> None:
    """Record the delivery that a run cannot read, as the command ``deliver`` does.

    Args:
        pipeline: What is run; if it receives no delivery of turnover, nothing is recorded.
        catalog: Where the datasets are declared.
        node: The one that stops the run; campaigns are no delivery.
        error: Why.
    """
    from sales_forecast.deliveries.refused import DELIVERY, record_refused  # imports pandera

    if DELIVERY not in pipeline.all_outputs() or "turnover" not in node.tags:
        return
    try:
        record_refused(error, catalog)
    except (InputError, DatasetError) as unrecorded:  # the run says what is wrong with the files
        logger.warning("It could not be recorded that this delivery is refused: %s", unrecorded)


class ProjectHooks:
    """Kedro calls these by name."""

    def __init__(self) -> None:
        self._lock = RunLock()
        self._root = ""

    @hook_impl(tryfirst=True)
    def after_context_created(self, context: KedroContext) -> None:
        """See that the data can be reached before anything is done.

        Raises:
            InputError: They are in object storage, which does not let this process in.
        """
        self._root = reachable_root(context.config_loader["globals"])

    @hook_impl(tryfirst=True)
    def before_pipeline_run(
        self, run_params: dict[str, Any], pipeline: Pipeline, catalog: DataCatalog
    ) -> None:
        """Stop before anything is written, or tracked, if an input is bad or the database does not answer."""
        gc.freeze()  # what was imported need not be looked at again
        if given := run_params.get("runtime_params"):
            check_runtime_params(given, params_that_are_read())
        check_load_versions(run_params.get("load_versions") or {}, pipeline, catalog)
        self._lock.wait(self._root)
        try:
            bring_back_unpublished(catalog, self._root)
            refused = partial(receive_refused, pipeline, catalog)
            receive_delivery(check_inputs(pipeline, catalog, refused), catalog)
        except BaseException:
            self._lock.release()
            forget_kept(pipeline.nodes)
            raise
        for name in sorted(pipeline.all_outputs()):
            if make_ready := getattr(catalog.get(name), "make_ready", None):
                make_ready()
        begin_publishing(pipeline, catalog, self._root)

    @hook_impl
    def before_node_run(self) -> None:
        """Drop what earlier nodes left behind.

        Their tables hang in reference cycles of the libraries that checked them: without a collection they
        stay in memory until the next one happens to come.
        """
        gc.collect()

    @hook_impl
    def after_node_run(self, node: Node) -> None:
        """Keep nothing of a node that is done."""
        forget_kept([node])

    @hook_impl
    def on_pipeline_error(self, pipeline: Pipeline, catalog: DataCatalog) -> None:
        """Keep nothing of nodes that the run has not come to, and no files of what is not published."""
        with suppress(Exception):  # of any library; then the next run brings them back
            bring_back_unpublished(catalog, self._root)
        self._lock.release()
        forget_kept(pipeline.nodes)

    @hook_impl
    def after_pipeline_run(self, pipeline: Pipeline, catalog: DataCatalog) -> None:
        """End with a short table of what this run measured."""
        gc.unfreeze()
        forget_kept(pipeline.nodes)
        keep_published_files(pipeline, catalog, self._root)
        end_publishing(self._root)
        self._lock.release()
        summarise(load_metrics(pipeline, catalog), _report(pipeline, catalog))


def _report(pipeline: Pipeline, catalog: DataCatalog) -> str | None:
    """Where the report is that this run has written a section of."""
    from sales_forecast.datasets import (
        ReportSectionDataset,
    )  # imports pandas, and --help need not wait for it

    for name in sorted(pipeline.all_outputs()):
        if isinstance(catalog.get(name), ReportSectionDataset):
            return str(catalog.config_resolver.resolve_pattern(name)["filepath"])
    return None


def summarise(metrics: dict[str, Any], report: str | None) -> None:
    """Print the best method of each domain, its error against the simplest one's, and the report's place."""
    table = Table("domain", "best", "error", "simplest method's error", title="Where this leaves us")
    for domain, words in metrics.items():
        headline = words.get("headline")
        if headline:
            table.add_row(domain, headline["best"], headline["error"], headline["baseline"])
    console = Console()
    if table.row_count:
        console.print(table)
    if report:
        path = on_disk(report)
        link = report if path is None else path.absolute().as_uri()  # where a terminal knows links
        console.print(Text("Report: ") + Text(report, style=Style(link=link)), soft_wrap=True)
