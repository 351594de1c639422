"""Where the data are: ``data_root`` of ``globals.yml``, a folder or a URL of object storage such as S3."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from sales_forecast.errors import InputError
from sales_forecast.places import on_disk, open_place
from sales_forecast.project_root import project_root

REMEDIES = {
    FileNotFoundError: "Make the bucket, or name another one: SALES_FORECAST_BUCKET",
    PermissionError: "Let these credentials list the bucket, read and write its objects",
}
"""Kind of error -> what to do."""

OTHERWISE = (
    "Give this process credentials (AWS_PROFILE, or AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY; in AWS the "
    "role of the task), and see that it reaches the region (AWS_DEFAULT_REGION, AWS_ENDPOINT_URL)"
)


def in_project(place: str) -> str:
    """Return a path or URL as it is meant from any folder: relative paths are those of the project."""
    path = on_disk(place)
    return place if path is None else Path(project_root(), path).as_posix()


def data_root(configured: Mapping[str, Any]) -> str:
    """Return the folder or URL that the catalog's files are in.

    Args:
        configured: ``globals.yml``.
    """
    return in_project(str(configured["data_root"]).rstrip("/"))


def reachable_root(configured: Mapping[str, Any]) -> str:
    """Return the folder or URL that the catalog's files are in, once object storage has let this process in.

    Args:
        configured: ``globals.yml``.

    Raises:
        InputError: It cannot be reached; the message says why, and what to do.
    """
    root = data_root(configured)
    if on_disk(root) is not None:
        return root
    files, path = open_place(root)
    bucket, _, folder = path.partition("/")
    try:
        if "s3" in files.protocol:  # whose exists() is also False of what may not be looked at
            files.call_s3("list_objects_v2", Bucket=bucket, Prefix=folder, MaxKeys=1)
        else:
            files.exists(path)
    except Exception as error:  # of a library that is known by the URL only
        remedy = next((words for kind, words in REMEDIES.items() if isinstance(error, kind)), OTHERWISE)
        raise InputError(
            f"data_root in globals.yml: {root} cannot be reached: {error or type(error).__name__}. {remedy}. "
            "See docs/aws.md"
        ) from error
    return root
