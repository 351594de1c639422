"""Loads the models that serve from the registry, and replaces them when another version is promoted."""

from __future__ import annotations

import gc
import hashlib
import logging
import re
import threading
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal, get_args

import skops.io  # noqa: F401 - its import walks over all loaded modules: fast only before MLflow's thousands
from prometheus_client import Gauge

from sales_forecast.registry.records import Records, records_of
from sales_forecast.registry.store import Registry
from sales_forecast.service.arms import Arm, BudgetArm, TurnoverArm
from sales_forecast.service.schemas.responses import ArmName

if TYPE_CHECKING:
    from mlflow.entities.model_registry import ModelVersion

logger = logging.getLogger(__name__)

Domain = Literal["turnover", "marketing"]
DOMAINS: tuple[Domain, ...] = get_args(Domain)

LOADERS: dict[Domain, Callable[[ArmName, ModelVersion], Arm]] = {
    "turnover": TurnoverArm.load,
    "marketing": BudgetArm.load,
}

LOADING = "models"
"""Key of ``ModelManager.problems`` until the registry was read for the first time."""

SERVING = Gauge("sales_forecast_serving_version", "Version that serves.", ["model", "arm"])

Arms = dict[tuple[Domain, ArmName], Arm]


@dataclass(frozen=True)
class Alias:
    """An alias in the registry.

    Args:
        model_name: Name of the registered model.
        alias: ``champion`` or ``challenger``.
        version: Version that has the alias.
    """

    model_name: str
    alias: ArmName
    version: str


class ModelManager:
    """Holds the champions of both domains, and the turnover challenger while an experiment is on.

    Args:
        registries: Registered model of each domain.
        challenger_share: Share of stores that the challenger predicts.
        salt: Secret that decides which stores these are.
    """

    def __init__(self, registries: dict[Domain, Registry], challenger_share: float, salt: str) -> None:
        self._registries, self._share, self._salt = registries, challenger_share, salt
        self._arms: Arms = {}
        self.aliases: tuple[Alias, ...] = ()
        self.records: dict[Domain, Records] = {}
        self.problems: dict[str, str] = {LOADING: "they are still being loaded"}
        self._stopped = threading.Event()

    def champion(self, domain: Domain) -> Arm | None:
        """Return the champion of a domain; None while there is none."""
        return self._arms.get((domain, "champion"))

    def turnover_champion(self) -> TurnoverArm | None:
        """Return the champion of the turnover domain; None while there is none."""
        arm = self._arms.get(("turnover", "champion"))
        return arm if isinstance(arm, TurnoverArm) else None

    def budget_champion(self) -> BudgetArm | None:
        """Return the champion of the marketing domain; None while there is none."""
        arm = self._arms.get(("marketing", "champion"))
        return arm if isinstance(arm, BudgetArm) else None

    def challenger(self) -> TurnoverArm | None:
        """Return the challenger of the turnover domain; None without an experiment."""
        arm = self._arms.get(("turnover", "challenger"))
        return arm if isinstance(arm, TurnoverArm) else None

    def is_challengers(self, store: str) -> bool:
        """Return whether the challenger predicts a store: always the same stores, for every department."""
        digest = hashlib.sha256(f"{self._salt}\n{store}".encode()).digest()
        return int.from_bytes(digest[:8]) < self._share * 2**64

    def watch(self, seconds: float) -> threading.Thread:
        """Refresh the models in a thread, beginning now.

        Args:
            seconds: Seconds between two refreshes.
        """

        def watch() -> None:
            self.refresh()
            while not self._stopped.wait(seconds):
                self.refresh()

        thread = threading.Thread(target=watch, name="registry", daemon=True)
        thread.start()
        return thread

    def stop(self) -> None:
        """Stop refreshing."""
        self._stopped.set()

    def refresh(self) -> None:
        """Load the versions that the registry names; if one fails, the earlier version goes on serving."""
        arms, records = dict(self._arms), dict(self.records)
        aliases: list[Alias] = []
        problems: dict[str, str] = {}
        for domain, registry in self._registries.items():
            try:
                named: dict[ArmName, ModelVersion | None] = {
                    "champion": registry.champion(),
                    "challenger": registry.challenger(),
                }
                versions, events = tuple(registry.versions()), tuple(registry.history())
                records[domain] = records_of(registry.name, versions, events)
            except Exception as error:  # whatever is wrong with the registry, loaded models go on serving
                logger.exception("The registry does not answer about %s", registry.name)
                problems[f"{domain} registry"] = f"it does not answer: {_reason(error)}"
                aliases += [alias for alias in self.aliases if alias.model_name == registry.name]
                continue
            aliases += [
                Alias(registry.name, alias, str(found.version)) for alias, found in named.items() if found
            ]
            problems |= self._load(arms, domain, named)
        changed = arms != self._arms
        self._arms, self.aliases, self.records, self.problems = arms, tuple(aliases), records, problems
        if changed:
            _freeze_garbage_collector()

    def _load(self, arms: Arms, domain: Domain, named: dict[ArmName, ModelVersion | None]) -> dict[str, str]:
        """Load a domain's versions into the arms, and return what could not be loaded, by its name."""
        if not self._has_experiment(domain, named):
            named = named | {"challenger": None}
        problems: dict[str, str] = {}
        for alias, found in named.items():
            try:
                _replace(arms, domain, alias, found)
            except Exception as error:  # a model may fail in any way
                name = self._registries[domain].name
                logger.exception("%s@%s cannot be loaded", name, alias)
                problems[f"{domain} {alias}"] = f"{name}@{alias} cannot be loaded: {_reason(error)}"
        return problems

    def _has_experiment(self, domain: Domain, named: dict[ArmName, ModelVersion | None]) -> bool:
        """Return whether the challenger predicts: while it is being promoted, both aliases name it."""
        champion, challenger = named["champion"], named["challenger"]
        if not self._share or domain != "turnover" or challenger is None:
            return False
        return champion is None or str(challenger.version) != str(champion.version)


def _replace(arms: Arms, domain: Domain, alias: ArmName, found: ModelVersion | None) -> None:
    """Load a version unless it is loaded; a champion without its alias goes on serving."""
    present = arms.get((domain, alias))
    if found is None:
        if alias == "challenger" and present is not None:
            SERVING.remove(arms.pop((domain, alias)).model_name, alias)
        return
    if present is not None and present.version == str(found.version):
        return
    arm = LOADERS[domain](alias, found)
    arm.warm_up()
    arms[domain, alias] = arm
    SERVING.labels(found.name, alias).set(float(found.version))
    labels = {"labels.model_name": found.name, f"labels.{alias}_version": str(found.version)}
    logger.info("Version %s of %s is loaded as %s", found.version, found.name, alias, extra=labels)


def _freeze_garbage_collector() -> None:
    """Exclude the loaded models from garbage collection, which stops all requests while it visits them."""
    gc.unfreeze()
    gc.collect()
    gc.freeze()


def _reason(error: Exception) -> str:
    """Return the first line of an error without paths of this machine: everybody may read /ready."""
    return re.sub(r"(\w+:/)?/\S*/", "", str(error).partition("\n")[0])
