"""Versions outside the registry: a folder with a package and all that it is verified by."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar

from pydantic import BaseModel, ValidationError

from sales_forecast.errors import InputError
from sales_forecast.registry.packages import Package, read_package
from sales_forecast.registry.trust import Trust
from sales_forecast.registry.verification import DATA, download_package, verify_folder

if TYPE_CHECKING:
    from mlflow.entities.model_registry import ModelVersion

VERSION_FILE = "version.json"

KindT = TypeVar("KindT", bound=Package)


class ExportedVersion(BaseModel, frozen=True, extra="forbid"):
    """What the registry says about a version, as far as verifying and serving it need that."""

    name: str
    version: str
    run_id: str
    tags: dict[str, str]


def export_version(found: ModelVersion, trust: Trust, folder: Path) -> None:
    """Write the package of a version, and what it is verified by, to a folder.

    Args:
        found: Version in the registry.
        trust: What it must prove.
        folder: Folder that takes ``data/package`` and ``version.json``; it is made.

    Raises:
        InputError: The version is not what was registered.
    """
    folder.mkdir(parents=True)
    download_package(found, trust, folder)
    said = ExportedVersion(
        name=found.name, version=str(found.version), run_id=str(found.run_id), tags=dict(found.tags)
    )
    (folder / VERSION_FILE).write_text(said.model_dump_json(indent=1) + "\n", encoding="utf-8")


def open_exported(folder: Path, kind: type[KindT], trust: Trust) -> tuple[ModelVersion, KindT]:
    """Verify an exported version as if it came from the registry, and read its package.

    Without a signing key this finds files that were damaged. Only with one does it find an export that
    somebody has made on purpose, since the digests come with the files.

    Args:
        folder: Folder that ``export_version`` has written.
        kind: Class of the package, whose ``read`` reads a folder.
        trust: What the version must prove.

    Returns:
        The version, and its package.

    Raises:
        InputError: It is not what was registered, or this code cannot read it.
    """
    found = _read_version(folder / VERSION_FILE)
    verify_folder(found, trust, folder / DATA)
    return found, read_package(found, folder / DATA, kind, trust)


def _read_version(file: Path) -> ModelVersion:
    from mlflow.entities.model_registry import ModelVersion, ModelVersionTag

    try:
        said = ExportedVersion.model_validate_json(file.read_bytes())
    except OSError as error:
        raise InputError(f"{file} cannot be read: {error.strerror}. Export the version again") from error
    except ValidationError as error:
        raise InputError(f"{file} says of no version what it is verified by. Export it again") from error
    tag: Callable[[str, str], ModelVersionTag] = ModelVersionTag
    tags = [tag(name, value) for name, value in said.tags.items()]
    return ModelVersion(said.name, said.version, 0, run_id=said.run_id, tags=tags)
