"""The model that serves, and models that are submitted to take its place."""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from datetime import date
from typing import TYPE_CHECKING, Generic, TypeVar

from sales_forecast.registry.packages import Package
from sales_forecast.registry.records import METRIC
from sales_forecast.registry.store import Event
from sales_forecast.registry.trust import NO_KEY, Trust
from sales_forecast.retailers import retailer_of

if TYPE_CHECKING:
    from mlflow.entities.model_registry import ModelVersion

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
        trust: What it had to prove before it was loaded.
    """

    name: str
    package: PackageT_co
    version: str
    run_id: str
    data_version: str
    versions: tuple[ModelVersion, ...] = ()
    events: tuple[Event, ...] = ()
    trust: Trust = NO_KEY

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
