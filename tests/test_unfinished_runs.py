"""Runs that a killed process left open, on a real store."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator

import mlflow
import pytest
from mlflow import MlflowClient

from sales_forecast import tracking
from sales_forecast.unfinished_runs import HOST, PID, STARTED, end_killed_runs, this_process

BEGIN = """
import sys, time
from mlflow import MlflowClient
from sales_forecast.unfinished_runs import this_process
client = MlflowClient(tracking_uri=sys.argv[1])
run = client.create_run("0", tags=this_process()).info.run_id
client.create_run("0", tags={"mlflow.parentRunId": run})
print(run, flush=True)
time.sleep(300)
"""


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> str:
    """A tracking store in SQLite; its default experiment is number 0."""
    return f"sqlite:///{tmp_path_factory.mktemp('store')}/mlflow.db"


@pytest.fixture(scope="module")
def client(store: str) -> MlflowClient:
    return MlflowClient(tracking_uri=store)


@pytest.fixture
def begun(store: str, client: MlflowClient) -> Iterator[tuple[subprocess.Popen[str], str]]:
    """A process of its own that has begun a run, and the run."""
    process = subprocess.Popen(
        [sys.executable, "-c", BEGIN, store],
        stdout=subprocess.PIPE,
        text=True,
        env=os.environ | {"MLFLOW_CONFIGURE_LOGGING": "false"},
    )
    with process:
        assert process.stdout is not None
        yield process, process.stdout.readline().strip()
        process.kill()


def status(client: MlflowClient, run_id: str) -> str:
    return str(client.get_run(run_id).info.status)


def test_a_run_ends_as_killed_once_its_process_is_gone(
    client: MlflowClient, begun: tuple[subprocess.Popen[str], str]
) -> None:
    process, run_id = begun
    assert end_killed_runs(client, "0") == []
    assert status(client, run_id) == "RUNNING"

    process.send_signal(signal.SIGKILL)
    deadline = time.monotonic() + 30
    while not (ended := end_killed_runs(client, "0")) and time.monotonic() < deadline:
        time.sleep(0.05)  # nobody has waited for it: it is a zombie by now
    assert ended[-1] == run_id
    assert len(ended) == 2, "with the trial in it"
    assert [status(client, one) for one in ended] == ["KILLED", "KILLED"]
    assert end_killed_runs(client, "0") == []


@pytest.mark.parametrize(
    ("tags", "is_ended"),
    [
        ({}, False),
        ({STARTED: "1000000000.00"}, True),  # the same process id, of a process that started long ago
        ({PID: str(2**22 + 1)}, True),  # more than Linux ever gives
        ({PID: str(2**22 + 1), HOST: "another pid:[1]"}, False),
        ({PID: "", STARTED: ""}, False),
    ],
)
def test_only_runs_of_this_host_whose_process_is_not_there_are_ended(
    client: MlflowClient, tags: dict[str, str], is_ended: bool
) -> None:
    run_id = client.create_run("0", tags=this_process() | tags).info.run_id
    assert end_killed_runs(client, "0") == [run_id] * is_ended
    client.set_terminated(run_id)


def test_a_run_of_another_tool_is_left_alone(client: MlflowClient) -> None:
    run_id = client.create_run("0").info.run_id
    assert end_killed_runs(client, "0") == []
    assert status(client, run_id) == "RUNNING"


def test_a_run_that_the_keyboard_stopped_is_not_gone_on_with(
    store: str, client: MlflowClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = mlflow.get_tracking_uri()
    mlflow.set_tracking_uri(store)
    try:
        interrupted = mlflow.start_run(experiment_id="0").info.run_id
        monkeypatch.setitem(tracking._run, "id", interrupted)
        tracking._end_interrupted_run()
        assert mlflow.active_run() is None
        assert status(client, interrupted) == "KILLED"

        with mlflow.start_run(experiment_id="0") as own:  # begun by the user, who wants one run for more
            tracking._end_interrupted_run()
            assert mlflow.active_run().info.run_id == own.info.run_id
    finally:
        mlflow.set_tracking_uri(before)
