"""Loads the models that serve from the registry, and replaces them when another version is promoted."""

from __future__ import annotations

import gc
import logging
import re
import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from math import nan
from typing import TYPE_CHECKING, Literal, get_args

import skops.io  # noqa: F401 - its import walks over all loaded modules: fast only before MLflow's thousands
from prometheus_client import Gauge

from sales_forecast.registry.records import Records, records_of, served_before
from sales_forecast.registry.store import Event, Registry
from sales_forecast.registry.trust import NO_KEY, Trust
from sales_forecast.service.arms import Arm, BudgetArm, TurnoverArm
from sales_forecast.service.experiment_stores import is_challengers
from sales_forecast.service.schemas.responses import ArmName

if TYPE_CHECKING:
    from mlflow.entities.model_registry import ModelVersion

logger = logging.getLogger(__name__)

Domain = Literal["turnover", "marketing"]
DOMAINS: tuple[Domain, ...] = get_args(Domain)

LOADERS: dict[Domain, Callable[[ArmName, ModelVersion, Trust], Arm]] = {
    "turnover": TurnoverArm.load,
    "marketing": BudgetArm.load,
}

LOADING = "models"
"""Key of ``ModelManager.problems`` until the registry was read for the first time."""

SERVING = Gauge(
    "sales_forecast_serving_version",
    "Version that serves.",
    ["model", "arm"],
    multiprocess_mode="livemostrecent",
)

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
        trust: What a version must prove before it is loaded.
    """

    def __init__(
        self,
        registries: dict[Domain, Registry],
        challenger_share: float,
        salt: str,
        trust: Trust = NO_KEY,
    ) -> None:
        self._registries, self._share, self._salt, self._trust = registries, challenger_share, salt, trust
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
        return is_challengers(store, self._share, self._salt)

    def watch(self, seconds: float) -> threading.Thread:
        """Refresh the models in a thread, beginning now.

        Args:
            seconds: Seconds between two refreshes.
        """

        def refresh() -> None:
            try:
                self.refresh()
            except Exception:  # the thread must go on, or no other version would ever be loaded
                logger.exception("The models cannot be refreshed; the next try is in %g seconds", seconds)

        def watch() -> None:
            refresh()
            while not self._stopped.wait(seconds):
                refresh()

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
            problems |= self._load(arms, domain, named, events)
        changed = arms != self._arms
        self._arms, self.aliases, self.records, self.problems = arms, tuple(aliases), records, problems
        if changed:
            _freeze_garbage_collector()

    def _load(
        self,
        arms: Arms,
        domain: Domain,
        named: dict[ArmName, ModelVersion | None],
        events: Sequence[Event],
    ) -> dict[str, str]:
        """Load a domain's versions into the arms, and return what could not be loaded, by its name."""
        if not self._has_experiment(domain, named):
            named = named | {"challenger": None}
        problems: dict[str, str] = {}
        for alias, found in named.items():
            try:
                _replace(arms, domain, alias, found, self._trust)
            except Exception as error:  # a model may fail in any way
                name = self._registries[domain].name
                logger.exception("%s@%s cannot be loaded", name, alias)
                problems[f"{domain} {alias}"] = f"{name}@{alias} cannot be loaded: {_reason(error)}"
                if alias == "champion":
                    problems[f"{domain} {alias}"] += self._fall_back(arms, domain, events)
        return problems

    def _fall_back(self, arms: Arms, domain: Domain, events: Sequence[Event]) -> str:
        """Load the newest version that served before, unless one serves still; say which one serves."""
        registry = self._registries[domain]
        for number in served_before(events):
            if (domain, "champion") in arms:
                break
            try:
                _replace(arms, domain, "champion", registry.version(number), self._trust)
            except Exception:  # a model may fail in any way
                logger.exception("Version %s of %s cannot be loaded either", number, registry.name)
        arm = arms.get((domain, "champion"))
        return f"; version {arm.version} serves" if arm else "; no version serves"

    def _has_experiment(self, domain: Domain, named: dict[ArmName, ModelVersion | None]) -> bool:
        """Return whether the challenger predicts: while it is being promoted, both aliases name it."""
        champion, challenger = named["champion"], named["challenger"]
        if not self._share or domain != "turnover" or challenger is None:
            return False
        return champion is None or str(challenger.version) != str(champion.version)


def _replace(arms: Arms, domain: Domain, alias: ArmName, found: ModelVersion | None, trust: Trust) -> None:
    """Load a version unless it is loaded; a champion without its alias goes on serving."""
    present = arms.get((domain, alias))
    if found is None:
        if alias == "challenger" and present is not None:
            # several processes keep their metrics in files, from which no label can be removed
            SERVING.labels(arms.pop((domain, alias)).model_name, alias).set(nan)
        return
    if present is not None and present.version == str(found.version):
        return
    arm = LOADERS[domain](alias, found, trust)
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
