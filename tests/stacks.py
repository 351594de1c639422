"""Containers of this project, and the system that they make, for the tests in tests/stack."""

import os
import subprocess
import sys
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx

from projects import REPOSITORY

STAND_INS = Path(__file__).parent / "stack" / "stand_ins" / "containers.sh"
PODMAN_COMPOSE = Path(sys.executable).with_name("podman-compose")


@dataclass
class Containers:
    """Commands in the environment that containers.sh prepares; what took how long is printed."""

    folder: Path = REPOSITORY
    environment: dict[str, str] = field(default_factory=dict)

    def run(self, *command: str, check: bool = True, **options: Any) -> subprocess.CompletedProcess[str]:
        done = subprocess.run(
            [str(STAND_INS), *command],
            cwd=self.folder,
            env=os.environ
            | {
                "PATH": f"{PODMAN_COMPOSE.parent}:{os.environ['PATH']}:/usr/sbin",
                "PODMAN_COMPOSE_PROVIDER": "",
            }
            | self.environment,
            capture_output=True,
            text=True,
            check=False,
            stdin=subprocess.DEVNULL,
            **options,
        )
        assert not check or done.returncode == 0, f"{command}\n{done.stdout[-3000:]}\n{done.stderr[-3000:]}"
        return done

    def podman(self, *arguments: str, check: bool = True) -> str:
        return self.run("podman", *arguments, check=check).stdout.strip()


@dataclass
class Stack:
    """The system of compose.yml, driven by stack.sh in a copy of deploy/."""

    containers: Containers
    folder: Path
    port: int

    def do(self, *command: str, check: bool = True) -> str:
        done = self.containers.run(str(self.folder / "deploy/stack.sh"), *command, check=check)
        return f"exit code {done.returncode}\n{done.stdout}\n{done.stderr}"

    def of(self, service: str) -> str:
        """Name of a service's container."""
        return f"sales_forecast_{service}_1"

    @property
    def client(self) -> httpx.Client:
        key = (self.folder / "deploy/secrets/api_key").read_text().strip()
        return httpx.Client(
            base_url=f"http://127.0.0.1:{self.port}", headers={"Authorization": f"Bearer {key}"}, timeout=30
        )

    def volume(self, name: str) -> Path:
        return Path(
            self.containers.podman(
                "volume", "inspect", f"sales_forecast_{name}", "--format", "{{.Mountpoint}}"
            )
        )
