"""The stages of both domains, each a table of contents over pure functions."""

from collections.abc import Callable, Iterable
from typing import Any

from kedro.pipeline import Node, Pipeline

from sales_forecast.pipelines.inputs import inputs_of


def step(
    function: Callable[..., Any],
    outputs: str | list[str] | None = None,
    *,
    tags: str | None = None,
    **renamed: str,
) -> Node:
    """Make a node that is called like its function, so that ``kedro run --nodes`` can be typed.

    Args:
        function: Function of the node; its parameters name the inputs, see ``inputs_of``.
        outputs: Names of the datasets that it returns.
        tags: Tags of the node.
        renamed: Parameter -> dataset or ``params:`` name, where the two are not equal.
    """
    return Node(function, inputs_of(function, renamed), outputs, name=function.__name__, tags=tags)


def domain_stage(domain: str, stage: str, nodes: Iterable[Node]) -> Pipeline:
    """Put the nodes of one stage into their domain's box, and tag them with domain and stage.

    Args:
        domain: ``turnover`` or ``marketing``; prefixes nodes, datasets and parameters.
        stage: The box inside the domain; prefixes nodes only, so that dataset names stay short.
        nodes: Nodes with names local to the domain.

    Returns:
        A pipeline with nodes ``domain.stage.node`` and datasets ``domain.dataset``. ``kedro run --tags`` and
        the filters of kedro-viz know the nodes by ``domain`` and by ``stage``.
    """
    inner = Pipeline(nodes, namespace=stage, prefix_datasets_with_namespace=False, tags=[domain, stage])
    return Pipeline(inner, namespace=domain)
