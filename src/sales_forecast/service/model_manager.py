"""The models that answer: loaded from the registry, and exchanged under way when another one is promoted."""

from __future__ import annotations

import gc
import hashlib
import logging
import re
import threading
from dataclasses import dataclass
from typing import Any

import skops.io  # noqa: F401 - its import walks over all modules that are there: cheap before MLflow's thousands
from prometheus_client import Gauge

from sales_forecast.models import marketing, turnover
from sales_forecast.registry.packages import open_package
from sales_forecast.registry.records import Records, records_of
from sales_forecast.registry.store import CHALLENGER, CHAMPION, Registry
from sales_forecast.service.arms import Arm

logger = logging.getLogger(__name__)

KINDS: dict[str, Any] = {"turnover": turnover.TurnoverPackage, "marketing": marketing.BudgetPackage}
FORECASTERS: dict[str, Any] = {"turnover": turnover.forecaster, "marketing": marketing.forecaster}

LOADING = "models"

SERVING = Gauge("sales_forecast_serving_version", "Version that answers.", ["model", "arm"])


@dataclass(frozen=True)
class Alias:
    """Which version the registry lets serve, or asks to."""

    model_name: str
    alias: str
    version: str


class ModelManager:
    """ModelManager of both domains, and the turnover domain's challenger while an experiment is on.

    Args:
        registries: By domain.
        challenger_share: Of the stores, answered by the challenger.
        salt: Decides which.
    """

    def __init__(self, registries: dict[str, Registry], challenger_share: float, salt: str) -> None:
        self._registries, self._share, self._salt = registries, challenger_share, salt
        self._arms: dict[tuple[str, str], Arm] = {}
        self.aliases: tuple[Alias, ...] = ()
        self.records: dict[str, Records] = {}
        self.problems: dict[str, str] = {LOADING: "they are still being loaded"}
        self._stopped = threading.Event()

    def champion(self, domain: str) -> Arm | None:
        """The domain's champion; None as long as there is none."""
        return self._arms.get((domain, CHAMPION))

    def challenger(self) -> Arm | None:
        """The turnover domain's challenger, if an experiment is on."""
        return self._arms.get(("turnover", CHALLENGER))

    def is_challengers(self, store: str) -> bool:
        """Whether a store is answered by the challenger: always the same stores, whatever the department."""
        digest = hashlib.sha256(f"{self._salt}\n{store}".encode()).digest()
        return int.from_bytes(digest[:8]) < self._share * 2**64

    def watch(self, seconds: float) -> threading.Thread:
        """Look at the registry again and again, beginning now."""

        def look() -> None:
            self.refresh()
            while not self._stopped.wait(seconds):
                self.refresh()

        thread = threading.Thread(target=look, name="registry", daemon=True)
        thread.start()
        return thread

    def stop(self) -> None:
        """Look no more."""
        self._stopped.set()

    def refresh(self) -> None:
        """Load what the registry names and is not loaded yet; what fails leaves the old model serving."""
        arms, records, problems = dict(self._arms), dict(self.records), {}
        aliases: list[Alias] = []
        for domain, registry in self._registries.items():
            try:
                named = {CHAMPION: registry.champion(), CHALLENGER: registry.challenger()}
                records[domain] = records_of(
                    registry.name, tuple(registry.versions()), tuple(registry.history())
                )
            except Exception as error:  # whatever is wrong with the registry, models that are loaded serve
                logger.exception("The registry does not answer about %s", registry.name)
                problems[f"{domain} registry"] = f"it does not answer: {_reason(error)}"
                aliases += [each for each in self.aliases if each.model_name == registry.name]
                continue
            aliases += [
                Alias(registry.name, alias, str(found.version)) for alias, found in named.items() if found
            ]
            for alias, found in self._wanted(domain, named).items():
                try:
                    self._exchange(arms, domain, alias, found)
                except Exception as error:  # a model may fail in any way
                    logger.exception("%s@%s cannot be loaded", registry.name, alias)
                    problems[f"{domain} {alias}"] = (
                        f"{registry.name}@{alias} cannot be loaded: {_reason(error)}"
                    )
        changed = arms != self._arms
        self._arms, self.aliases, self.records, self.problems = arms, tuple(aliases), records, problems
        if changed:
            _settle()

    def _wanted(self, domain: str, named: dict[str, Any]) -> dict[str, Any]:
        """Who is to answer; a challenger that is being promoted is no other model."""
        champion, challenger = named[CHAMPION], named[CHALLENGER]
        on_trial = bool(self._share) and domain == "turnover" and challenger is not None
        if on_trial and champion is not None and str(challenger.version) == str(champion.version):
            on_trial = False
        return {CHAMPION: champion, CHALLENGER: challenger if on_trial else None}

    def _exchange(self, arms: dict[tuple[str, str], Arm], domain: str, alias: str, found: Any) -> None:
        if found is None:
            if (
                alias == CHALLENGER and (domain, alias) in arms
            ):  # a champion goes on serving without its alias
                SERVING.remove(arms.pop((domain, alias)).model_name, alias)
            return
        present = arms.get((domain, alias))
        if present is not None and present.version == str(found.version):
            return
        package = open_package(found, KINDS[domain])
        arm = Arm(alias, found.name, str(found.version), package, FORECASTERS[domain](package))
        arm.warm_up()
        arms[domain, alias] = arm
        SERVING.labels(found.name, alias).set(float(found.version))
        logger.info("Version %s of %s is loaded as %s", found.version, found.name, alias)


def _settle() -> None:
    """Have the garbage collector pass over what is here to stay: looking at it would stop all requests."""
    gc.unfreeze()
    gc.collect()
    gc.freeze()


def _reason(error: Exception) -> str:
    """What went wrong, but not where on this machine: everybody may ask whether the service is ready."""
    return re.sub(r"(\w+:/)?/\S*/", "", str(error).partition("\n")[0])
