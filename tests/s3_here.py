"""S3 on this machine: moto in a process of its own, and what a process needs to use it."""

import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from importlib.util import find_spec
from pathlib import Path

import pytest

from projects import REPOSITORY
from servers import free_port, serving

BUCKET = "shop"

OF_AWS = REPOSITORY / ".venv-aws" / "bin" / "python"
"""Python of ``make aws-setup``, which has moto."""

PYTHON = OF_AWS if OF_AWS.exists() else Path(sys.executable)
MOTO = OF_AWS.exists() or find_spec("moto") is not None

NEEDS_S3 = [
    pytest.mark.xdist_group("s3"),
    pytest.mark.skipif(find_spec("s3fs") is None, reason="s3fs is not installed: make s3"),
    pytest.mark.skipif(not MOTO, reason="moto is not installed: make aws-setup"),
]

CREDENTIALS = {
    "AWS_ACCESS_KEY_ID": "testing",
    "AWS_SECRET_ACCESS_KEY": "testing",
    "AWS_DEFAULT_REGION": "us-east-1",
    "AWS_EC2_METADATA_DISABLED": "true",  # else credentials that are missing are asked for in the network
    "AWS_CONFIG_FILE": os.devnull,
    "AWS_SHARED_CREDENTIALS_FILE": os.devnull,
}


@contextmanager
def s3(log: Path) -> Iterator[dict[str, str]]:
    """Start a server; what is yielded are the environment variables of its clients."""
    port = free_port()
    url = f"http://127.0.0.1:{port}"
    command = [str(PYTHON), "-m", "moto.server", "-H", "127.0.0.1", "-p", str(port)]
    with serving(command, f"{url}/moto-api/", log):
        yield CREDENTIALS | {"AWS_ENDPOINT_URL": url}
