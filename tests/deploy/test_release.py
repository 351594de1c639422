"""The workflows of GitHub, and the scripts that a release runs: here with a kubectl that only writes down its calls."""

import json
import os
import re
import subprocess
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest
import yaml
from deploy.k8s.pin import pin

from projects import REPOSITORY

WORKFLOWS = sorted((REPOSITORY / ".github/workflows").glob("*.yml"))
TOOLS = REPOSITORY / ".venv-release/bin"
NEEDS_TOOLS = pytest.mark.skipif(
    not (TOOLS / "zizmor").exists(), reason="no zizmor in .venv-release: make release-setup"
)
OLD, NEW = (f"ghcr.io/shop/api@sha256:{digit * 64}" for digit in "12")
TRAINER = f"ghcr.io/shop/trainer@sha256:{'3' * 64}"


def jobs() -> Iterator[tuple[str, dict[str, Any]]]:
    for file in WORKFLOWS:
        for name, job in yaml.safe_load(file.read_text())["jobs"].items():
            yield f"{file.name}: {name}", job


@NEEDS_TOOLS
@pytest.mark.parametrize("command", [["zizmor", "--offline", "--no-progress", ".github"], ["jactionlint"]])
def test_the_workflows_have_no_known_weakness(command: list[str]) -> None:
    program, *options = command
    checked = subprocess.run(
        [TOOLS / program, *options], cwd=REPOSITORY, capture_output=True, text=True, check=False
    )
    assert checked.returncode == 0, checked.stdout + checked.stderr


@NEEDS_TOOLS
def test_the_checks_see_an_action_that_can_change_and_a_key_that_does_not_exist(tmp_path: Path) -> None:
    text = (REPOSITORY / ".github/workflows/ci.yml").read_text()
    pinned = re.search(r"actions/checkout@[0-9a-f]{40}", text)
    assert pinned is not None
    file = tmp_path / "ci.yml"
    file.write_text(text.replace(pinned[0], "actions/checkout@v4").replace("timeout-minutes", "timeout"))
    for command in (["zizmor", "--offline", "--no-progress", file], ["jactionlint", file]):
        program, *options = command
        checked = subprocess.run([TOOLS / program, *options], capture_output=True, check=False)
        assert checked.returncode != 0, program


@pytest.mark.parametrize("file", WORKFLOWS, ids=lambda file: file.name)
def test_actions_are_named_by_commit_and_may_read_only(file: Path) -> None:
    text = file.read_text()
    used = re.findall(r"uses: (\S+)(.*)", text)
    assert used
    for action, comment in used:
        assert re.fullmatch(r"[\w./-]+@[0-9a-f]{40}", action), action
        assert re.fullmatch(r" # v\d+\.\d+\.\d+", comment), action
    assert yaml.safe_load(text)["permissions"] in ({}, {"contents": "read"})
    assert "concurrency" in yaml.safe_load(text)


@pytest.mark.parametrize(
    ("name", "job"), list(jobs()), ids=lambda value: value if isinstance(value, str) else ""
)
def test_no_job_runs_for_ever_or_keeps_a_password_on_disk(name: str, job: dict[str, Any]) -> None:
    assert job["timeout-minutes"] <= 120, name
    for step in job["steps"]:
        if step.get("uses", "").startswith("actions/checkout@"):
            assert step["with"]["persist-credentials"] is False, name


def test_one_action_has_one_version() -> None:
    used = {use for file in WORKFLOWS for use in re.findall(r"uses: (\S+@\S+ # \S+)", file.read_text())}
    assert len({use.partition("@")[0] for use in used}) == len(used)


def test_images_are_named_only_after_production_runs_them() -> None:
    release = yaml.safe_load((REPOSITORY / ".github/workflows/release.yml").read_text())["jobs"]
    needs = {name: job.get("needs") for name, job in release.items()}
    assert [needs[name] for name in ("images", "staging", "production", "promote")] == [
        "tests",
        "images",
        "staging",
        "production",
    ]
    naming = [name for name, job in release.items() if "imagetools create" in str(job)]
    assert naming == ["promote"]
    (build,) = [step for step in release["images"]["steps"] if step.get("id") == "build"]
    assert "push-by-digest=true" in build["with"]["outputs"]
    assert "tags" not in build["with"]
    dockerfile = (REPOSITORY / build["with"]["file"]).read_text()
    for each in release["images"]["strategy"]["matrix"]["include"]:
        assert re.search(rf"^FROM \S+ AS {each['target']}$", dockerfile, flags=re.MULTILINE)
        assert (REPOSITORY / f"deploy/images/{each['lock']}.lock").exists()
    for environment in ("staging", "production"):
        back = release[f"rollback-{environment}"]
        assert back["needs"] == back["environment"] == environment
        assert back["if"].startswith("failure()")
        assert '"$TRAINER" back' in str(back["steps"])


# --- deploy --------------------------------------------------------------------------------------------


def test_an_overlay_names_the_images_that_it_is_given() -> None:
    text = (REPOSITORY / "deploy/k8s/overlays/staging/kustomization.yaml").read_text()
    found = yaml.safe_load(pin(text, {"sales_forecast/api": NEW, "sales_forecast/trainer": TRAINER}))
    assert found["images"] == [
        {"name": "sales_forecast/api", "newName": "ghcr.io/shop/api", "digest": f"sha256:{'2' * 64}"},
        {"name": "sales_forecast/trainer", "newName": "ghcr.io/shop/trainer", "digest": f"sha256:{'3' * 64}"},
    ]
    for image in ("ghcr.io/shop/api:latest", "ghcr.io/shop/api@sha256:12", "x y@sha256:" + "1" * 64):
        with pytest.raises(ValueError, match="does not name an image by its digest"):
            pin(text, {"sales_forecast/api": image})
    with pytest.raises(ValueError, match="0 entries of sales_forecast/other"):
        pin(text, {"sales_forecast/other": NEW})


KUBECTL = """#!/bin/bash
echo "$*" >>"$CALLS"
case "$*" in
    *"get deployment/api"*) printf '%s' "$RUNNING" ;;
    *"get cronjob/refresh"*) [ -z "$RUNNING" ] || printf '%s' "$TRAINER" ;;
    *"apply"*) touch "$CALLS.applied" ;;
esac
"""


class Service(BaseHTTPRequestHandler):
    """Answers as the service does, and worse once ``forecast`` is changed by a deployment."""

    applied: Path
    after = 100.0

    def log_message(self, *_: Any) -> None:
        pass

    def do_GET(self) -> None:
        forecast = self.after if self.applied.exists() else 100.0
        row = {"store": "1", "department": "2", "week": "2020-01-04", "horizon": 1, "forecast": forecast}
        row |= {"lo_95": 1.0, "lo_80": 2.0, "hi_80": 1e6, "hi_95": 1e7}
        self.answer({"status": "green", "version": "1", "publication": 7, "forecasts": [row]})

    def do_POST(self) -> None:
        budgets = json.loads(self.rfile.read(int(self.headers["Content-Length"])))["budgets"]
        sales = {"sales": 5.0, "sales_low": 4.0, "sales_high": 6.0}
        self.answer({"model_version": "1", "predictions": [{"tv": budget} | sales for budget in budgets]})

    def answer(self, body: dict[str, Any]) -> None:
        content = json.dumps(body).encode()
        self.send_response(200)
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        self.wfile.write(content)


@pytest.mark.parametrize(
    ("running", "after", "direction", "code", "says"),
    [
        (OLD, 100.0, [], 0, "as expected: forecasts and sales"),
        (OLD, 1000.0, [], 1, "forecasts, 2020-01-04: 1000.0, where 100.0 is expected"),
        (OLD, 1000.0, ["back"], 0, "are plausible"),
        ("", 1000.0, [], 0, "are plausible"),
    ],
    ids=["the same answers", "other answers", "the way back", "the first deployment"],
)
def test_a_deployment_is_compared_with_what_ran_before(
    tmp_path: Path, running: str, after: float, direction: list[str], code: int, says: str
) -> None:
    calls = tmp_path / "calls"
    project = tmp_path / "project"
    for name in ("deploy/smoke.py", "deploy/k8s/pin.py", "deploy/k8s/rollout.sh"):
        (project / name).parent.mkdir(parents=True, exist_ok=True)
        (project / name).write_bytes((REPOSITORY / name).read_bytes())
    overlay = project / "deploy/k8s/overlays/staging/kustomization.yaml"
    overlay.parent.mkdir(parents=True)
    overlay.write_bytes((REPOSITORY / overlay.relative_to(project)).read_bytes())
    (tmp_path / "kubectl").write_text(KUBECTL)
    (tmp_path / "kubectl").chmod(0o755)
    handler = type("Handler", (Service,), {"applied": Path(f"{calls}.applied"), "after": after})
    server = ThreadingHTTPServer(("127.0.0.1", 0), handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    here = {
        "PATH": f"{tmp_path}{os.pathsep}{os.environ['PATH']}",
        "CALLS": str(calls),
        "RUNNING": running,
        "TRAINER": TRAINER,
        "PROBE_ADDRESS": f"http://127.0.0.1:{server.server_port}",
        "SALES_FORECAST_KEY": "key",
        "GITHUB_OUTPUT": str(tmp_path / "output"),
    }
    command = ["bash", project / "deploy/k8s/rollout.sh", "staging", NEW, TRAINER, *direction]
    done = subprocess.run(command, env=os.environ | here, capture_output=True, text=True, check=False)
    server.shutdown()
    assert done.returncode == code, done.stdout + done.stderr
    assert says in done.stdout
    before = TRAINER if running else ""
    assert (tmp_path / "output").read_text() == f"before_api={running}\nbefore_trainer={before}\n"
    assert NEW.partition("@")[2] in overlay.read_text()
    asked = calls.read_text().splitlines()
    assert asked[-2:] == [
        "apply --kustomize deploy/k8s/overlays/staging",
        "--namespace sales-forecast-staging rollout status deployment/api --timeout 300s",
    ]
