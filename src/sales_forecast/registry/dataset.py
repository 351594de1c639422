"""The registry in the catalog: saving submits a model, loading brings the one that serves."""

from __future__ import annotations

import json
import logging
from collections.abc import Mapping
from importlib import import_module

from kedro.io import AbstractDataset

from sales_forecast import tracking
from sales_forecast.atomic import whole_folder
from sales_forecast.errors import InputError
from sales_forecast.places import exists, local_folder, packed
from sales_forecast.registry.known_retailers import untracked_folder
from sales_forecast.registry.packages import Package, log_package, open_package
from sales_forecast.registry.serving import UNTRACKED, ServingModel, Submission
from sales_forecast.registry.signing import check_version
from sales_forecast.registry.store import BY_GATE, DIGEST, Registry
from sales_forecast.registry.trust import read_trust
from sales_forecast.retailers import DEFAULT_RETAILER, model_name, read_retailer

logger = logging.getLogger(__name__)


class RegistryDataset(AbstractDataset[list[Submission[Package]], ServingModel[Package] | None]):
    """The registered model of one retailer.

    Where nothing is tracked, the submission that took over last serves, from a local folder. What is loaded
    once stays for the run, whoever promotes another one meanwhile.

    Args:
        model: Name in the registry; that of another retailer than the default one has its name appended.
        package: Dotted path of the package's class, in its module of ``sales_forecast.models``.
        folder: For a model that could not be tracked: a folder, or a URL of fsspec.
        trust: What a version must prove before it is loaded: ``models`` in ``globals.yml``.
        retailer: JSON file that says whose files ``data/`` holds, for runs that read no raw files; without
            it they are those of the default retailer.
        required: Whether there must be one that serves.
        metadata: For kedro-viz.
    """

    def __init__(
        self,
        *,
        model: str,
        package: str,
        folder: str,
        trust: Mapping[str, object],
        retailer: str | None = None,
        required: bool = False,
        metadata: dict[str, object] | None = None,
    ) -> None:
        module, _, kind = package.rpartition(".")
        self._model, self._module, self._kind = model, module, kind
        self._untracked, self._required = folder, required
        self._stated, self._told = retailer, ""
        self._opened: ServingModel[Package] | None = None
        self._trust = read_trust(trust)
        self.metadata = metadata

    def belong_to(self, retailer: str) -> None:
        """Load and save the models of this retailer, whose raw files the run has read."""
        self._told, self._opened = retailer, None

    @property
    def _retailer(self) -> str:
        return self._told or read_retailer(self._stated) or DEFAULT_RETAILER

    @property
    def _name(self) -> str:
        return model_name(self._model, self._retailer)

    @property
    def _folder(self) -> str:
        return untracked_folder(self._untracked, self._retailer)

    def load(self) -> ServingModel[Package] | None:
        """Return the model that serves; None before the first one.

        Raises:
            InputError: There is none, and one is required.
        """
        if self._opened is None:
            self._opened = self._open()
        if self._opened is None and self._required:
            raise InputError(f"no version of {self._name} serves yet. Make one: kedro run")
        return self._opened

    def _open(self) -> ServingModel[Package] | None:
        kind: type[Package] = getattr(import_module(self._module), self._kind)
        if tracking.is_off():
            if not exists(packed(self._folder)):
                return None
            with local_folder(self._folder) as folder:
                stamp = json.loads((folder / "stamp.json").read_text(encoding="utf-8"))
                package = kind.read(folder, self._trust.method_modules)
            return ServingModel(self._name, package, UNTRACKED, UNTRACKED, stamp["data_version"])
        registry = self._registry()
        champion = registry.champion()
        if champion is None:
            return None
        return ServingModel(
            self._name,
            open_package(champion, kind, self._trust),
            str(champion.version),
            str(champion.run_id),
            champion.tags.get("data_version", ""),
            tuple(registry.versions()),
            tuple(registry.history()),
            self._trust,
        )

    def save(self, data: list[Submission[Package]]) -> None:
        """Register each submission that is not registered already, and promote those that take over.

        Raises:
            InputError: One that takes over is registered already, in a version that would not be loaded.
        """
        self._opened = None
        if tracking.is_off():
            for submission in data:
                if submission.promote:
                    self._keep(submission)
            return
        module, registry = import_module(self._module), self._registry()
        with tracking.same_run():
            for submission in data:
                digest = submission.package.digest()
                number = registry.version_of(digest)
                if number is None:
                    tags = submission.tags | {DIGEST: digest}
                    registered = log_package(
                        submission.package, module, registry, submission.card, tags, self._trust
                    )
                    number = str(registered.version)
                elif not submission.promote:
                    logger.info(
                        "This run's %s is version %s already: nothing is registered.", self._name, number
                    )
                    continue
                else:
                    check_version(registry.version(number), self._trust)
                self._settle(registry, number, submission)

    def _settle(self, registry: Registry, number: str, submission: Submission[Package]) -> None:
        if not submission.promote:
            registry.challenge(number)
            return
        serving = registry.champion()
        if (str(serving.version) if serving else None) == submission.against:
            registry.promote(number, submission.why, who=BY_GATE)
            return
        logger.warning(
            "%s version %s does not take over: it was compared with version %s, and another serves by now.",
            *(self._name, number, submission.against),
        )
        registry.challenge(number)

    def _registry(self) -> Registry:
        from mlflow import MlflowClient

        return Registry(MlflowClient(), self._name)

    def _keep(self, submission: Submission[Package]) -> None:
        with whole_folder(self._folder) as part:
            submission.package.write(part)
            (part / "stamp.json").write_text(json.dumps({"data_version": submission.data_version}))

    def _exists(self) -> bool:
        return exists(packed(self._folder)) if tracking.is_off() else self._registry().champion() is not None

    def _describe(self) -> dict[str, str]:
        return {"model": self._model, "package": f"{self._module}.{self._kind}"}
