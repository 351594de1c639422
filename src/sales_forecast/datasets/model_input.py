"""The tables that models are fitted on, as one dataset."""

from __future__ import annotations

from typing import Any

from kedro.io import AbstractDataset

from sales_forecast.atomic import whole_folder
from sales_forecast.forecasting.panel.model_input import ModelInput
from sales_forecast.places import exists, local_folder, packed


class ModelInputDataset(AbstractDataset[ModelInput, ModelInput]):
    """The tables of ``ModelInput`` as a folder of Parquet files, which is replaced as a whole.

    Args:
        folder: Where the files lie: a folder, or a URL of fsspec, where they become one object (``places``).
        metadata: For kedro-viz.
    """

    def __init__(self, *, folder: str, metadata: dict[str, Any] | None = None) -> None:
        self._folder = folder
        self.metadata = metadata

    def load(self) -> ModelInput:
        """Read all tables."""
        with local_folder(self._folder) as folder:
            return ModelInput.read(folder)

    def save(self, data: ModelInput) -> None:
        """Write all tables beside the old ones, then take their place."""
        with whole_folder(self._folder) as part:
            part.mkdir()
            data.write(part)

    def _exists(self) -> bool:
        return exists(packed(self._folder))

    def _describe(self) -> dict[str, Any]:
        return {"folder": self._folder}
