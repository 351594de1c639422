"""The registry in the catalog: saving submits a model, loading brings the one that serves."""

from __future__ import annotations

import json
import logging
import math
from dataclasses import dataclass, field
from datetime import date
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING, Generic, TypeVar

from kedro.io import AbstractDataset

from sales_forecast import tracking
from sales_forecast.atomic import whole_folder
from sales_forecast.errors import InputError
from sales_forecast.registry.known_retailers import untracked_folder
from sales_forecast.registry.packages import Package, log_package, open_package
from sales_forecast.registry.records import METRIC
from sales_forecast.registry.store import DIGEST, Event, Registry
from sales_forecast.retailers import DEFAULT_RETAILER, model_name, read_retailer, retailer_of

if TYPE_CHECKING:
    from mlflow.entities.model_registry import ModelVersion

logger = logging.getLogger(__name__)

UNTRACKED = "untracked"

JUDGED_UNTIL = "judged_until"
"""Tag of versions that were chosen among all methods: the last week of their data."""

PackageT_co = TypeVar("PackageT_co", bound=Package, covariant=True)
"""Class of the package of one domain."""


@dataclass(frozen=True)
class Submission(Generic[PackageT_co]):
    """A model to be registered.

    Args:
        package: Model and tables.
        card: What the model is for, how good it is and what it cannot do, in Markdown.
        promote: Whether it takes over.
        why: In words.
        data_version: Of the raw files it was made from.
        against: Version of the model that it was compared with; it takes over only if that still serves.
        gate: Numbers of the decision by name.
        metrics: Window -> metric -> value: how good it was.
        judged_until: Last week of the data, if all methods have competed on them.
    """

    package: PackageT_co
    card: str
    promote: bool
    why: str
    data_version: str
    against: str | None = None
    gate: dict[str, float] = field(default_factory=dict)
    metrics: dict[str, dict[str, float]] = field(default_factory=dict)
    judged_until: date | None = None

    @property
    def tags(self) -> dict[str, str]:
        """What the version is marked with."""
        numbers = {f"gate.{name}": f"{value:.6g}" for name, value in self.gate.items()}
        measured = {
            f"{METRIC}{window}.{name}": repr(value)
            for window, found in self.metrics.items()
            for name, value in found.items()
            if math.isfinite(value)
        }
        tags = {"data_version": self.data_version, "decision": self.why[:1000]} | numbers | measured
        return tags | ({JUDGED_UNTIL: self.judged_until.isoformat()} if self.judged_until else {})


@dataclass(frozen=True)
class ServingModel(Generic[PackageT_co]):
    """The model that serves.

    Args:
        name: Of the registered model.
        package: Model and tables.
        version: In the registry, or ``untracked``.
        run_id: Of the tracked run that made it, or ``untracked``.
        data_version: Of the raw files it was made from.
        versions: All that are registered, newest first.
        events: Every change of the champion, oldest first.
    """

    name: str
    package: PackageT_co
    version: str
    run_id: str
    data_version: str
    versions: tuple[ModelVersion, ...] = ()
    events: tuple[Event, ...] = ()

    def is_news(self, data_version: str) -> bool:
        """Whether no model was made from these data yet; else going back would be undone by the next run."""
        known = {version.tags.get("data_version", "") for version in self.versions}
        return data_version not in known | {self.data_version}

    @property
    def judged(self) -> ModelVersion | None:
        """The newest version that was chosen among all methods; it need not serve."""
        return next((version for version in self.versions if JUDGED_UNTIL in version.tags), None)

    @property
    def retailer(self) -> str:
        """Whose model it is."""
        return retailer_of(self.name)

    @property
    def made_by(self) -> dict[str, str]:
        """What says which model forecasts are from."""
        return {
            "model_version": self.version,
            "run_id": self.run_id,
            "model_data_version": self.data_version,
        }

    def stamp(self, data_version: str) -> dict[str, str]:
        """What its forecasts are marked with.

        Args:
            data_version: Of the raw files that it forecasts from, which need not be those it was made from.
        """
        return self.made_by | {"data_version": data_version}

    def __str__(self) -> str:
        """For the foot of a page."""
        return f"{self.name} version {self.version}, made by run {self.run_id} from data {self.data_version}."


class RegistryDataset(AbstractDataset[list[Submission[Package]], ServingModel[Package] | None]):
    """The registered model of one retailer.

    Where nothing is tracked, the submission that took over last serves, from a local folder. What is loaded
    once stays for the run, whoever promotes another one meanwhile.

    Args:
        model: Name in the registry; that of another retailer than the default one has its name appended.
        package: Dotted path of the package's class, in its module of ``sales_forecast.models``.
        folder: For a model that could not be tracked.
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
        retailer: str | None = None,
        required: bool = False,
        metadata: dict[str, object] | None = None,
    ) -> None:
        module, _, kind = package.rpartition(".")
        self._model, self._module, self._kind = model, module, kind
        self._untracked, self._required = Path(folder), required
        self._stated, self._told = Path(retailer) if retailer else None, ""
        self._opened: ServingModel[Package] | None = None
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
    def _folder(self) -> Path:
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
            if not self._folder.exists():
                return None
            stamp = json.loads((self._folder / "stamp.json").read_text(encoding="utf-8"))
            package = kind.read(self._folder)
            return ServingModel(self._name, package, UNTRACKED, UNTRACKED, stamp["data_version"])
        registry = self._registry()
        champion = registry.champion()
        if champion is None:
            return None
        return ServingModel(
            self._name,
            open_package(champion, kind),
            str(champion.version),
            str(champion.run_id),
            champion.tags.get("data_version", ""),
            tuple(registry.versions()),
            tuple(registry.history()),
        )

    def save(self, data: list[Submission[Package]]) -> None:
        """Register each submission that is not registered already, and promote those that take over."""
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
                    registered = log_package(submission.package, module, registry, submission.card, tags)
                    number = str(registered.version)
                elif not submission.promote:
                    logger.info(
                        "This run's %s is version %s already: nothing is registered.", self._name, number
                    )
                    continue
                self._settle(registry, number, submission)

    def _settle(self, registry: Registry, number: str, submission: Submission[Package]) -> None:
        if not submission.promote:
            registry.challenge(number)
            return
        serving = registry.champion()
        if (str(serving.version) if serving else None) == submission.against:
            registry.promote(number, submission.why, who="kedro run")
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
        return self._folder.exists() if tracking.is_off() else self._registry().champion() is not None

    def _describe(self) -> dict[str, str]:
        return {"model": self._model, "package": f"{self._module}.{self._kind}"}
