"""The whole chain: containers from nothing to a forecast over HTTP, a new version, failures, a backup.

The tests build on each other, in this order.
"""

import json
import os
import signal
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from time import perf_counter

import httpx
import pandas as pd
import pytest

from services import wait_until
from stacks import Stack

Told = Callable[[str, float], None]


def test_what_the_servers_take_while_nothing_is_asked(stack: Stack, told: Told) -> None:
    limits = {"api-a": 400, "mlflow": 600, "postgres": 300}
    for service, limit in limits.items():
        pid = stack.containers.podman("inspect", stack.of(service), "--format", "{{.State.Pid}}")
        megabytes = sum(map(_proportional_megabytes, _with_children(int(pid))))
        told(f"MB of memory, {service}", megabytes)
        assert megabytes <= limit


def test_the_api_answers_what_the_trainer_has_written(stack: Stack) -> None:
    written = pd.read_parquet(stack.volume("data") / "07_model_output/turnover/forecasts.parquet")
    row = written.iloc[-1]
    with stack.client as client:
        answer = client.get(
            "/v1/turnover/forecasts", params={"store": row["store"], "department": row["department"]}
        ).raise_for_status()
    stored = {one["week"]: one for one in answer.json()["forecasts"]}[f"{row['week']:%Y-%m-%d}"]
    for column in ("forecast", "lo_80", "hi_80", "lo_95", "hi_95"):
        assert stored[column] == pytest.approx(row[column], rel=1e-9)


def test_live_predictions_come_from_the_model_on_the_server(stack: Stack) -> None:
    with stack.client as client:
        answer = client.post("/v1/marketing/predict", json={"budgets": [50.0, 150.0]}).raise_for_status()
    assert answer.json()["model_version"] == "1"
    assert answer.json()["predictions"][0]["sales"] < answer.json()["predictions"][1]["sales"]


def test_a_run_knows_the_commit_that_its_image_was_built_from(stack: Stack) -> None:
    listed = stack.do("run", "sales-forecast", "ledger", "list", "--env", "postgres")
    commit = stack.containers.podman(
        "inspect",
        stack.of("api-a"),
        "--format",
        '{{index .Config.Labels "org.opencontainers.image.revision"}}',
    )
    assert commit[:7] in listed


def test_no_password_is_in_the_environment_or_the_command_of_a_container(stack: Stack) -> None:
    password = (stack.folder / "deploy/secrets/postgres_password").read_text()
    for service in ("postgres", "mlflow", "api-a", "proxy"):
        assert password not in stack.containers.podman("inspect", stack.of(service))


def _with_children(pid: int) -> Iterator[int]:
    yield pid
    for child in Path(f"/proc/{pid}/task/{pid}/children").read_text().split():
        yield from _with_children(int(child))


def _proportional_megabytes(pid: int) -> float:
    lines = Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines()
    return sum(int(line.split()[1]) for line in lines if line.startswith("Pss:")) / 1000


@dataclass
class Calls:
    """What callers who never stop have seen."""

    good: int = 0
    failed: list[str] = field(default_factory=list)


@contextmanager
def callers(stack: Stack) -> Iterator[Calls]:
    """Ask for stored forecasts and for live predictions, each on connections of its own, until the end."""
    seen, stop, lock = Calls(), threading.Event(), threading.Lock()

    def call(ask: Callable[[httpx.Client], httpx.Response]) -> None:
        with stack.client as client:
            while not stop.is_set():
                try:
                    answer = ask(client)
                    problem = "" if answer.status_code == 200 else f"{answer.status_code} {answer.text[:200]}"
                except httpx.HTTPError as error:
                    problem = repr(error)
                with lock:
                    seen.good += not problem
                    seen.failed += [problem] if problem else []
                time.sleep(0.03)

    asked = [
        lambda client: client.get("/v1/turnover/forecasts", params={"limit": 5}),
        lambda client: client.post("/v1/marketing/predict", json={"budgets": [50.0]}),
    ] * 2
    threads = [threading.Thread(target=call, args=(each,)) for each in asked]
    for thread in threads:
        thread.start()
    try:
        yield seen
    finally:
        stop.set()
        for thread in threads:
            thread.join()


def serving(stack: Stack) -> str:
    state = dict(line.split("=", 1) for line in (stack.folder / "deploy/state.env").read_text().split())
    return state["SERVING"]


def label(stack: Stack, service: str) -> str:
    return stack.containers.podman(
        "inspect", stack.of(service), "--format", '{{index .Config.Labels "next"}}'
    ).removeprefix("<no value>")


def test_a_new_version_takes_over_and_is_rolled_back_without_a_lost_request(stack: Stack, told: Told) -> None:
    latest, before = "localhost/sales_forecast/api:latest", "localhost/sales_forecast/api:before"
    stack.containers.podman("tag", latest, before)
    recipe = f"printf 'FROM {before}\nLABEL next=yes\n' | podman build --tag {latest} -"
    stack.containers.run("bash", "-c", recipe)  # 'latest' is another image now, as after make images
    with callers(stack) as seen:
        began = perf_counter()
        print(stack.do("deploy", latest))
        told("seconds, another version serves", perf_counter() - began)
        assert serving(stack) == "b"
        assert label(stack, "api-b") == "yes"
        began = perf_counter()
        print(stack.do("roll-back"))
        told("seconds, rolled back", perf_counter() - began)
        assert serving(stack) == "a"
        assert label(stack, "api-a") == ""
    stack.containers.podman("tag", before, latest)
    told("requests meanwhile", seen.good + len(seen.failed))
    assert seen.good > 100
    assert seen.failed == []


def test_a_version_that_does_not_become_ready_serves_nobody(stack: Stack) -> None:
    stack.containers.podman("tag", "docker.io/library/caddy:2", "localhost/sales_forecast/api:broken")
    state = (stack.folder / "deploy/state.env").read_text()
    said = stack.do("deploy", "localhost/sales_forecast/api:nowhere", check=False)
    assert "There is no image localhost/sales_forecast/api:nowhere" in said
    with callers(stack) as seen:
        said = stack.do("deploy", "localhost/sales_forecast/api:broken", check=False)
    assert said.startswith("exit code 1")
    assert "api-a goes on serving" in said
    assert serving(stack) == "a"
    assert seen.failed == []
    assert (stack.folder / "deploy/state.env").read_text() == state


def test_every_server_comes_back_after_it_is_killed(stack: Stack, told: Told) -> None:
    for service in ("proxy", "api-a", "mlflow", "postgres"):
        pid = stack.containers.podman("inspect", stack.of(service), "--format", "{{.State.Pid}}")
        os.kill(int(pid), signal.SIGKILL)
        began = perf_counter()
        with stack.client as client:

            def answers(client: httpx.Client = client) -> bool:
                try:
                    ready = client.get("/ready").status_code == 200
                    return (
                        ready and client.get("/v1/turnover/forecasts", params={"limit": 1}).status_code == 200
                    )
                except httpx.HTTPError:
                    return False

            time.sleep(0.5)
            wait_until(answers)
        told(f"seconds until answers after {service} was killed", perf_counter() - began)
    asked = ("python", "-c", "import urllib.request as u; u.urlopen('http://127.0.0.1:5000/health')")

    def tracking_answers() -> bool:
        return stack.containers.run("podman", "exec", stack.of("mlflow"), *asked, check=False).returncode == 0

    wait_until(tracking_answers)


def publication(stack: Stack) -> int | None:
    """Number of what serves."""
    with stack.client as client:
        answer = client.get("/v1/turnover/forecasts", params={"limit": 1})
    found: int | None = answer.json().get("publication")
    return found


def test_a_backup_brings_back_what_was_there(stack: Stack, told: Told) -> None:
    began = perf_counter()
    made = stack.do("backup")
    told("seconds, backup", perf_counter() - began)
    folder = next(word for word in made.split() if word.startswith("/backups/"))
    forecasts = stack.volume("data") / "07_model_output/turnover/forecasts.parquet"
    before = forecasts.read_bytes()
    published = publication(stack)
    withdraw = ("run", "sales-forecast", "ledger", "withdraw", str(published), "--why", "a mistake")
    stack.do(*withdraw, "--env", "postgres")
    assert publication(stack) is None
    forecasts.unlink()

    began = perf_counter()
    print(stack.do("restore", folder))
    told("seconds, restored", perf_counter() - began)
    assert forecasts.read_bytes() == before
    assert publication(stack) == published

    dump = stack.folder / "deploy/backups" / folder.rpartition("/")[2] / "mlflow.dump"
    dump.write_bytes(dump.read_bytes()[: 9 * dump.stat().st_size // 10])
    refused = stack.do("restore", folder, check=False)
    assert refused.startswith("exit code 1")
    assert "mlflow.dump is damaged. Nothing is changed." in refused
    assert forecasts.read_bytes() == before


def test_a_secret_that_is_gone_is_not_made_anew(stack: Stack) -> None:
    password = stack.folder / "deploy/secrets/postgres_password"
    hidden = password.rename(password.with_suffix(".hidden"))
    for command in ("up", "roll-back"):
        said = stack.do(command, check=False)
        assert said.startswith("exit code 1")
        assert "deploy/secrets/postgres_password is missing" in said
        assert not password.exists()
    hidden.rename(password)


def test_prometheus_finds_the_service_that_serves(stack: Stack) -> None:
    compose = [
        "podman-compose",
        "--env-file",
        "state.env",
        "--file",
        "compose.yml",
        "--profile",
        "monitoring",
    ]
    stack.containers.run(
        "bash", "-c", f"cd {stack.folder}/deploy && {' '.join(compose)} up -d --no-deps prometheus"
    )
    address = f"http://127.0.0.1:{stack.containers.environment['PROMETHEUS_PORT']}/api/v1/query"

    def scraped() -> bool:
        try:
            found = httpx.get(address, params={"query": 'up{job="sales_forecast"}'}).json()
        except (httpx.HTTPError, json.JSONDecodeError):
            return False
        return [one["value"][1] for one in found["data"]["result"]] == ["1"]

    wait_until(scraped)


def test_the_api_ends_in_seconds_when_it_is_asked_to(stack: Stack, told: Told) -> None:
    began = perf_counter()
    stack.containers.podman("stop", "--time", "20", stack.of("api-a"))
    seconds = perf_counter() - began
    told("seconds, api after SIGTERM", seconds)
    assert seconds < 5
