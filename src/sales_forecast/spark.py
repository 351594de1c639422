"""The Spark session of environments that configure one, such as ``kedro run --env spark``."""

from __future__ import annotations

import os
import shutil
import sys

from kedro.config import MissingConfigException
from kedro.framework.context import KedroContext
from kedro.framework.hooks import hook_impl

from sales_forecast.errors import InputError


class SparkHooks:
    """Kedro calls these by name."""

    @hook_impl
    def after_context_created(self, context: KedroContext) -> None:
        """Make the session that datasets and models use from then on; without ``spark.yml`` there is none.

        Raises:
            InputError: Spark is not installed, or finds no Java.
        """
        try:
            properties = context.config_loader["spark"]
        except MissingConfigException:
            return
        if properties:
            start(properties)


def start(properties: dict[str, str]) -> None:
    """Make the session.

    Raises:
        InputError: Spark is not installed, or does not start.
    """
    os.environ.setdefault("PYSPARK_PYTHON", sys.executable)  # workers need the libraries of this Python
    try:
        from pyspark import SparkConf
        from pyspark.errors import PySparkRuntimeError
        from pyspark.sql import SparkSession
    except ImportError as error:
        raise InputError("Spark is not installed. Run: make spark") from error
    conf = SparkConf().setAll([(name, str(value)) for name, value in properties.items()])
    try:
        SparkSession.builder.config(conf=conf).getOrCreate().sparkContext.setLogLevel("ERROR")
    except PySparkRuntimeError as error:
        raise InputError(_why_not(error)) from error


def _why_not(error: Exception) -> str:
    if "JAVA_HOME" in os.environ or shutil.which("java"):
        return (
            f"Spark did not start: {str(error).rstrip('.')}. What Java says stands above. Check the "
            "properties in spark.yml, and that Java is 17 or newer."
        )
    return (
        "Spark needs Java 17 or newer and found none, neither in JAVA_HOME nor on PATH. On Debian or Ubuntu: "
        "apt-get install openjdk-17-jre-headless"
    )
