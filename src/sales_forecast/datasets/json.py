"""Datasets that are JSON files: a part of a shared one, and what pydantic can check."""

from __future__ import annotations

import json
from importlib import import_module
from typing import Any

from kedro.io import AbstractDataset, DatasetError
from pydantic import TypeAdapter, ValidationError

from sales_forecast.datasets.files import locked, write_whole
from sales_forecast.places import exists, read_text


class SharedJSONDataset(AbstractDataset[dict[str, Any], dict[str, Any]]):
    """One top-level key of a JSON file that several nodes fill, each its own key.

    Args:
        filepath: The shared file: a path, or a URL of fsspec.
        key: The part that this dataset reads and replaces; all other keys stay as they are.
        metadata: For kedro-viz.
    """

    def __init__(self, *, filepath: str, key: str, metadata: dict[str, Any] | None = None) -> None:
        self._filepath = filepath
        self._key = key
        self.metadata = metadata

    def _read(self) -> dict[str, Any]:
        if not exists(self._filepath):
            return {}
        content: dict[str, Any] = json.loads(read_text(self._filepath))
        return content

    def load(self) -> dict[str, Any]:
        """Return this dataset's part of the file."""
        content = self._read()
        if self._key not in content:
            raise DatasetError(f"{self._filepath} has no part '{self._key}' yet")
        part: dict[str, Any] = content[self._key]
        return part

    def save(self, data: dict[str, Any]) -> None:
        """Replace this dataset's part of the file."""
        with locked(self._filepath):
            content = self._read() | {self._key: data}
            text = json.dumps(content, indent=2, sort_keys=True, allow_nan=False, default=str)
            write_whole(self._filepath, text + "\n")

    def _exists(self) -> bool:
        return self._key in self._read()

    def _describe(self) -> dict[str, Any]:
        return {"filepath": self._filepath, "key": self._key}


class ModelJSONDataset(AbstractDataset[Any, Any]):
    """One pydantic model, or models in a mapping, as a JSON file.

    Args:
        filepath: The file: a path, or a URL of fsspec.
        model: Dotted path of the model's class, or of a type such as ``dict[str, SomeModel]``.
        indent: Spaces by which nested values are indented.
        metadata: For kedro-viz.
    """

    def __init__(
        self, *, filepath: str, model: str, indent: int = 2, metadata: dict[str, object] | None = None
    ) -> None:
        self._filepath, self._model, self._indent = filepath, model, indent
        self.metadata = metadata

    def _type(self) -> TypeAdapter[Any]:
        module, _, name = self._model.rpartition(".")
        return TypeAdapter(getattr(import_module(module), name))

    def load(self) -> Any:
        """Return the model that the file holds.

        Raises:
            DatasetError: The file holds something else, such as what another version of this code wrote.
        """
        content = json.loads(read_text(self._filepath))
        try:
            return self._type().validate_python(content)
        except ValidationError as error:
            raise DatasetError(
                f"{self._filepath} does not hold a {self._model}: {error}. "
                "Run the stage again that writes it."
            ) from error

    def save(self, data: Any) -> None:
        """Write the model under a temporary name, which then takes the file's place.

        Raises:
            DatasetError: The data are of another type.
        """
        try:
            model = self._type().validate_python(data, strict=True)
        except ValidationError as error:
            raise DatasetError(
                f"{self._filepath} holds a {self._model}, not a {type(data).__name__}"
            ) from error
        text = json.dumps(self._type().dump_python(model, mode="json"), indent=self._indent)
        write_whole(self._filepath, text)

    def _exists(self) -> bool:
        return exists(self._filepath)

    def _describe(self) -> dict[str, str]:
        return {"filepath": self._filepath, "model": self._model}
