"""Raw tables of which the configuration says how many there are."""

from __future__ import annotations

from typing import Any

import pandas as pd
from kedro.io import AbstractDataset, DatasetError

from sales_forecast.errors import InputError
from sales_forecast.places import exists, join


class CSVTablesDataset(AbstractDataset[None, dict[str, pd.DataFrame]]):
    """CSV files that are read alike, each checked for its columns.

    Args:
        folder: Where the files lie: a folder, or a URL of fsspec.
        tables: Name -> ``file``, the path within the folder, and ``columns``: name inside the project -> name
            in the file, None for what it does not have.
        reading: Where ``globals.yml`` says how files are read, such as ``turnover.read_csv``.
        load_args: Options of pandas' ``read_csv``.
        metadata: For kedro-viz.
    """

    def __init__(
        self,
        *,
        folder: str,
        tables: dict[str, dict[str, Any]],
        reading: str,
        load_args: dict[str, Any] | None = None,
        metadata: dict[str, Any] | None = None,
    ) -> None:
        self._folder = folder
        self._tables = tables
        self._reading = reading
        self._load_args = load_args or {}
        self.metadata = metadata

    def load(self) -> dict[str, pd.DataFrame]:
        """Return the tables by name.

        Raises:
            DatasetError: A file cannot be read, or has not the columns that are named; the cause says which.
        """
        return {name: self._read(name, table) for name, table in self._tables.items()}

    def _read(self, name: str, table: dict[str, Any]) -> pd.DataFrame:
        from sales_forecast.contracts import DataContractError, RawTable  # pandera: only when it is needed
        from sales_forecast.contracts.headers import why_unreadable

        path = join(self._folder, table["file"])
        try:
            rows: pd.DataFrame = pd.read_csv(path, **self._load_args)
        except (OSError, EOFError, ValueError) as error:
            if reason := why_unreadable(error, path, self._load_args, self._reading):
                raise DataContractError(f"{path}: {reason}") from error
            place = f"{self._reading.split('.', maxsplit=1)[0]}.covariate_tables.{name}.file"
            kind = InputError if isinstance(error, FileNotFoundError) else DataContractError
            raise kind(
                f"{path} cannot be read: {error}. Put it there as a CSV file in UTF-8, compressed "
                f"if its name ends in .gz, or name another one as {place} in globals.yml."
            ) from error
        RawTable(table["file"], table["columns"], self._reading).validate(rows)
        return rows

    def save(self, data: None) -> None:
        """Refuse: the files are the retailer's."""
        raise DatasetError("raw files are only read")

    def _exists(self) -> bool:
        return all(exists(join(self._folder, table["file"])) for table in self._tables.values())

    def _describe(self) -> dict[str, Any]:
        return {name: table.get("file") for name, table in self._tables.items()}
