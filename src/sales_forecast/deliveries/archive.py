"""The archive of raw files: each one once, under the hash of its content, never changed."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Mapping
from pathlib import Path

import fsspec
from fsspec import AbstractFileSystem

from sales_forecast.deliveries.delivery import DeliveredFile
from sales_forecast.errors import InputError


def archived(archive: str, file: DeliveredFile) -> str:
    """Where a file lies in the archive: a path or URL of fsspec."""
    end = "".join(Path(file.path).suffixes)
    return f"{archive.rstrip('/')}/{file.sha256[:2]}/{file.sha256}{end}"


def open_place(place: str) -> tuple[AbstractFileSystem, str]:
    """Open the file system that a path or URL in the archive is on; return it with the path there.

    Raises:
        InputError: A package for this kind of URL is missing, or there is no such kind.
    """
    try:
        found: tuple[AbstractFileSystem, str] = fsspec.core.url_to_fs(place)
    except (ImportError, ValueError) as error:  # such as: Install s3fs to access S3
        raise InputError(
            f"archive_folder in globals.yml: {place} cannot be opened: {error}. A folder needs no further "
            "package, s3:// needs s3fs, gs:// gcsfs, abfs:// adlfs"
        ) from error
    return found


def _digest(files: AbstractFileSystem, path: str) -> str:
    with files.open(path, "rb") as content:
        return hashlib.file_digest(content, "sha256").hexdigest()


def archive_files(archive: str, folder: str, files: Mapping[str, DeliveredFile]) -> int:
    """Copy the files of a delivery into the archive, whole; those that are there undamaged stay as they are.

    Args:
        archive: Folder or URL of fsspec, such as ``s3://bucket/archive``.
        folder: Folder of the delivery.
        files: Name -> file of the delivery.

    Returns:
        How many were new.
    """
    new = 0
    for file in files.values():
        there, path = open_place(archived(archive, file))
        if there.exists(path) and _digest(there, path) == file.sha256:
            continue
        there.makedirs(os.path.dirname(path), exist_ok=True)  # noqa: PTH120 - a URL is no local path
        part = f"{path}.{os.getpid()}.part"
        try:
            there.put_file(str(Path(folder) / file.path), part)
            there.mv(part, path)
        finally:
            if there.exists(part):
                there.rm(part)
        new += 1
    return new


def restore_files(archive: str, files: Mapping[str, DeliveredFile], folder: Path) -> None:
    """Bring the files of a delivery back from the archive.

    Args:
        archive: Folder or URL of fsspec.
        files: Name -> file of the delivery.
        folder: Where they are written, under their own paths.

    Raises:
        InputError: One is not there any more, or its content is not what its name says.
    """
    for name, file in files.items():
        place = archived(archive, file)
        there, path = open_place(place)
        if not there.exists(path):
            raise InputError(
                f"the archive lacks {name} of that delivery ({place}): it was removed, or the archive is "
                "elsewhere (archive_folder in globals.yml)"
            )
        target = folder / file.path
        target.parent.mkdir(parents=True, exist_ok=True)
        there.get_file(path, str(target))
        with target.open("rb") as content:
            found = hashlib.file_digest(content, "sha256").hexdigest()
        if found != file.sha256:
            raise InputError(
                f"{place} has another content than its name says: it was changed or damaged. Deliver the "
                "same files again, if they are kept elsewhere: sales-forecast deliver"
            )
