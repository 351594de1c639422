"""Text files that are written completely or not at all, and the digests of raw files."""

from __future__ import annotations

import hashlib
from typing import Any

from filelock import FileLock
from kedro.io import AbstractDataset, DatasetError

from sales_forecast.atomic import lock_file, whole_file
from sales_forecast.places import Place, exists, join, open_place


def write_whole(place: Place, text: str) -> None:
    """Write a text file completely or not at all."""
    with whole_file(place) as part:
        part.write_text(text, encoding="utf-8")


def locked(place: Place) -> FileLock:
    """Lock a file that several nodes fill, each a part of it."""
    file = lock_file(place)
    file.parent.mkdir(parents=True, exist_ok=True)
    return FileLock(file, timeout=60)


class FileHashesDataset(AbstractDataset[None, dict[str, str]]):
    """SHA-256 of files, for telling which data a run has seen.

    Args:
        folder: Where the files lie: a folder, or a URL of fsspec.
        files: Short name -> path within the folder; None for what the retailer does not have.
        tables: Further files: short name -> ``file``, the path within the folder, and options of the table.
        metadata: For kedro-viz.
    """

    def __init__(
        self,
        *,
        folder: str,
        files: dict[str, str | None],
        tables: dict[str, dict[str, Any]] | None = None,
        metadata: dict[str, Any] | None = None,
    ) -> None:
        further = {name: table["file"] for name, table in (tables or {}).items() if "file" in table}
        self._places = {name: join(folder, file) for name, file in {**files, **further}.items() if file}
        self.metadata = metadata

    def load(self) -> dict[str, str]:
        """Return hexadecimal digests by short name."""
        digests = {}
        for name, place in self._places.items():
            files, path = open_place(place)
            with files.open(path, "rb") as file:
                digests[name] = hashlib.file_digest(file, "sha256").hexdigest()
        return digests

    def save(self, data: None) -> None:
        """Refuse: the files are the retailer's."""
        raise DatasetError("raw files are only read")

    def _exists(self) -> bool:
        return all(exists(place) for place in self._places.values())

    def _describe(self) -> dict[str, Any]:
        return dict(self._places)
