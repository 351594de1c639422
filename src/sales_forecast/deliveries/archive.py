"""The archive of raw files: each one once, under the hash of its content, never changed."""

from __future__ import annotations

import hashlib
import shutil
from collections.abc import Mapping
from pathlib import Path

from sales_forecast.atomic import whole_file
from sales_forecast.deliveries.delivery import DeliveredFile
from sales_forecast.errors import InputError
from sales_forecast.places import exists, join, local_file


def archived(archive: str, file: DeliveredFile) -> str:
    """Where a file lies in the archive: a path or URL of fsspec."""
    end = "".join(Path(file.path).suffixes)
    return f"{archive.rstrip('/')}/{file.sha256[:2]}/{file.sha256}{end}"


def _digest(place: str) -> str:
    with local_file(place) as path, path.open("rb") as content:
        return hashlib.file_digest(content, "sha256").hexdigest()


def archive_files(archive: str, folder: str, files: Mapping[str, DeliveredFile]) -> int:
    """Copy the files of a delivery into the archive, whole; those that are there undamaged stay as they are.

    Args:
        archive: Folder or URL of fsspec, such as ``s3://bucket/archive``.
        folder: Folder or URL of the delivery.
        files: Name -> file of the delivery.

    Returns:
        How many were new.
    """
    new = 0
    for file in files.values():
        place = archived(archive, file)
        if exists(place) and _digest(place) == file.sha256:
            continue
        with local_file(join(folder, file.path)) as delivered, whole_file(place) as part:
            shutil.copyfile(delivered, part)
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
        if not exists(place):
            raise InputError(
                f"the archive lacks {name} of that delivery ({place}): it was removed, or the archive is "
                "elsewhere (archive_folder in globals.yml)"
            )
        target = folder / file.path
        target.parent.mkdir(parents=True, exist_ok=True)
        with local_file(place) as kept:
            shutil.copyfile(kept, target)
        with target.open("rb") as content:
            found = hashlib.file_digest(content, "sha256").hexdigest()
        if found != file.sha256:
            raise InputError(
                f"{place} has another content than its name says: it was changed or damaged. Deliver the "
                "same files again, if they are kept elsewhere: sales-forecast deliver"
            )
