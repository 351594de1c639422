"""Whose models are registered, and the data that they were made from: what a delivery is compared with."""

from __future__ import annotations

import posixpath
import tempfile
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import pandas as pd
from kedro.io import AbstractDataset, DatasetError

from sales_forecast import tracking
from sales_forecast.errors import InputError
from sales_forecast.places import exists, join, list_files, local_folder, next_to, on_disk
from sales_forecast.registry.store import registries
from sales_forecast.registry.trust import read_trust
from sales_forecast.registry.verification import download_package
from sales_forecast.retailers import DEFAULT_RETAILER, check_name, model_name, name_of_folder, retailer_of

if TYPE_CHECKING:
    from mlflow.entities.model_registry import ModelVersion


@dataclass(frozen=True)
class KnownRetailers:
    """The retailers with registered models of one domain.

    Args:
        data: Retailer -> a table that the retailer's champion was made from.
        folder: Folder of this run's raw files, after which a new retailer is called.
        given: Name that the configuration or another domain of the run gives the retailer; None to find it.
        names: All retailers with registered models, also without a champion.
    """

    data: Mapping[str, pd.DataFrame]
    folder: str = ""
    given: str | None = None
    names: frozenset[str] = frozenset()

    @property
    def new_name(self) -> str:
        """Name of a retailer who is seen for the first time; the first one of a project has the default."""
        taken = self.names | set(self.data)
        if DEFAULT_RETAILER not in taken:
            return DEFAULT_RETAILER
        name, number = name_of_folder(self.folder), 2
        candidate = name
        while candidate in taken:
            candidate, number = f"{name}-{number}", number + 1
        return candidate


class KnownRetailersDataset(AbstractDataset[None, KnownRetailers]):
    """The registry, as far as it tells whose files a run has read.

    Args:
        model: Registered model of the default retailer; those of others begin with its name.
        table: Parquet file of a package that holds the data which a model was made from.
        folder: Folder of models that could not be tracked, as in ``RegistryDataset``.
        trust: What champions must prove before they are read: ``models`` in ``globals.yml``.
        raw_folder: Folder of the raw files.
        retailer: Name of the retailer; None to find it.
        metadata: Metadata of the dataset for plugins such as Kedro-Viz.
    """

    def __init__(
        self,
        *,
        model: str,
        table: str,
        folder: str,
        trust: Mapping[str, object],
        raw_folder: str = "",
        retailer: str | int | None = None,
        metadata: Mapping[str, object] | None = None,
    ) -> None:
        self._model, self._table = model, f"{table}.parquet"
        self._folder, self._raw_folder = folder, raw_folder
        self._trust = read_trust(trust)
        self._given = None if retailer is None else str(retailer)
        self.metadata = metadata

    def belong_to(self, retailer: str) -> None:
        """Take the retailer that another domain of the run belongs to."""
        self._given = retailer

    def load(self) -> KnownRetailers:
        """Return all retailers with the data of their champions.

        Raises:
            InputError: The given name cannot be one, or the data of a champion cannot be read or are not
                what was registered.
        """
        given = None if self._given is None else check_name(self._given)
        if tracking.is_off():
            data = {name: self._untracked(name) for name in self._untracked_names()}
            return KnownRetailers(data, self._raw_folder, given)
        from mlflow import MlflowClient

        known = registries(MlflowClient(), self._model)
        champions = {name: registry.champion() for name, registry in known.items()}
        data = {name: self._read(champion) for name, champion in champions.items() if champion is not None}
        return KnownRetailers(data, self._raw_folder, given, frozenset(known))

    def _read(self, champion: ModelVersion) -> pd.DataFrame:
        import mlflow

        try:
            with tempfile.TemporaryDirectory() as temporary:
                return pd.read_parquet(download_package(champion, self._trust, Path(temporary), self._table))
        except InputError:
            raise
        except (OSError, ValueError, mlflow.MlflowException) as error:
            raise InputError(
                f"version {champion.version} of {champion.name} serves, but its {self._table}, which tells "
                f"whose model it is, cannot be read: {error}. Bring the artifacts of the registry back, or "
                "let another version serve: sales-forecast models promote --help"
            ) from error

    def _untracked_names(self) -> Iterable[str]:
        first, folders = posixpath.basename(self._folder), list_files(posixpath.dirname(self._folder))
        return sorted(
            retailer_of(posixpath.basename(folder).removesuffix(".tar"))
            for folder in folders
            if posixpath.basename(folder).startswith(first)
            and (on_disk(folder) is None or exists(join(folder, self._table)))
        )

    def _untracked(self, retailer: str) -> pd.DataFrame:
        with local_folder(untracked_folder(self._folder, retailer)) as folder:
            return pd.read_parquet(folder / self._table)

    def save(self, data: None) -> None:
        """Refuse: models are registered by ``RegistryDataset``."""
        raise DatasetError("retailers are known by their models")

    def _describe(self) -> dict[str, str]:
        return {"model": self._model, "table": self._table}


def untracked_folder(folder: str, retailer: str) -> str:
    """Return the folder of a retailer's model that could not be tracked."""
    return next_to(folder, model_name(posixpath.basename(folder), retailer))
