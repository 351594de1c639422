"""The inputs of a run are checked, and whose they are is found, before anything is written."""

from __future__ import annotations

import functools
import logging
from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Any

from kedro.io import DataCatalog, DatasetError
from kedro.pipeline import Node, Pipeline
from kedro.validation.exceptions import DataValidationError

from sales_forecast.errors import InputError

logger = logging.getLogger(__name__)

CHECKED_FIRST = "checked_first"
"""Tag of the nodes that read raw files or question parameters, and stop the run if something is wrong."""

RETAILER = ".retailer"
"""How the names of the datasets end that say whose files a run has read."""


class _Kept:
    """A node's function that has been called already: the run takes what it gave."""

    def __init__(self, function: Callable[..., Any]) -> None:
        functools.update_wrapper(self, function)
        self.function = function
        self._results: list[Any] = []

    def __call__(self, *tables: Any, **named: Any) -> Any:
        """Call the function; the second time, give what it gave the first time."""
        if self._results:
            return self._results.pop()
        self._results.append(self.function(*tables, **named))
        return self._results[0]


def check_inputs(
    pipeline: Pipeline,
    catalog: DataCatalog,
    refused: Callable[[Node, InputError], object] = lambda node, error: None,
) -> dict[str, Any]:
    """Run the checking nodes in memory, so that bad input stops the run before any output changes.

    The run itself calls them again, which then give the tables they have made here. Turnover comes first:
    its series tell whose files these are, and campaigns, which have no keys, belong to the same retailer.

    Args:
        pipeline: What is run.
        catalog: Where the datasets are declared.
        refused: Is told which node has found an error, before it is raised.

    Returns:
        What the nodes have made, by the names of their outputs.

    Raises:
        InputError: A raw file cannot be read or breaks its contract, or parameters cannot work together.
    """
    tables: dict[str, Any] = {}
    results: dict[str, Any] = {}
    checking = pipeline.only_nodes_with_tags(CHECKED_FIRST).nodes
    try:
        for node in sorted(checking, key=lambda node: "turnover" not in node.tags):
            try:
                tables |= {name: _load(name, catalog) for name in node.inputs if name not in tables}
                node.func = _Kept(node.func)
                made = node.run({name: tables[name] for name in node.inputs})
            except InputError as error:
                refused(node, error)
                raise
            if not any(name.endswith(RETAILER) for name in tables):
                _tell_retailer(made, pipeline, catalog)
            tables |= made
            results |= made
    except Exception:
        forget_kept(pipeline.nodes)
        raise
    return results


def _tell_retailer(made: Mapping[str, Any], pipeline: Pipeline, catalog: DataCatalog) -> None:
    """Tell the datasets of this run whose models they are to load and save, once that is known."""
    for retailer in (found for name, found in made.items() if name.endswith(RETAILER)):
        for name in sorted(pipeline.datasets()):
            if belong_to := getattr(catalog.get(name), "belong_to", None):
                belong_to(retailer.name)
        logger.info("%s", retailer)
        _warn_of_others(retailer.name, pipeline, catalog)


def _warn_of_others(retailer: str, pipeline: Pipeline, catalog: DataCatalog) -> None:
    """Say which domain of ``data/`` and of the report belongs to another retailer after this run."""
    stated = [name for name in catalog.keys() if name.endswith(RETAILER)]  # noqa: SIM118 - no dictionary
    for name in sorted(set(stated) - pipeline.all_outputs()):
        if catalog.exists(name) and (other := catalog.load(name).name) != retailer:
            logger.warning(
                "The %s results in data/ and in the report are still those of retailer '%s'; run this "
                "domain, too, or everything.",
                *(name.removesuffix(RETAILER), other),
            )


def forget_kept(nodes: Iterable[Node]) -> None:
    """Let nodes call their functions again: all runs of a process share them."""
    for node in nodes:
        if isinstance(node.func, _Kept):
            node.func = node.func.function


def _load(name: str, catalog: DataCatalog) -> Any:
    try:
        return catalog.load(name)
    except (DataValidationError, DatasetError) as error:
        causes = list(_causes(error))
        for said in causes:
            if isinstance(said, InputError):
                raise said from error
        if isinstance(error, DataValidationError):
            raise
        cause = causes[-1]
        source = catalog.config_resolver.resolve_pattern(name)
        path = source.get("filepath", name)
        from sales_forecast.contracts import DataContractError  # pandera: only when it is needed
        from sales_forecast.contracts.headers import why_unreadable

        reading = f"{name.split('.', maxsplit=1)[0]}.read_csv"
        if ".raw_" in name and (reason := why_unreadable(cause, path, source.get("load_args", {}), reading)):
            raise DataContractError(f"{path}: {reason}") from error
        remedy = "Save it as a CSV file in UTF-8, complete, and compressed if its name ends in .gz."
        missing = isinstance(cause, FileNotFoundError) or "PATH_NOT_FOUND" in str(cause)
        denied = isinstance(cause, PermissionError)
        if denied:
            remedy = "Let this process read it."
        elif missing:
            remedy = (
                "Put the file there, or say where your files are: kedro run --params raw_folder=FOLDER, "
                "or raw_folder in globals.yml of your environment (conf/local/ without --env)."
                if ".raw_" in name
                else "Run the stages before this one first, or everything: kedro run."
            )
        kind = DataContractError if ".raw_" in name and not (missing or denied) else InputError
        raise kind(f"{path} cannot be read: {cause}. {remedy}") from error


def _causes(error: BaseException) -> Iterator[BaseException]:
    """The error and what it came from, innermost last."""
    yield error
    while (deeper := error.__cause__ or error.__context__) is not None:
        error = deeper
        yield error
