"""A raw table that a retailer may not have."""

from __future__ import annotations

from typing import Any

import pandas as pd
from kedro.io import AbstractDataset, DatasetError

from sales_forecast.places import exists


class OptionalCSVDataset(AbstractDataset[None, pd.DataFrame | None]):
    """A CSV file, or None where the configuration names no file.

    Args:
        file: Its name in the configuration; None where there is none.
        filepath: Where it lies: a path, or a URL of fsspec.
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
        self._file, self._path = file, filepath
        self._load_args = load_args or {}
        self.metadata = metadata

    def load(self) -> pd.DataFrame | None:
        """Read the file, if there is one."""
        return pd.read_csv(self._path, **self._load_args) if self._file else None

    def save(self, data: None) -> None:
        """Refuse: the file is the retailer's."""
        raise DatasetError("raw files are only read")

    def _exists(self) -> bool:
        return self._file is None or exists(self._path)

    def _describe(self) -> dict[str, Any]:
        return {"file": self._file, "filepath": self._path}
