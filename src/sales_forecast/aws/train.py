"""``train``: a training job of SageMaker, which is a run of Kedro under the contract of ``/opt/ml``.

SageMaker starts the image with the word ``train``. It has laid down hyperparameters, and a folder for each
channel of input. It collects the model, the output, and the message of a failure.
"""

from __future__ import annotations

import json
import logging
import os
import shutil
import signal
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any, cast

import click

from sales_forecast.aws.artifact import Served, export
from sales_forecast.aws.project import project_copy, run_kedro, told
from sales_forecast.errors import InputError

logger = logging.getLogger(__name__)

ROOT = "/opt/ml"

RAW = "raw"
"""The only channel: raw files as in ``data/01_raw``. Without it, tables come from where the catalog says."""

PIPELINES, TAGS = "pipelines", "tags"
"""Hyperparameters that say what is run; all others are parameters of the project."""

COMPETITION = "modelling,evaluation,registration"
NOTHING = "none"
"""Only exports what serves, such as after a promotion by hand."""

FAILURE_CHARACTERS = 1024
"""So much of the message DescribeTrainingJob shows as FailureReason."""


@dataclass(frozen=True)
class Job:
    """What SageMaker has laid down.

    Args:
        root: ``/opt/ml``.
    """

    root: Path

    @property
    def model(self) -> Path:
        """Folder that becomes ``model.tar.gz``."""
        return self.root / "model"

    @property
    def output(self) -> Path:
        """Folder of ``data``, which becomes ``output.tar.gz``, and of ``failure``."""
        return self.root / "output"

    def _config(self, name: str) -> dict[str, Any]:
        file = self.root / "input" / "config" / f"{name}.json"
        return cast("dict[str, Any]", json.loads(file.read_text())) if file.exists() else {}

    def hyperparameters(self) -> dict[str, Any]:
        """Read the hyperparameters, whose values come as texts, as ``kedro run --params`` reads its own."""
        from omegaconf import OmegaConf

        given = [f"{name}={value}" for name, value in self._config("hyperparameters").items()]
        return cast("dict[str, Any]", OmegaConf.to_container(OmegaConf.from_dotlist(given)))

    def raw_folder(self) -> Path | None:
        """Find the raw files; None if the job has no such channel.

        Raises:
            InputError: There are several machines, or a channel is unknown or empty.
        """
        hosts = self._config("resourceconfig").get("hosts", [])
        if len(hosts) > 1:
            raise InputError(
                f"the job has {len(hosts)} machines, which would all train the same; set InstanceCount: 1"
            )
        channels = sorted(self._config("inputdataconfig"))
        if unknown := [name for name in channels if name != RAW]:
            raise InputError(f"there is no channel '{unknown[0]}'; raw files are in the channel '{RAW}'")
        folder = self.root / "input" / "data" / RAW
        if not channels:
            return None
        if not folder.is_dir() or not any(folder.iterdir()):
            raise InputError(f"the channel '{RAW}' is empty: its S3Uri must name the folder of the raw files")
        return folder


def train(root: Path) -> int:
    """Run a job.

    Args:
        root: ``/opt/ml``.

    Returns:
        Exit code: 0, or 1 with the reason in ``output/failure``.
    """
    job = Job(root)
    try:
        _train(job)
    except (Exception, KeyboardInterrupt) as error:
        job.output.mkdir(parents=True, exist_ok=True)
        (job.output / "failure").write_text(told(error)[:FAILURE_CHARACTERS], encoding="utf-8")
        print(f"Error: {told(error)}", file=sys.stderr)
        if not isinstance(error, InputError | click.ClickException | click.Abort | KeyboardInterrupt):
            logger.exception("The training job failed")
        return 1
    return 0


def _train(job: Job) -> None:
    raw = job.raw_folder()
    params = job.hyperparameters()
    # without raw files, they were processed before
    pipelines = str(params.pop(PIPELINES, COMPETITION if raw is None else "__default__"))
    tags = str(params.pop(TAGS, ""))
    if raw is not None:
        params["raw_folder"] = str(raw)
    if name := os.environ.get("TRAINING_JOB_NAME"):
        os.environ.setdefault("MLFLOW_RUN_NAME", name)  # the run in MLflow is called as the job
    with project_copy() as folder:
        before = Served.now()
        if pipelines != NOTHING:
            run_kedro(params, pipelines=pipelines, tags=tags)
        outcome = export(job.model, before)
        if (reports := folder / "data" / "08_reporting").is_dir():
            shutil.copytree(reports, job.output / "data", dirs_exist_ok=True)
    print(f"Model: {outcome.model_dump_json()}")


def main() -> None:
    """Run the job of this container."""
    # the first process of a container would not be stopped by SIGTERM, and be killed two minutes later
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    sys.exit(train(Path(sys.argv[1] if len(sys.argv) > 1 else ROOT)))


if __name__ == "__main__":
    main()
