"""Whether this machine can run Spark, and a session as the project configures it."""

import os
import shutil
import time
from collections.abc import Iterator
from contextlib import contextmanager
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import pytest
import yaml

from projects import REPOSITORY
from sales_forecast.spark import start

JAVA_HOME = os.environ.get("JAVA_HOME")
JAVA = Path(JAVA_HOME, "bin", "java").exists() if JAVA_HOME else shutil.which("java") is not None

NEEDS_SPARK = [
    pytest.mark.xdist_group("spark"),  # one JVM is enough
    pytest.mark.skipif(find_spec("pyspark") is None, reason="pyspark is not installed: make spark"),
    pytest.mark.skipif(not JAVA, reason="Spark needs Java, and there is none on PATH or in JAVA_HOME"),
]


@contextmanager
def far_from_greenwich() -> Iterator[None]:
    """As on a machine in New York: weeks must not depend on where it stands."""
    usual = os.environ.get("TZ")
    os.environ["TZ"] = "America/New_York"
    time.tzset()
    yield
    if usual is None:
        del os.environ["TZ"]
    else:
        os.environ["TZ"] = usual
    time.tzset()


@contextmanager
def session() -> Iterator[Any]:
    """A session as the project configures it.

    Java compiles only once: in so short a life it does not gain what the second compilation costs.
    """
    properties = yaml.safe_load((REPOSITORY / "conf" / "spark" / "spark.yml").read_text())
    start(properties | {"spark.driver.extraJavaOptions": "-XX:TieredStopAtLevel=1 -XX:+UseSerialGC"})
    from pyspark.sql import SparkSession

    started = SparkSession.builder.getOrCreate()
    yield started
    started.stop()
