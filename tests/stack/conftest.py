"""Podman, the images of this project, and the whole system started from deploy/compose.yml."""

import os
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from time import perf_counter
from typing import Any

import pytest

from projects import REPOSITORY
from servers import free_port
from stacks import Containers, Stack

NEEDED = ("podman", "runc", "mmdebstrap", "iptables")
MISSING = [tool for tool in NEEDED if shutil.which(tool, path=f"{os.environ['PATH']}:/usr/sbin") is None]
STARTS_A_STACK = pytest.mark.skipif(
    bool(MISSING) or os.geteuid() != 0,
    reason=f"needs root and {', '.join(MISSING) or 'nothing else'}: .ci/run installs what is missing on Debian",
)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    for item in items:
        if Path(__file__).parent in item.path.parents:
            item.add_marker(STARTS_A_STACK)


@pytest.fixture(scope="session")
def told(capfd_disabled: Callable[..., Any]) -> Callable[[str, float], None]:
    """Prints what was measured, past pytest's capture."""
    return lambda what, value: capfd_disabled(f"  {what}: {value:,.1f}")


@pytest.fixture(scope="session")
def capfd_disabled(request: pytest.FixtureRequest) -> Callable[[str], None]:
    capture = request.config.pluginmanager.getplugin("capturemanager")

    def say(line: str) -> None:
        with capture.global_and_fixture_disabled():
            print(line, flush=True)

    return say


@pytest.fixture(scope="session")
def containers(told: Callable[[str, float], None]) -> Containers:
    """Podman with the stand-ins and all images of the project, built from the files as they are."""
    found = Containers(environment={"WITH": "postgres caddy prometheus"})
    began = perf_counter()
    # A session that was killed leaves containers that Podman takes for running, though their processes are gone.
    found.podman("rm", "--all", "--force", "--time", "0")
    found.podman("volume", "rm", "--all", "--force")
    # Not every machine lets root mount an overlay or make a bridge.
    probe = found.run(
        "podman", "run", "--rm", "docker.io/library/python:3.11-slim-bookworm", "true", check=False
    )
    if probe.returncode:
        pytest.skip(f"this machine starts no container: {probe.stderr[-500:]}")
    told("seconds, base image and stand-ins", perf_counter() - began)
    began = perf_counter()
    found.run("deploy/images/build.sh")
    told("seconds, four images", perf_counter() - began)
    return Containers()


@pytest.fixture(scope="session")
def stack(
    containers: Containers, tmp_path_factory: pytest.TempPathFactory, told: Callable[[str, float], None]
) -> Iterator[Stack]:
    folder = tmp_path_factory.mktemp("stack")
    kept = shutil.ignore_patterns(
        "secrets", "backups", "state.env", "upstream", "__pycache__", "node_modules"
    )
    shutil.copytree(REPOSITORY / "deploy", folder / "deploy", ignore=kept)
    shutil.copytree(REPOSITORY / "data/01_raw", folder / "data/01_raw")
    ports = {"PORT": str(free_port()), "PROMETHEUS_PORT": str(free_port())}
    found = Stack(Containers(environment=ports), folder, int(ports["PORT"]))
    try:
        began = perf_counter()
        print(found.do("up"))
        told("seconds, from nothing to forecasts over HTTP", perf_counter() - began)
        yield found
    finally:
        found.do("down", check=False)
        found.containers.podman("volume", "rm", "--force", *found_volumes(found), check=False)


def found_volumes(stack: Stack) -> list[str]:
    return stack.containers.podman("volume", "ls", "--quiet", "--filter", "name=sales_forecast_").split()
