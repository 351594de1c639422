"""Files and folders that are there completely or not at all.

On a disk they are written under another name in the same folder first, so that giving the right one is a mere
rename. Object storage such as S3 shows an object once all of it has arrived: files are made on this machine
and uploaded whole.
"""

from __future__ import annotations

import hashlib
import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory, gettempdir

from sales_forecast.places import Place, on_disk, open_place, pack, packed


def beside(path: Path, end: str = "part") -> Path:
    """Name a file or folder next to another, hidden, and of this process only."""
    return path.with_name(f".{path.name}.{os.getpid()}.{end}")


@contextmanager
def whole_file(place: Place) -> Iterator[Path]:
    """Write a file under the name that is yielded; it takes its place if nothing goes wrong.

    Args:
        place: Path, or URL of fsspec.
    """
    path = on_disk(place)
    if path is None:
        files, name = open_place(place)
        with TemporaryDirectory() as folder:
            part = Path(folder) / name.rpartition("/")[2]
            yield part
            files.put_file(str(part), name)
        return
    path.parent.mkdir(parents=True, exist_ok=True)
    part = beside(path)
    try:
        yield part
        part.replace(path)
    finally:
        part.unlink(missing_ok=True)


@contextmanager
def whole_folder(place: Place) -> Iterator[Path]:
    """Fill a folder under the name that is yielded; it takes its place if nothing goes wrong.

    Args:
        place: Path, or URL of fsspec, where it becomes one object, see ``places``.
    """
    path = on_disk(place)
    if path is None:
        with TemporaryDirectory() as folder:
            part = Path(folder) / "part"
            yield part
            with whole_file(packed(place)) as archive:
                pack(part, archive)
        return
    path.parent.mkdir(parents=True, exist_ok=True)
    part, old = beside(path), beside(path, "old")
    try:
        yield part
        if path.exists():
            path.replace(old)
        try:
            part.replace(path)
        except OSError:
            if old.exists():
                old.replace(path)
            raise
    finally:
        shutil.rmtree(part, ignore_errors=True)
        shutil.rmtree(old, ignore_errors=True)


def lock_file(place: Place) -> Path:
    """Name the file that is locked while ``place`` is changed: beside it, hidden.

    For object storage it is among the temporary files of this machine, and keeps out nobody on another one.
    """
    if (path := on_disk(place)) is not None:
        return path.with_name(f".{path.name}.lock")
    digest = hashlib.sha256(str(place).encode()).hexdigest()
    return Path(gettempdir()) / f"sales_forecast.{digest[:16]}.lock"
