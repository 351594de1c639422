"""A raw table that a retailer may not have."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pandas as pd
from kedro.io import AbstractDataset, DatasetError


class OptionalCSVDataset(AbstractDataset[None, pd.DataFrame | None]):
    """A CSV file, or None where the configuration names no file.

    Args:
        file: Its name in the configuration; None where there is none.
        filepath: Where it lies.
        load_args: Options of pandas' ``read_csv``.
        metadata: For kedro-viz.
    """

    def __init__(
        self,
        *,
        file: str | None,
        filepath: str,
        load_args: dict[str, Any] | None = None,
        metadata: dict[str, Any] | None = None,
    ) -> None:
        self._file, self._path = file, Path(filepath)
        self._load_args = load_args or {}
        self.metadata = metadata

    def load(self) -> pd.DataFrame | None:
        """Read the file, if there is one."""
        return pd.read_csv(self._path, **self._load_args) if self._file else None

    def save(self, data: None) -> None:
        """Refuse: the file is the retailer's."""
        raise DatasetError("raw files are only read")

    def _exists(self) -> bool:
        return self._file is None or self._path.exists()

    def _describe(self) -> dict[str, Any]:
        return {"file": self._file, "filepath": self._path.as_posix()}
