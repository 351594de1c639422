"""What kedro-mlflow does not track by itself: where a run came from, what it measured, what it made."""

from __future__ import annotations

import hashlib
import logging
import os
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Any

from kedro.framework.context import KedroContext
from kedro.framework.hooks import hook_impl
from kedro.framework.project import pipelines
from kedro.io import DataCatalog
from kedro.pipeline import Pipeline

from sales_forecast.artifacts import layer_of, log_files
from sales_forecast.ecs import process_fields
from sales_forecast.errors import InputError
from sales_forecast.unfinished_runs import end_killed_runs, this_process

if TYPE_CHECKING:
    import pandas as pd
    from mlflow import MlflowClient
    from mlflow.entities import Run

logger = logging.getLogger(__name__)

SECONDS_TO_ANSWER = 5

OF_THE_IMAGE = {
    "git_commit": "SALES_FORECAST_COMMIT",
    "git_dirty": "SALES_FORECAST_DIRTY",
    "requirements_lock": "SALES_FORECAST_LOCK",
}
"""Tag -> environment variable that deploy/images/Dockerfile sets."""

SHARED_RUN = "MLFLOW_RUN_ID"
"""Environment variable by which MLflow goes on with a run that was begun before."""

_run: dict[str, str | None] = {"id": None}
"""The tracked run of this process; MLflow itself knows it in one thread only."""


def is_off() -> bool:
    """Whether the project was told to go on without a tracking server that does not answer."""
    return "off" in _run


def run_id() -> str | None:
    """The tracked run that is under way."""
    return _run["id"]


@contextmanager
def same_run() -> Iterator[None]:
    """Log with the run that is under way, from any thread; with one of its own where there is none."""
    import mlflow

    if mlflow.active_run() is not None:
        yield
        return
    with mlflow.start_run(run_id=run_id()):
        yield


def flatten(tree: dict[str, Any], prefix: str = "") -> Iterator[tuple[str, Any]]:
    """Walk a nested dictionary: ``{"a": {"b": 1}}`` gives ``("a.b", 1)``."""
    for key, value in tree.items():
        if isinstance(value, dict):
            yield from flatten(value, f"{prefix}{key}.")
        else:
            yield f"{prefix}{key}", value


def load_metrics(pipeline: Pipeline, catalog: DataCatalog) -> dict[str, Any]:
    """Metrics of the domains that this run has evaluated, by domain; older ones are another run's."""
    made = sorted(name for name in pipeline.all_outputs() if name.endswith(".metrics"))
    return {name.removesuffix(".metrics"): catalog.load(name) for name in made}


def code_version(project: Path) -> dict[str, str]:
    """Commit, whether files differ from it, and a hash of the pinned libraries, as tags.

    An image has neither a repository nor the lock file: there its environment says it.
    """

    def git(*arguments: str) -> str | None:
        command = ["git", "-C", str(project), *arguments]
        try:
            done = subprocess.run(command, capture_output=True, text=True, check=True)
        except (OSError, subprocess.CalledProcessError):
            return None
        return done.stdout.strip()

    tags = {}
    commit = git("rev-parse", "HEAD")
    if commit is not None:
        tags = {"git_commit": commit, "git_dirty": str(bool(git("status", "--porcelain"))).lower()}
    lock = project / "requirements.lock"
    if lock.exists():
        tags["requirements_lock"] = hashlib.sha256(lock.read_bytes()).hexdigest()
    return {tag: os.environ[name] for tag, name in OF_THE_IMAGE.items() if name in os.environ} | tags


def does_not_answer(uri: str) -> str | None:
    """Why a tracking server does not answer; None if it does, or is a file of ours."""
    if not uri.startswith(("http://", "https://")):
        return None
    from http.client import HTTPException
    from urllib.error import HTTPError
    from urllib.parse import urlsplit
    from urllib.request import urlopen

    place = urlsplit(uri)
    health = place._replace(netloc=place.netloc.rpartition("@")[2], path=f"{place.path.rstrip('/')}/health")
    try:
        with urlopen(health.geturl(), timeout=SECONDS_TO_ANSWER):
            return None
    except HTTPError as error:  # one that wants to know who asks is there
        return None if error.code in {401, 403} else str(error.reason)
    except (OSError, HTTPException) as error:
        return str(getattr(error, "reason", error))


def find_run(client: MlflowClient, run_id: str) -> Run:
    """A tracked run by its id.

    Raises:
        InputError: There is no such run.
    """
    from mlflow.exceptions import MlflowException

    try:
        return client.get_run(run_id)
    except MlflowException as error:
        raise InputError(f"there is no run {run_id}: {error.message}") from error


def _check_shared_run(uri: str, parameters: dict[str, Any]) -> None:
    """See that this process may go on with the run that several commands share.

    Raises:
        InputError: There is no such run, or it has other parameters.
    """
    shared = os.environ.get(SHARED_RUN)
    if not shared:
        return
    from mlflow import MlflowClient
    from mlflow.utils.validation import MAX_PARAM_VAL_LENGTH

    known = find_run(MlflowClient(tracking_uri=uri), shared).data.params
    for name, value in flatten(parameters):
        now = str(value)[:MAX_PARAM_VAL_LENGTH]
        if known.get(name, now) != now:
            raise InputError(
                f"{SHARED_RUN}: run {shared} has {name} = {known[name]}, now it is {now}: "
                "begin another one (sales-forecast runs begin), as one run has one set of parameters"
            )


def _end_interrupted_run() -> None:
    """End the run that Ctrl-C has left open in this process: the next one would go on with it."""
    if run_id() is None:
        return
    import mlflow

    run = mlflow.active_run()
    if run is not None and run.info.run_id == run_id():
        mlflow.end_run("KILLED")


class TrackingHooks:
    """Kedro calls these by name."""

    def __init__(self) -> None:
        self._project = Path()
        self._parameters: dict[str, Any] = {}

    @hook_impl(tryfirst=True)
    def after_context_created(self, context: KedroContext) -> None:
        """Take the parameters as written, and see that the tracking server is there before anything is done.

        Raises:
            InputError: It does not answer, and ``mlflow.required`` is true; or the run that was begun before
                cannot be gone on with.
        """
        self._project = Path(context.project_path)
        self._parameters = context.config_loader["parameters"]
        _end_interrupted_run()
        _run.update(id=None)
        _run.pop("off", None)
        if find_spec("mlflow") is None:
            _run["off"] = "MLflow is not installed"
            logger.info("MLflow is not installed: this run is not tracked.")
            return
        uri = context.config_loader["mlflow"]["server"]["mlflow_tracking_uri"]
        reason = does_not_answer(uri)
        if reason is None:
            _check_shared_run(uri, self._parameters)
            return
        if self._parameters.get("mlflow", {}).get("required", True):
            raise InputError(
                f"the tracking server {uri} does not answer: {reason}. Start it, name another one in "
                "conf/<env>/mlflow.yml, or go on without: kedro run --params mlflow.required=false"
            )
        logger.warning(
            "The tracking server %s does not answer (%s): this run is not tracked, and its models are not "
            "registered (mlflow.required: false).",
            uri,
            reason,
        )
        _run["off"] = reason
        context.config_loader["mlflow"] = {
            "server": {"mlflow_tracking_uri": f"sqlite:///{self._project.as_posix()}/mlflow.db"},
            "tracking": {"disable_tracking": {"pipelines": list(pipelines)}},
        }

    @hook_impl(trylast=True)
    def before_pipeline_run(self) -> None:
        """Log every parameter under its YAML path, once kedro-mlflow has begun a run."""
        if is_off():
            return
        import mlflow

        run = mlflow.active_run()
        if run is None:
            return
        _run["id"] = process_fields["labels.run_id"] = run.info.run_id
        mlflow.set_tags(this_process())
        end_killed_runs(mlflow.MlflowClient(), run.info.experiment_id)
        mlflow.log_params(dict(flatten(self._parameters)))
        mlflow.set_tags(code_version(self._project))

    @hook_impl(tryfirst=True)
    def after_pipeline_run(self, pipeline: Pipeline, catalog: DataCatalog) -> None:
        """Log metrics, charts, answers and the report before kedro-mlflow ends the run."""
        if is_off():
            return
        import mlflow

        if mlflow.active_run() is None:  # tracking is switched off
            return
        numbers = {
            name: value
            for name, value in flatten(load_metrics(pipeline, catalog))
            if isinstance(value, int | float) and not isinstance(value, bool)
        }
        mlflow.log_metrics(numbers)
        if "turnover.scores" in pipeline.all_outputs():
            _log_parts(catalog.load("turnover.scores"))
        if "turnover.backtest" in pipeline.all_outputs():
            log_files(["turnover.backtest"], catalog)
        made = pipelines["__default__"].all_outputs() | pipeline.all_outputs()
        for name in sorted(name for name in made if name.endswith(".data_version") and catalog.exists(name)):
            domain = name.removesuffix(".data_version")
            log_files([name], catalog, f"data/{domain}")
            data = catalog.load(name)
            mlflow.set_tags({f"data_version.{domain}": data.version, f"retailer.{domain}": data.retailer})
        log_files([name for name in made if layer_of(name, catalog) == "reporting"], catalog, "reporting")


def _log_parts(scores: pd.DataFrame) -> None:
    """WAPE by method and department, and over the weeks ahead, which are steps of one metric."""
    import mlflow

    keys = ["method", "department", "horizon"]
    for row in scores.groupby(keys)["wape"].mean().dropna().reset_index().to_dict("records"):
        method, department, horizon = (row[key] for key in keys)
        if horizon:
            mlflow.log_metric(f"turnover.{method}.by_horizon.wape", row["wape"], step=int(horizon))
        elif department != "all":
            mlflow.log_metric(f"turnover.{method}.department.{_as_name(department)}.wape", row["wape"])


def _as_name(label: str) -> str:
    """A label without what MLflow forbids in names."""
    return "".join(sign if sign.isalnum() or sign in "_-. /" else "_" for sign in label)
