"""Files of the catalog, wherever they lie, as artifacts of the tracked run."""

from __future__ import annotations

import posixpath
from collections.abc import Iterable
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from fsspec.core import url_to_fs
from kedro.io import DataCatalog


def layer_of(name: str, catalog: DataCatalog) -> str | None:
    """In which layer a dataset stands, as kedro-viz shows it."""
    metadata: dict[str, Any] = getattr(catalog.get(name), "metadata", None) or {}
    layer: str | None = metadata.get("kedro-viz", {}).get("layer")
    return layer


def log_files(names: Iterable[str], catalog: DataCatalog, folder: str | None = None) -> None:
    """Log the files of datasets with the active run, from a disk or from a store such as S3.

    Args:
        names: Datasets; those without a file, and files that are not there, are left out.
        catalog: Where they are declared.
        folder: Of the artifacts. What lies deeper than the others lies deeper in it, too.
    """
    import mlflow

    found = {}  # path -> file system; some datasets share a file
    for name in names:
        entry = catalog.config_resolver.resolve_pattern(name)
        if "filepath" in entry:
            options = (entry.get("credentials") or {}) | (entry.get("fs_args") or {})
            options.pop("open_args_load", None), options.pop("open_args_save", None)
            files, path = url_to_fs(str(entry["filepath"]), **options)
            if files.isfile(path):
                found[path] = files
    root = posixpath.commonpath([posixpath.dirname(path) for path in found]) if found else ""
    for path in sorted(found):
        deeper = posixpath.relpath(posixpath.dirname(path), root)
        place = posixpath.normpath(posixpath.join(folder or "", deeper))
        with TemporaryDirectory() as temporary:
            here = Path(path)
            if "file" not in found[path].protocol:
                here = Path(temporary) / here.name
                found[path].get_file(path, str(here))
            mlflow.log_artifact(str(here), None if place == "." else place)
