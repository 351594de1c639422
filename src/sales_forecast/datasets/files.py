"""Text files that are written completely or not at all, and the digests of raw files."""

from __future__ import annotations

import hashlib
from pathlib import Path
from typing import Any

from filelock import FileLock
from kedro.io import AbstractDataset, DatasetError

from sales_forecast.atomic import whole_file


def write_whole(path: Path, text: str) -> None:
    """Write a text file completely or not at all."""
    with whole_file(path) as part:
        part.write_text(text, encoding="utf-8")


def locked(path: Path) -> FileLock:
    """Lock a file that several nodes fill, each a part of it."""
    path.parent.mkdir(parents=True, exist_ok=True)
    return FileLock(path.with_name(f".{path.name}.lock"), timeout=60)


class FileHashesDataset(AbstractDataset[None, dict[str, str]]):
    """SHA-256 of files, for telling which data a run has seen.

    Args:
        folder: Where the files lie, local.
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
        self._paths = {name: Path(folder) / file for name, file in {**files, **further}.items() if file}
        self.metadata = metadata

    def load(self) -> dict[str, str]:
        """Return hexadecimal digests by short name."""
        digests = {}
        for name, path in self._paths.items():
            with path.open("rb") as file:
                digests[name] = hashlib.file_digest(file, "sha256").hexdigest()
        return digests

    def save(self, data: None) -> None:
        """Refuse: the files are the retailer's."""
        raise DatasetError("raw files are only read")

    def _exists(self) -> bool:
        return all(path.exists() for path in self._paths.values())

    def _describe(self) -> dict[str, Any]:
        return {name: path.as_posix() for name, path in self._paths.items()}
