"""The stages of both domains, each a table of contents over pure functions."""

from collections.abc import Callable, Iterable
from typing import Any

from kedro.pipeline import Node, Pipeline


def step(
    function: Callable[..., Any],
    inputs: list[str],
    outputs: str | list[str] | None,
    tags: str | None = None,
) -> Node:
    """Make a node that is called like its function, so that ``kedro run --nodes`` can be typed."""
    return Node(function, inputs, outputs, name=function.__name__, tags=tags)


def domain_stage(domain: str, stage: str, nodes: Iterable[Node]) -> Pipeline:
    """Put the nodes of one stage into their domain's box.

    Args:
        domain: ``turnover`` or ``marketing``; prefixes nodes, datasets and parameters.
        stage: The box inside the domain; prefixes nodes only, so that dataset names stay short.
        nodes: Nodes with names local to the domain.

    Returns:
        A pipeline with nodes ``domain.stage.node`` and datasets ``domain.dataset``.
    """
    inner = Pipeline(nodes, namespace=stage, prefix_datasets_with_namespace=False)
    return Pipeline(inner, namespace=domain)
