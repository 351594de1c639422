"""Whether what follows ``kedro run`` names something that exists, before anything is started."""

from __future__ import annotations

import inspect
from collections.abc import Collection, Iterable, Mapping
from difflib import get_close_matches
from pathlib import Path
from typing import Any

from kedro.framework.project import pipelines
from kedro.pipeline import Pipeline
from kedro.utils import find_kedro_project, load_obj

from sales_forecast.errors import InputError
from sales_forecast.renamed import old_names_in_options


def check_run_options(options: Mapping[str, Any]) -> None:
    """Refuse names that do not exist: an environment, a runner, pipelines, nodes, tags, namespaces, datasets.

    Args:
        options: Options of ``kedro run`` by the names of its parameters.

    Raises:
        InputError: One does not exist, or together they select no node.
    """
    if any(old_names_in_options(options)):
        return  # RenamedHooks refuses them together with those in the configuration
    _check_environment(options["conf_source"], options["env"])
    _check_runner(options["runner"] or "SequentialRunner", options["runner_params"])
    names = [options["pipeline"]] if options["pipeline"] else options["pipelines"] or ["__default__"]
    _check("--pipelines", "pipeline", names, set(pipelines))
    chosen = sum((pipelines[name] for name in names), Pipeline([]))
    nodes = {node.name for node in chosen.nodes}
    _check("--nodes", "node", options["node_names"], nodes)
    _check("--from-nodes", "node", options["from_nodes"], nodes)
    _check("--to-nodes", "node", options["to_nodes"], nodes)
    _check("--from-inputs", "dataset", options["from_inputs"], chosen.datasets())
    _check("--to-outputs", "dataset", options["to_outputs"], chosen.datasets())
    _check("--tags", "tag", options["tags"], {tag for node in chosen.nodes for tag in node.tags})
    _check("--namespaces", "namespace", options["namespaces"], _namespaces(chosen))
    try:
        chosen.filter(
            tags=options["tags"],
            from_nodes=options["from_nodes"],
            to_nodes=options["to_nodes"],
            node_names=options["node_names"],
            from_inputs=options["from_inputs"],
            to_outputs=options["to_outputs"],
            node_namespaces=options["namespaces"],
        )
    except ValueError as error:
        raise InputError(f"these options together select no node: {error}") from error


def _check(option: str, kind: str, wanted: Iterable[str], known: Collection[str]) -> None:
    for name in wanted:
        if name not in known:
            raise InputError(f"{option}: there is no {kind} '{name}'{_suggestion(name, known)}")


def _suggestion(name: str, known: Collection[str]) -> str:
    last = {each for each in known if each.rpartition(".")[2] == name}
    near = sorted(last) or get_close_matches(name, known, n=3, cutoff=0.6)
    if near:
        return "; did you mean " + " or ".join(f"'{each}'" for each in near) + "?"
    if len(known) <= 20:
        return f"; there are: {', '.join(sorted(known))}."
    return ". To see all: kedro registry list, kedro registry describe, kedro catalog describe-datasets."


def _namespaces(chosen: Pipeline) -> set[str]:
    found: set[str] = set()
    for node in chosen.nodes:
        parts = (node.namespace or "").split(".")
        found |= {".".join(parts[: count + 1]) for count in range(len(parts))}
    return found - {""}


def _check_environment(conf_source: str | None, env: str | None) -> None:
    folder = Path(conf_source) if conf_source else (find_kedro_project(Path.cwd()) or Path.cwd()) / "conf"
    if env and folder.is_dir():  # an archive is Kedro's to read
        _check("--env", "environment", [env], [each.name for each in folder.iterdir() if each.is_dir()])


def _check_runner(name: str, given: Mapping[str, Any]) -> None:
    try:
        runner = load_obj(name, "kedro.runner")
    except (ImportError, AttributeError, ValueError) as error:
        known = "SequentialRunner, ParallelRunner, ThreadRunner, or the dotted path of your own"
        raise InputError(f"--runner: there is no runner '{name}' ({error}); there are: {known}.") from error
    try:
        inspect.signature(runner).bind_partial(**given)
    except TypeError as error:
        raise InputError(f"--runner-params: {name} does not take them: {error}.") from error
