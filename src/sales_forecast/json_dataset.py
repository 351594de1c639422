"""A catalog dataset for pydantic models, which lie on disk as JSON."""

from __future__ import annotations

import json
import os
from importlib import import_module
from pathlib import Path

from kedro.io import AbstractDataset, DatasetError
from pydantic import BaseModel, ValidationError


class ModelJSONDataset(AbstractDataset[BaseModel, BaseModel]):
    """One pydantic model as a JSON file.

    Args:
        filepath: The file, local.
        model: Dotted path of the model's class.
        indent: Spaces by which nested values are indented.
        metadata: For kedro-viz.
    """

    def __init__(
        self, *, filepath: str, model: str, indent: int = 2, metadata: dict[str, object] | None = None
    ) -> None:
        self._filepath, self._model, self._indent = Path(filepath), model, indent
        self.metadata = metadata

    def _class(self) -> type[BaseModel]:
        module, _, name = self._model.rpartition(".")
        found: type[BaseModel] = getattr(import_module(module), name)
        return found

    def load(self) -> BaseModel:
        """Return the model that the file holds.

        Raises:
            DatasetError: The file holds something else, such as what another version of this code wrote.
        """
        content = json.loads(self._filepath.read_text(encoding="utf-8"))
        try:
            return self._class().model_validate(content)
        except ValidationError as error:
            raise DatasetError(
                f"{self._filepath} does not hold a {self._model}: {error}. "
                "Run the stage again that writes it."
            ) from error

    def save(self, data: BaseModel) -> None:
        """Write the model under a temporary name, which then takes the file's place.

        Raises:
            DatasetError: The data are no model of the class.
        """
        if not isinstance(data, self._class()):
            raise DatasetError(f"{self._filepath} holds a {self._model}, not a {type(data).__name__}")
        text = json.dumps(data.model_dump(mode="json"), indent=self._indent)
        self._filepath.parent.mkdir(parents=True, exist_ok=True)
        temporary = self._filepath.with_name(f".{self._filepath.name}.{os.getpid()}.part")
        try:
            temporary.write_text(text, encoding="utf-8")
            temporary.replace(self._filepath)
        finally:
            temporary.unlink(missing_ok=True)

    def _exists(self) -> bool:
        return self._filepath.exists()

    def _describe(self) -> dict[str, str]:
        return {"filepath": self._filepath.as_posix(), "model": self._model}
