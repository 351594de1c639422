"""What the images are: small, without rights, and able to work with nothing around them."""

import json
import subprocess
from collections.abc import Callable
from pathlib import Path
from time import perf_counter
from typing import Any

import pandas as pd
import pytest
import yaml

from projects import REPOSITORY, SMALL
from stacks import Containers

LIMITS = {"api": 350, "processor": 450}
"""Megabytes, compressed as a registry keeps them."""

Told = Callable[[str, float], None]


def image(name: str) -> str:
    return f"localhost/sales_forecast/{name}:latest"


def described(containers: Containers, name: str) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(containers.podman("image", "inspect", image(name)))[0]
    return found


@pytest.mark.parametrize("name", LIMITS)
def test_an_image_is_small(containers: Containers, told: Told, tmp_path: Path, name: str) -> None:
    containers.podman("push", "--quiet", "--compress", image(name), f"dir:{tmp_path}")
    megabytes = sum(file.stat().st_size for file in tmp_path.iterdir()) / 1e6
    told(f"MB, {name} compressed", megabytes)
    assert megabytes <= LIMITS[name]


@pytest.mark.parametrize("name", ["processor", "trainer", "api", "tracking"])
def test_an_image_runs_as_nobody_in_particular_and_says_what_it_was_built_from(
    containers: Containers, name: str
) -> None:
    found = described(containers, name)
    commit = subprocess.run(
        ["git", "rev-parse", "HEAD"], cwd=REPOSITORY, capture_output=True, text=True, check=True
    ).stdout.strip()
    assert found["User"] == "10001:10001"
    assert found["Labels"]["org.opencontainers.image.revision"] == commit
    assert len(found["Labels"]["sales_forecast.lock"]) == 64
    if name in ("api", "tracking"):
        assert "/health" in " ".join(found["Healthcheck"]["Test"])


def test_processor_and_trainer_differ_in_their_command_only(containers: Containers) -> None:
    layers = [described(containers, name)["RootFS"]["Layers"] for name in ("processor", "trainer")]
    assert layers[0] == layers[1]


def test_the_pipelines_have_no_web_server_and_no_image_has_pip(containers: Containers) -> None:
    script = "import importlib.util as u; print([n for n in %r if u.find_spec(n)])"
    for name, absent in (
        ("trainer", ["uvicorn", "flask", "kedro_viz", "pip"]),
        ("api", ["flask", "pandera", "pip"]),
    ):
        assert containers.podman("run", "--rm", image(name), "python", "-c", script % absent) == "[]"


def test_a_change_of_the_code_is_built_in_seconds(containers: Containers, told: Told) -> None:
    file = REPOSITORY / "src/sales_forecast/__init__.py"
    before = file.read_bytes()
    try:
        file.write_bytes(before + b"\n# changed\n")
        began = perf_counter()
        containers.run("deploy/images/build.sh", "api")
        told("seconds, api after a change of the code", perf_counter() - began)
    finally:
        file.write_bytes(before)
    containers.run("deploy/images/build.sh", "api")


def test_processor_and_trainer_need_no_network_and_no_rights(
    containers: Containers, tmp_path: Path, told: Told
) -> None:
    (tmp_path / "local").mkdir()
    (tmp_path / "local/parameters.yml").write_text(yaml.safe_dump({"turnover": SMALL}))
    for folder in ("data", "logs"):
        (tmp_path / folder).mkdir()
        (tmp_path / folder).chmod(0o777)
    alone = [
        *("run", "--rm", "--network", "none", "--read-only", "--tmpfs", "/tmp", "--cap-drop", "ALL"),
        *("--security-opt", "no-new-privileges", "--volume", f"{tmp_path}/logs:/app/logs"),
        *("--volume", f"{tmp_path}/data:/app/data", "--volume", f"{REPOSITORY}/data/01_raw:/raw:ro"),
    ]
    few_folds = ["--volume", f"{tmp_path}/local:/app/conf/local:ro"]
    stages = "eda_reporting,modelling,evaluation,registration,inference,monitoring"
    for name, pipelines, more in (("processor", "data_processing", []), ("trainer", stages, few_folds)):
        began = perf_counter()
        command = ["kedro", "run", "--pipelines", pipelines, "--params", "raw_folder=/raw"]
        done = containers.run("podman", *alone, *more, image(name), *command)
        assert "Logging error" not in done.stderr
        told(f"seconds, {name} without network", perf_counter() - began)
    assert len(pd.read_parquet(tmp_path / "data/07_model_output/turnover/forecasts.parquet")) > 100
