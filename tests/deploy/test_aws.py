"""The stacks of deploy/aws, by the tests in tests/aws_stacks, which need packages of their own."""

import os
import subprocess
from pathlib import Path

import pytest
from deploy.site.openapi import write

from projects import REPOSITORY

AWS = REPOSITORY / ".venv-aws"


@pytest.mark.slow
@pytest.mark.xdist_group("aws stacks")
@pytest.mark.skipif(not (AWS / ".ready").exists(), reason=".venv-aws is not set up: make aws-setup")
def test_the_stacks(tmp_path: Path) -> None:
    write(tmp_path)
    done = subprocess.run(
        [AWS / "bin/python", "-m", "pytest", "-c", "tests/aws_stacks/pytest.ini", "tests/aws_stacks"],
        cwd=REPOSITORY,
        env=os.environ | {"OPENAPI": str(tmp_path / "openapi.json")},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout[-8000:] + done.stderr[-2000:]
