"""A job of Glue 5.0 that processes a delivery with Spark, where it is too large for a Lambda function.

Glue installs the wheel of the project (``--additional-python-modules``). Beside this script in the bucket is
``conf.tar.gz``: ``tar czf conf.tar.gz pyproject.toml conf``. The job has never been run in an account.
"""

from __future__ import annotations

import argparse
import os
import shutil
import sys
import tarfile
import tempfile
from pathlib import Path

CODE = "code/aws"
"""Folder in the bucket for this script and the configuration."""

FROM_ARGUMENTS = ("SALES_FORECAST_BUCKET", "SALES_FORECAST_AWS_SECRET")


def join_environments(conf: Path) -> None:
    """Make ``conf/glue``: places and secrets of ``conf/aws``, large tables as ``conf/spark`` has them."""
    glue = shutil.copytree(conf / "aws", conf / "glue")
    shutil.copytree(conf / "spark" / "catalog", glue / "catalog", dirs_exist_ok=True)
    shutil.copy(conf / "spark" / "spark.yml", glue)
    shutil.copy(conf / "spark" / "parameters.yml", glue / "parameters_spark.yml")


def main(arguments: list[str]) -> None:
    """Process the delivery of the object ``--key``; without one, the configured raw files."""
    import boto3
    from pyspark import SparkContext

    parser = argparse.ArgumentParser()
    parser.add_argument("--key", default="")
    for name in FROM_ARGUMENTS:
        parser.add_argument(f"--{name}", required=True)
    given = vars(parser.parse_known_args(arguments)[0])  # Glue adds arguments of its own
    os.environ |= {name: given[name] for name in FROM_ARGUMENTS} | {"SALES_FORECAST_ENV": "glue"}
    SparkContext.getOrCreate()  # that of Glue, with its workers; that of conf/spark is on one machine
    os.chdir(tempfile.mkdtemp())
    boto3.client("s3").download_file(given["SALES_FORECAST_BUCKET"], f"{CODE}/conf.tar.gz", "conf.tar.gz")
    with tarfile.open("conf.tar.gz") as archive:
        archive.extractall(filter="data")
    join_environments(Path("conf"))
    from sales_forecast.aws.lambda_processing import handler

    event = {"run_date": "by Glue", "bucket": given["SALES_FORECAST_BUCKET"], "key": given["key"]}
    found = handler(event, None)
    print(found)
    if found["state"] != "accepted":
        sys.exit(f"Error: {found['message']}")


if __name__ == "__main__":
    main(sys.argv[1:])
