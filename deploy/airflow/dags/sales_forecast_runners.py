"""Where a command runs: in the project's folder, in a container, or in a pod. All of them are text for bash.

Knows neither Airflow nor sales_forecast. What a caller may choose, such as the folder of a delivery, comes as
an environment variable and is never part of the text.
"""

from __future__ import annotations

import json
import shlex
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

PASSED_ON = ("FOLDER", "MLFLOW_RUN_ID", "MLFLOW_RUN_NAME")
"""Variables that a task sets and its command reads."""

SECRETS_PATH = "/run/secrets"


@dataclass(frozen=True)
class Runner:
    """Where commands run, as environment variables of Airflow say; docs/airflow.md has them in a table.

    Args:
        kind: ``bash``, ``docker`` or ``kubernetes``.
        project: Folder of the project, in which bash runs its commands.
        conf: Folder in ``conf/``; empty for the project's default.
        images: Name of the images, in which ``{part}`` is ``processor`` or ``trainer``.
        variables: Names of environment variables that containers and pods get.
        secrets: Folder (docker) or Secret (kubernetes) that is mounted at ``/run/secrets``.
        volumes: ``name:path`` each; the name is a volume or a folder (docker), or a claim (kubernetes).
        network: Of docker.
        namespace: Of kubernetes.
    """

    kind: str
    project: str
    conf: str = ""
    images: str = "sales_forecast/{part}:latest"
    variables: tuple[str, ...] = ()
    secrets: str = ""
    volumes: tuple[str, ...] = ()
    network: str = ""
    namespace: str = "default"

    @classmethod
    def from_environment(cls, environment: Mapping[str, str]) -> Runner:
        """Read the variables of Airflow.

        Raises:
            ValueError: ``DAG_RUNNER`` is none of the three.
        """
        kind = environment.get("DAG_RUNNER", "bash")
        if kind not in WRAPPERS:
            raise ValueError(f"DAG_RUNNER is '{kind}'; it can be {', '.join(WRAPPERS)}")
        project = environment.get("SALES_FORECAST_PROJECT") or str(Path(__file__).resolve().parents[3])
        return cls(
            kind,
            project,
            conf=environment.get("SALES_FORECAST_ENV", ""),
            images=environment.get("DAG_RUNNER_IMAGES", cls.images),
            variables=tuple(environment.get("DAG_RUNNER_VARIABLES", "").split()),
            secrets=environment.get("DAG_RUNNER_SECRETS", ""),
            volumes=tuple(environment.get("DAG_RUNNER_VOLUMES", "").split()),
            network=environment.get("DAG_RUNNER_NETWORK", ""),
            namespace=environment.get("DAG_RUNNER_NAMESPACE", cls.namespace),
        )

    def command(self, words: str, part: str) -> str:
        """What bash is to run.

        Args:
            words: A command of the project; ``{conf}`` in it becomes the option ``--env``, or nothing.
            part: The image that has what it needs, ``processor`` or ``trainer``.
        """
        words = words.replace(" {conf}", f" --env {shlex.quote(self.conf)}" if self.conf else "")
        return WRAPPERS[self.kind](self, words, self.images.format(part=part))


def _bash(runner: Runner, words: str, image: str) -> str:
    return f".venv/bin/{words}"


def _docker(runner: Runner, words: str, image: str) -> str:
    options = [f"--env {name}" for name in (*PASSED_ON, *runner.variables)]
    if runner.network:
        options.append(f"--network {shlex.quote(runner.network)}")
    options += [f"--volume {shlex.quote(volume)}" for volume in runner.volumes]
    if runner.secrets:
        options.append(f"--volume {shlex.quote(f'{runner.secrets}:{SECRETS_PATH}:ro')}")
    return " ".join(["docker run --rm --init", *options, shlex.quote(image), words])


def _kubernetes(runner: Runner, words: str, image: str) -> str:
    """A pod that is attached to, so that its lines and its exit code are those of the command."""
    options = [f'--env="{name}=${name}"' for name in (*PASSED_ON, *runner.variables)]
    claims = dict(volume.split(":", 1) for volume in runner.volumes)
    volumes: list[dict[str, object]] = [
        {"name": claim, "persistentVolumeClaim": {"claimName": claim}} for claim in claims
    ]
    mounts: list[dict[str, object]] = [{"name": claim, "mountPath": path} for claim, path in claims.items()]
    if runner.secrets:
        volumes.append({"name": "secrets", "secret": {"secretName": runner.secrets}})
        mounts.append({"name": "secrets", "mountPath": SECRETS_PATH, "readOnly": True})
    if volumes:
        container = {"name": "@pod@", "volumeMounts": mounts}
        overrides = json.dumps({"spec": {"volumes": volumes, "containers": [container]}})
        quoted = shlex.quote(overrides).replace("@pod@", "'\"$pod\"'")
        options.append(f"--override-type=strategic --overrides={quoted}")
    namespace = f"--namespace {shlex.quote(runner.namespace)}"
    return (
        'pod="sales-forecast-$(date +%s)-$RANDOM"; '
        f"trap 'kubectl delete pod \"$pod\" {namespace} --ignore-not-found --wait=false >/dev/null' EXIT; "
        f'kubectl run "$pod" {namespace} --image={shlex.quote(image)} --restart=Never --attach --quiet '
        f"--pod-running-timeout=10m {' '.join(options)} --command -- {words}"
    )


WRAPPERS = {"bash": _bash, "docker": _docker, "kubernetes": _kubernetes}
