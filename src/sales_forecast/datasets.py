"""Catalog datasets for files that both domains share, and for scikit-learn models without pickle."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path
from typing import Any, Literal

from filelock import FileLock
from kedro.io import AbstractDataset, DatasetError

from sales_forecast.atomic import whole_file, whole_folder
from sales_forecast.forecasting.panel.model_input import ModelInput
from sales_forecast.reporting import Section, render_page, render_section


def write_whole(path: Path, text: str) -> None:
    """Write a text file completely or not at all."""
    with whole_file(path) as part:
        part.write_text(text, encoding="utf-8")


def _locked(path: Path) -> FileLock:
    path.parent.mkdir(parents=True, exist_ok=True)
    return FileLock(path.with_name(f".{path.name}.lock"), timeout=60)


class SharedJSONDataset(AbstractDataset[dict[str, Any], dict[str, Any]]):
    """One top-level key of a JSON file that several nodes fill, each its own key.

    Args:
        filepath: The shared file, local.
        key: The part that this dataset reads and replaces; all other keys stay as they are.
        metadata: For kedro-viz.
    """

    def __init__(self, *, filepath: str, key: str, metadata: dict[str, Any] | None = None) -> None:
        self._filepath = Path(filepath)
        self._key = key
        self.metadata = metadata

    def _read(self) -> dict[str, Any]:
        if not self._filepath.exists():
            return {}
        content: dict[str, Any] = json.loads(self._filepath.read_text(encoding="utf-8"))
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
        with _locked(self._filepath):
            content = self._read() | {self._key: data}
            text = json.dumps(content, indent=2, sort_keys=True, allow_nan=False, default=str)
            write_whole(self._filepath, text + "\n")

    def _exists(self) -> bool:
        return self._key in self._read()

    def _describe(self) -> dict[str, Any]:
        return {"filepath": self._filepath.as_posix(), "key": self._key}


class ReportSectionDataset(AbstractDataset[Section, str]):
    """One section of the report; saving it puts the whole page together again.

    Sections are kept as HTML fragments beside the page, so that a run of one domain or one stage
    renews its own part and leaves the others.

    Args:
        filepath: The page, one self-contained HTML file.
        domain: ``turnover`` or ``marketing``.
        stage: The stage that writes the section; decides where on the page it stands.
        metadata: For kedro-viz.
    """

    def __init__(
        self, *, filepath: str, domain: str, stage: str, metadata: dict[str, Any] | None = None
    ) -> None:
        self._page = Path(filepath)
        self._fragment = self._page.parent / "sections" / f"{domain}.{stage}.html"
        self.metadata = metadata

    def load(self) -> str:
        """Return the section's HTML; empty if no run has written it yet."""
        return self._fragment.read_text(encoding="utf-8") if self._exists() else ""

    def save(self, data: Section) -> None:
        """Render the section, then the page from all sections there are."""
        write_whole(self._fragment, render_section(data, self._fragment.stem))
        _render(self._page)

    def _exists(self) -> bool:
        return self._fragment.exists()

    def _describe(self) -> dict[str, Any]:
        return {"page": self._page.as_posix(), "section": self._fragment.stem}


class ReportDataset(AbstractDataset[dict[str, str], str]):
    """The report page, as one domain completes it; the sections of the other domain stay as they are.

    Args:
        filepath: The page, one self-contained HTML file.
        domain: ``turnover`` or ``marketing``.
        metadata: For kedro-viz.
    """

    def __init__(self, *, filepath: str, domain: str, metadata: dict[str, Any] | None = None) -> None:
        self._page, self._domain = Path(filepath), domain
        self.metadata = metadata

    def load(self) -> str:
        """Return the page's HTML."""
        return self._page.read_text(encoding="utf-8")

    def save(self, data: dict[str, str]) -> None:
        """Render the page, with these sections of the domain."""
        _render(self._page, {f"{self._domain}.{name}": html for name, html in data.items()})

    def _exists(self) -> bool:
        return self._page.exists()

    def _describe(self) -> dict[str, Any]:
        return {"page": self._page.as_posix(), "domain": self._domain}


def _render(page: Path, sections: dict[str, str] | None = None) -> None:
    """Put the page together from the sections kept beside it, and from newer ones."""
    with _locked(page):
        kept = {path.stem: path.read_text("utf-8") for path in (page.parent / "sections").glob("*.html")}
        write_whole(page, render_page(kept | (sections or {})))


class FileHashesDataset(AbstractDataset[None, dict[str, str]]):
    """SHA-256 of files, for telling which data a run has seen.

    Args:
        folder: Where the files lie, local.
        files: Short name -> path within the folder.
        metadata: For kedro-viz.
    """

    def __init__(self, *, folder: str, files: dict[str, str], metadata: dict[str, Any] | None = None) -> None:
        self._paths = {name: Path(folder) / file for name, file in files.items()}
        self.metadata = metadata

    def load(self) -> dict[str, str]:
        """Return hexadecimal digests by short name."""
        digests = {}
        for name, path in self._paths.items():
            with path.open("rb") as file:
                digests[name] = hashlib.file_digest(file, "sha256").hexdigest()
        return digests

    def save(self, data: None) -> None:
        """Refuse: the files are the retailer's."""
        raise DatasetError("raw files are only read")

    def _exists(self) -> bool:
        return all(path.exists() for path in self._paths.values())

    def _describe(self) -> dict[str, Any]:
        return {name: path.as_posix() for name, path in self._paths.items()}


class ModelInputDataset(AbstractDataset[ModelInput, ModelInput]):
    """The tables of ``ModelInput`` as a folder of Parquet files, which is replaced as a whole.

    Args:
        folder: Where the files lie, local.
        metadata: For kedro-viz.
    """

    def __init__(self, *, folder: str, metadata: dict[str, Any] | None = None) -> None:
        self._folder = Path(folder)
        self.metadata = metadata

    def load(self) -> ModelInput:
        """Read all tables."""
        return ModelInput.read(self._folder)

    def save(self, data: ModelInput) -> None:
        """Write all tables beside the old ones, then take their place."""
        with whole_folder(self._folder) as part:
            part.mkdir()
            data.write(part)

    def _exists(self) -> bool:
        return self._folder.is_dir()

    def _describe(self) -> dict[str, Any]:
        return {"folder": self._folder.as_posix()}


class SkopsDataset(AbstractDataset[Any, Any]):
    """A fitted scikit-learn model as a skops file: loading it runs no code of the file's.

    Args:
        filepath: Path of the ``.skops`` file, local.
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
        self._filepath = Path(filepath)
        self._trusted = trusted or []
        self.metadata = metadata

    def load(self) -> Any:
        """Return the model; refuse a file that holds a type that is not trusted."""
        import skops.io

        return skops.io.load(self._filepath, trusted=self._trusted)

    def save(self, data: Any) -> None:
        """Write the model."""
        import skops.io

        with whole_file(self._filepath) as part:
            skops.io.dump(data, part)

    def _exists(self) -> bool:
        return self._filepath.exists()

    def _describe(self) -> dict[str, Any]:
        return {"filepath": self._filepath.as_posix()}


class SparkParquetDataset(AbstractDataset[Any, Any]):
    """A folder of Parquet files that Spark writes beside the old one, which it then takes the place of.

    Args:
        filepath: The folder: local, or one that all machines of the cluster share.
        load_as: Whether it is read as a Spark table, or as a pandas one in the order it was written in.
        metadata: For kedro-viz.
    """

    def __init__(
        self,
        *,
        filepath: str,
        load_as: Literal["spark", "pandas"] = "spark",
        metadata: dict[str, Any] | None = None,
    ) -> None:
        self._filepath = Path(filepath)
        self._load_as = load_as
        self.metadata = metadata

    def load(self) -> Any:
        """Return the table."""
        if not self._exists():
            raise FileNotFoundError(f"No such folder: {self._filepath.as_posix()}")
        if self._load_as == "pandas":
            import pandas as pd

            table = pd.read_parquet(self._filepath)
            times = table.select_dtypes("datetime").columns  # Spark's have microseconds, ours nanoseconds
            return table.astype(dict.fromkeys(times, "datetime64[ns]"))
        from pyspark.sql import SparkSession

        return SparkSession.builder.getOrCreate().read.parquet(self._filepath.absolute().as_uri())

    def save(self, data: Any) -> None:
        """Write beside the old folder, then take its place."""
        with whole_folder(self._filepath) as part:
            data.write.mode("overwrite").parquet(part.absolute().as_uri())

    def _exists(self) -> bool:
        return self._filepath.is_dir()

    def _describe(self) -> dict[str, Any]:
        return {"filepath": self._filepath.as_posix(), "load_as": self._load_as}
