"""docs/service.md, block by block, against the real service."""

import contextlib
import os
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from projects import REPOSITORY, Project, copy_finished
from servers import WITH_TOOLS, free_port, serving

COMMAND = [sys.executable, "-m", "sales_forecast"]
NOT_LOCAL = ("make ", "source ", "--env postgres", "keys revoke 0123", "ab report", "ab plan")
"""Lines that set up a machine, or need another one or an experiment; other tests cover them."""


def blocks() -> list[tuple[str, str]]:
    text = (REPOSITORY / "docs" / "service.md").read_text()
    found = re.findall(r"```(bash|python)\n(.*?)```", text, flags=re.DOTALL)
    return [(language, code) for language, code in found if not any(word in code for word in NOT_LOCAL[2:3])]


def as_run_here(code: str) -> str:
    lines = [line for line in code.splitlines() if not any(word in line for word in NOT_LOCAL)]
    return "\n".join(line for line in lines if not line.startswith("export "))


@pytest.fixture(scope="module")
def guided(finished: Project, tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, str]]:
    """Where the service answers, a key, and a shell in which curl fails on an error."""
    folder = tmp_path_factory.mktemp("guide")
    project = copy_finished(finished, folder / "project")
    here = {"PYTHONPATH": str(project.folder / "src"), "CURL_HOME": str(folder)}
    (folder / ".curlrc").write_text("fail-with-body\n")
    tool = folder / "sales-forecast"
    tool.write_text(f'#!/bin/sh\nexec {" ".join(COMMAND)} "$@"\n')
    tool.chmod(0o755)
    here["PATH"] = f"{folder}{os.pathsep}{WITH_TOOLS['PATH']}"
    address = f"http://127.0.0.1:{free_port()}"
    made = subprocess.run(
        [*COMMAND, "keys", "create", "guide", "--scopes", "read,predict,plan,admin"],
        cwd=project.folder,
        env=os.environ | here,
        capture_output=True,
        text=True,
        check=True,
    )
    here |= {"SERVICE": address, "KEY": made.stdout.strip(), "FOLDER": str(project.folder)}
    start = [*COMMAND, "serve", "--port", address.rpartition(":")[2]]
    with (
        contextlib.chdir(project.folder),
        serving(start, f"{address}/ready", folder / "serve.log", here),
    ):
        yield here | {"LOG": str(folder / "serve.log")}


@pytest.mark.parametrize("position", range(len(blocks())))
def test_every_call_of_the_guide_works(guided: dict[str, str], position: int) -> None:
    language, code = blocks()[position]
    command = ["bash", "-euo", "pipefail", "-c", as_run_here(code)]
    if language == "python":
        command = [sys.executable, "-c", code]
    done = subprocess.run(
        command, cwd=guided["FOLDER"], env=os.environ | guided, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stdout[-2000:] + done.stderr[-2000:]
    assert "curl" not in code or done.stdout


def test_the_calls_that_serve_prints_work(guided: dict[str, str]) -> None:
    printed = [line for line in Path(guided["LOG"]).read_text().splitlines() if line.startswith("  curl")]
    assert len(printed) == 2
    for line in printed:
        done = subprocess.run(
            ["bash", "-c", line], env=os.environ | guided, capture_output=True, text=True, check=False
        )
        assert (done.returncode, '"forecast":' in done.stdout) == (0, True), done.stdout


def test_the_figures_of_the_guide_are_those_of_the_sample(guided: dict[str, str]) -> None:
    text = (REPOSITORY / "docs" / "service.md").read_text()
    (language, code), *_ = [block for block in blocks() if "limit=1" in block[1]]
    done = subprocess.run(
        ["bash", "-c", code], env=os.environ | guided, capture_output=True, text=True, check=True
    )
    figures = re.findall(r'"(?:forecast|average_week|same_week)":(-?[\d.]+)', done.stdout)
    assert len(figures) == 3
    # trees are grown on other machines with other last digits
    assert all(figure[:6] in text for figure in figures), (language, figures)
