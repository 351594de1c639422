"""A workbook for planners in the catalog."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import pandas as pd
from kedro.io import AbstractDataset

from sales_forecast.atomic import whole_file
from sales_forecast.places import exists, local_file
from sales_forecast.reporting.workbook import Sheet
from sales_forecast.reporting.workbook_file import write_workbook


class WorkbookDataset(AbstractDataset[Iterable[Sheet], dict[str, pd.DataFrame]]):
    """Sheets as an Excel workbook, see ``reporting.workbook_file``.

    Args:
        filepath: The workbook: a path, or a URL of fsspec.
        metadata: For kedro-viz.
    """

    def __init__(self, *, filepath: str, metadata: dict[str, Any] | None = None) -> None:
        self._path = filepath
        self.metadata = metadata

    def load(self) -> dict[str, pd.DataFrame]:
        """Return the tables by name of the sheet; needs openpyxl."""
        with local_file(self._path) as file:
            return pd.read_excel(file, sheet_name=None)

    def save(self, data: Iterable[Sheet]) -> None:
        """Write all sheets, or leave the file as it was."""
        with whole_file(self._path) as part:
            write_workbook(part, data)

    def _exists(self) -> bool:
        return exists(self._path)

    def _describe(self) -> dict[str, Any]:
        return {"filepath": self._path}
