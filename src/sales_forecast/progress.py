"""How far a run is: one line for each stage of a domain, when its last node is done."""

from __future__ import annotations

import logging
from collections import Counter
from time import perf_counter

from kedro.framework.hooks import hook_impl
from kedro.pipeline import Node, Pipeline

logger = logging.getLogger(__name__)


class ProgressHooks:
    """Kedro calls these by name."""

    def __init__(self) -> None:
        self._nodes: Counter[str] = Counter()
        self._left: Counter[str] = Counter()
        self._seconds: dict[str, float] = {}
        self._began: dict[str, float] = {}
        self._done = 0

    @hook_impl(trylast=True)
    def before_pipeline_run(self, pipeline: Pipeline) -> None:
        """Count the nodes of each stage, once the inputs are checked."""
        self._nodes = Counter(_stage(node) for node in pipeline.nodes)
        self._left, self._done = self._nodes.copy(), 0
        self._seconds, self._began = dict.fromkeys(self._nodes, 0.0), {}
        logger.info("The input is checked. Nodes: %s, stages: %s.", len(pipeline.nodes), len(self._nodes))

    @hook_impl
    def before_node_run(self, node: Node) -> None:
        """Start the clock."""
        self._began[node.name] = perf_counter()

    @hook_impl
    def after_node_run(self, node: Node) -> None:
        """Tell of the stage if this was its last node. Another process's nodes are not counted."""
        stage = _stage(node)
        if not self._left[stage]:
            return
        self._left[stage] -= 1
        self._seconds[stage] += perf_counter() - self._began[node.name]
        if not self._left[stage]:
            self._done += 1
            logger.info(
                "%2d/%d  %-28s %2d nodes %6.1f s",
                *(self._done, len(self._nodes), stage, self._nodes[stage], self._seconds[stage]),
                extra={"event.duration": int(self._seconds[stage] * 1e9)},
            )


def _stage(node: Node) -> str:
    return " ".join((node.namespace or node.name).split(".")[:2])
