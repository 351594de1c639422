"""Fitted scikit-learn models in the catalog, without pickle."""

from __future__ import annotations

from typing import Any

from kedro.io import AbstractDataset

from sales_forecast.atomic import whole_file
from sales_forecast.places import exists, local_file


class SkopsDataset(AbstractDataset[Any, Any]):
    """A fitted scikit-learn model as a skops file: loading it runs no code of the file's.

    Args:
        filepath: The ``.skops`` file: a path, or a URL of fsspec.
        trusted: Types beyond scikit-learn's own that may be loaded.
        metadata: For kedro-viz.
    """

    def __init__(
        self,
        *,
        filepath: str,
        trusted: list[str] | None = None,
        metadata: dict[str, Any] | None = None,
    ) -> None:
        self._filepath = filepath
        self._trusted = trusted or []
        self.metadata = metadata

    def load(self) -> Any:
        """Return the model; refuse a file that holds a type that is not trusted."""
        import skops.io

        with local_file(self._filepath) as file:
            return skops.io.load(file, trusted=self._trusted)

    def save(self, data: Any) -> None:
        """Write the model."""
        import skops.io

        with whole_file(self._filepath) as part:
            skops.io.dump(data, part)

    def _exists(self) -> bool:
        return exists(self._filepath)

    def _describe(self) -> dict[str, Any]:
        return {"filepath": self._filepath}
