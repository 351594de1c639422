"""Lambda function that reads from the model of a training job what the job has changed."""

from __future__ import annotations

import tarfile
from collections.abc import Mapping
from typing import Any, BinaryIO
from urllib.parse import urlsplit

from sales_forecast.aws.artifact import OUTCOME, Outcome


def read_outcome(archive: BinaryIO) -> Outcome:
    """Read what a training job has changed.

    Args:
        archive: ``model.tar.gz``, which is read up to that file.

    Raises:
        ValueError: It is not the model of one of our training jobs.
    """
    with tarfile.open(fileobj=archive, mode="r|gz") as files:
        for item in files:
            if item.name.removeprefix("./") == OUTCOME and (content := files.extractfile(item)) is not None:
                return Outcome.model_validate_json(content.read())
    raise ValueError(f"there is no {OUTCOME} in the model, so 'train' of this project has not made it")


def handler(event: Mapping[str, Any], context: object) -> dict[str, Any]:
    """Return the outcome of the model that ``model_data`` names, a URL on S3."""
    import boto3

    place = urlsplit(event["model_data"])
    found = boto3.client("s3").get_object(Bucket=place.netloc, Key=place.path.lstrip("/"))
    return read_outcome(found["Body"]).model_dump()
