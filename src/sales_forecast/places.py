"""Files and folders by path or URL: on a disk as always, in object storage such as S3 through fsspec.

A folder in object storage is one object, a tar archive: there nothing else is replaced as a whole.
"""

from __future__ import annotations

import posixpath
import shutil
import tarfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory

from fsspec import AbstractFileSystem
from fsspec.core import url_to_fs

from sales_forecast.errors import InputError

Place = Path | str
"""A path, or a URL of fsspec, such as ``s3://bucket/data/03_primary/turnover/panel.parquet``."""


def on_disk(place: Place) -> Path | None:
    """Return the path of what is on a disk; None for what is in object storage."""
    if isinstance(place, Path):
        return place
    protocol, is_url, path = place.partition("://")
    if not is_url:
        return Path(place)
    return Path(path) if protocol == "file" else None


def open_place(place: Place) -> tuple[AbstractFileSystem, str]:
    """Open the file system of fsspec that a path or URL is on; return it with the path there.

    Raises:
        InputError: A package for this kind of URL is missing, or there is no such kind.
    """
    try:
        found: tuple[AbstractFileSystem, str] = url_to_fs(str(place))
    except (ImportError, ValueError) as error:  # such as: Install s3fs to access S3
        raise InputError(
            f"{place} cannot be opened: {error}. A folder needs no further package, s3:// needs s3fs "
            "(make s3), gs:// gcsfs, abfs:// adlfs"
        ) from error
    return found


def join(folder: str, *names: str) -> str:
    """Name a file in a folder; an absolute name stands for itself."""
    return posixpath.join(folder, *names)


def next_to(place: str, *names: str) -> str:
    """Name a file in the folder of another one."""
    return posixpath.join(posixpath.dirname(place), *names)


def exists(place: Place) -> bool:
    """Whether there is a file."""
    if (path := on_disk(place)) is not None:
        return path.exists()
    files, name = open_place(place)
    return bool(files.exists(name))


def list_files(folder: str) -> list[str]:
    """Name all files in a folder, sorted; none if there is no such folder."""
    if (path := on_disk(folder)) is not None:
        return sorted(each.as_posix() for each in path.glob("*"))
    files, name = open_place(folder)
    if not files.isdir(name):
        return []
    return sorted(files.unstrip_protocol(each) for each in files.ls(name, detail=False))


def read_text(place: Place) -> str:
    """Read a text file in UTF-8.

    Raises:
        FileNotFoundError: There is none.
    """
    if (path := on_disk(place)) is not None:
        return path.read_text(encoding="utf-8")
    files, name = open_place(place)
    return bytes(files.cat_file(name)).decode()


def read_texts(folder: str, end: str) -> dict[str, str]:
    """Read the text files of a folder whose names have an end, those in object storage at the same time.

    Args:
        folder: Path or URL; if there is no such folder, there are no files.
        end: Such as ``.html``.

    Returns:
        Name of the file without its end -> text.
    """
    places = [place for place in list_files(folder) if place.endswith(end)]
    if on_disk(folder) is None and places:
        found = {name: bytes(content).decode() for name, content in open_place(folder)[0].cat(places).items()}
    else:
        found = {place: read_text(place) for place in places}
    return {posixpath.basename(place).removesuffix(end): text for place, text in found.items()}


def remove_file(place: Place) -> None:
    """Remove a file, if there is one."""
    if (path := on_disk(place)) is not None:
        path.unlink(missing_ok=True)
    elif exists(place):
        files, name = open_place(place)
        files.rm_file(name)


@contextmanager
def local_file(place: Place) -> Iterator[Path]:
    """Yield the path of a file to read, or of a copy that is removed again.

    Raises:
        FileNotFoundError: There is none in object storage.
    """
    if (path := on_disk(place)) is not None:
        yield path
        return
    files, name = open_place(place)
    with TemporaryDirectory() as folder:
        copy = Path(folder) / posixpath.basename(name)
        files.get_file(name, str(copy))
        yield copy


# --- folders that are written as a whole, see atomic.whole_folder -------------------------------------


def packed(folder: Place) -> Place:
    """Name the object that a folder is in object storage; on a disk it is the folder itself."""
    return folder if on_disk(folder) is not None else f"{folder}.tar"


def pack(folder: Path, archive: Path) -> None:
    """Write all files of a folder into a tar archive."""
    with tarfile.open(archive, "w") as packing:
        packing.add(folder, ".")


@contextmanager
def local_folder(folder: Place) -> Iterator[Path]:
    """Yield the path of a folder to read, or of a copy that is removed again.

    Raises:
        FileNotFoundError: There is none in object storage.
    """
    with local_file(packed(folder)) as path:
        if on_disk(folder) is not None:
            yield path
            return
        copy = path.parent / "unpacked"
        with tarfile.open(path) as packing:
            packing.extractall(copy, filter="data")
        yield copy


def remove_folder(folder: Place) -> None:
    """Remove a folder, if there is one."""
    if (path := on_disk(folder)) is not None:
        shutil.rmtree(path)
    else:
        remove_file(packed(folder))


def folder_size(folder: Place) -> int:
    """Size of all files of a folder, bytes."""
    if (path := on_disk(folder)) is not None:
        return sum(file.stat().st_size for file in path.rglob("*") if file.is_file())
    files, name = open_place(packed(folder))
    return int(files.size(name))
