"""Whether this machine can run Spark."""

import os
import shutil
from importlib.util import find_spec
from pathlib import Path

import pytest

JAVA_HOME = os.environ.get("JAVA_HOME")
JAVA = Path(JAVA_HOME, "bin", "java").exists() if JAVA_HOME else shutil.which("java") is not None


NEEDS_SPARK = [
    pytest.mark.skipif(find_spec("pyspark") is None, reason="pyspark is not installed: make spark"),
    pytest.mark.skipif(not JAVA, reason="Spark needs Java, and there is none on PATH or in JAVA_HOME"),
]
