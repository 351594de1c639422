"""What kedro-mlflow does not track by itself: flattened parameters, metrics and reports."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from kedro.framework.context import KedroContext
from kedro.framework.hooks import hook_impl
from kedro.pipeline import Pipeline


def flatten(tree: dict[str, Any], prefix: str = "") -> Iterator[tuple[str, Any]]:
    """Walk a nested dictionary: ``{"a": {"b": 1}}`` gives ``("a.b", 1)``."""
    for key, value in tree.items():
        if isinstance(value, dict):
            yield from flatten(value, f"{prefix}{key}.")
        else:
            yield f"{prefix}{key}", value


def read_metrics(reporting: Path, pipeline: Pipeline) -> dict[str, Any]:
    """Metrics of the lanes that this run has evaluated; older ones are another run's."""
    path = reporting / "metrics.json"
    content: dict[str, Any] = json.loads(path.read_text("utf-8")) if path.exists() else {}
    return {lane: part for lane, part in content.items() if f"{lane}.metrics" in pipeline.all_outputs()}


class TrackingHooks:
    """Kedro calls these by name."""

    def __init__(self) -> None:
        self._reporting = Path()
        self._parameters: dict[str, Any] = {}

    @hook_impl
    def after_context_created(self, context: KedroContext) -> None:
        """Take the parameters as written: kedro-mlflow would log a typed group as one string."""
        self._reporting = Path(context.project_path) / "data" / "08_reporting"
        self._parameters = context.config_loader["parameters"]

    @hook_impl(trylast=True)
    def before_pipeline_run(self) -> None:
        """Log every parameter under its YAML path, once kedro-mlflow has begun a run."""
        import mlflow

        if mlflow.active_run() is not None:
            mlflow.log_params(dict(flatten(self._parameters)))

    @hook_impl(tryfirst=True)
    def after_pipeline_run(self, pipeline: Pipeline) -> None:
        """Log metrics, charts, answers and the report before kedro-mlflow ends the run."""
        import mlflow

        if mlflow.active_run() is None:  # tracking is switched off
            return
        numbers = {
            name: value
            for name, value in flatten(read_metrics(self._reporting, pipeline))
            if isinstance(value, int | float) and not isinstance(value, bool)
        }
        mlflow.log_metrics(numbers)
        for path in sorted(self._reporting.rglob("*")):
            if path.is_file() and not path.name.startswith("."):
                folder = Path("reporting") / path.parent.relative_to(self._reporting)
                mlflow.log_artifact(str(path), folder.as_posix())
