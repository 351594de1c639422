"""Tracked runs whose process is gone: one that was killed cannot say so itself, and would stay RUNNING."""

from __future__ import annotations

import logging
import socket
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from mlflow import MlflowClient
    from mlflow.entities import Run

logger = logging.getLogger(__name__)

HOST, PID, STARTED = "process.host", "process.pid", "process.started"
"""Tags that name the process which makes a run. Process ids are used again, so its start belongs to it."""

SAME_START_SECONDS = 60
"""Start times are reckoned from the clock, which may be set while a process lives."""


def this_process() -> dict[str, str]:
    """Name this process, as tags of the run it makes."""
    import psutil

    process = psutil.Process()
    return {HOST: _host(), PID: str(process.pid), STARTED: f"{process.create_time():.2f}"}


def end_killed_runs(client: MlflowClient, experiment_id: str) -> list[str]:
    """End the runs of an experiment as KILLED whose process, on this host, lives no longer.

    Runs of other hosts, of processes that live, and of tools that do not tag them are left alone.

    Args:
        client: Client of the tracking server.
        experiment_id: The project's experiment.

    Returns:
        Ids of the runs that were ended, the trials within them first.
    """
    ended: list[str] = []
    for run in _running(client, experiment_id, f"tags.`{HOST}` = '{_host()}'"):
        if not _lives(run):
            trials = _running(client, experiment_id, f"tags.`mlflow.parentRunId` = '{run.info.run_id}'")
            ended += [each.info.run_id for each in (*trials, run)]
            logger.warning("Run %s is marked as KILLED: its process ended unseen.", run.info.run_id)
    for run_id in ended:
        client.set_terminated(run_id, "KILLED")
    return ended


def _running(client: MlflowClient, experiment_id: str, which: str) -> list[Run]:
    return list(client.search_runs([experiment_id], f"attributes.status = 'RUNNING' and {which}"))


def _lives(run: Run) -> bool:
    import psutil

    tags = run.data.tags
    try:
        process = psutil.Process(int(tags[PID]))
        is_same = abs(process.create_time() - float(tags[STARTED])) < SAME_START_SECONDS
        return bool(is_same and process.status() != psutil.STATUS_ZOMBIE)  # whose parent has not looked yet
    except psutil.NoSuchProcess:
        return False
    except (psutil.AccessDenied, KeyError, ValueError):  # another account's, or tagged by other hands
        return True


def _host() -> str:
    """This machine, or this container on it: only within one does a process id name a process."""
    namespace = Path("/proc/self/ns/pid")
    return " ".join([socket.gethostname(), *([str(namespace.readlink())] if namespace.is_symlink() else [])])
