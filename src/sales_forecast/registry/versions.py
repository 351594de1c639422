"""Registered versions in the catalog: the packages of models that served before."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TypeVar

from kedro.io import AbstractDataset, DatasetError

from sales_forecast import tracking
from sales_forecast.errors import InputError
from sales_forecast.registry.packages import Package, open_package
from sales_forecast.registry.serving import UNTRACKED
from sales_forecast.registry.store import Registry
from sales_forecast.registry.trust import NO_KEY, Trust, read_trust

KindT = TypeVar("KindT", bound=Package)


@dataclass(frozen=True)
class RegisteredVersions:
    """Packages of the registry by name and version; each is read when it is asked for.

    Args:
        tracked: Whether there is a registry to ask.
        trust: What a version must prove before it is read.
    """

    tracked: bool = True
    trust: Trust = NO_KEY

    def package(self, name: str, version: str, kind: type[KindT]) -> KindT:
        """Read the package of a version, whether it serves or not.

        Args:
            name: Of the registered model.
            version: Its number.
            kind: Class of the package.

        Raises:
            InputError: There is no such version, it was never registered, it is not what was registered, or
                this code cannot read it.
        """
        if not self.tracked or version == UNTRACKED:
            raise InputError(f"version {version} of {name} is not in a registry")
        import mlflow

        try:
            return open_package(Registry(mlflow.MlflowClient(), name).version(version), kind, self.trust)
        except (OSError, mlflow.MlflowException) as error:
            raise InputError(
                f"the artifacts of version {version} of {name} cannot be read: {error}"
            ) from error


class RegisteredVersionsDataset(AbstractDataset[None, RegisteredVersions]):
    """The registry, as far as it keeps the models of earlier publications.

    Args:
        trust: What a version must prove before it is read: ``models`` in ``globals.yml``.
        metadata: Metadata of the dataset for plugins such as Kedro-Viz.
    """

    def __init__(self, *, trust: Mapping[str, object], metadata: Mapping[str, object] | None = None) -> None:
        self._trust, self.metadata = read_trust(trust), metadata

    def load(self) -> RegisteredVersions:
        """Return what the registry keeps."""
        return RegisteredVersions(not tracking.is_off(), self._trust)

    def save(self, data: None) -> None:
        """Refuse: versions are registered by submissions."""
        raise DatasetError("registered versions are only read")

    def _describe(self) -> dict[str, str]:
        return {}
