"""Versions of a model, the alias that serves, and the record of every change.

The alias ``champion`` is moved in one transaction of the store, so there is always exactly one. What is to
happen is recorded before it happens: a process killed in between leaves a record that says more than the
alias, and ``history`` tells so.
"""

from __future__ import annotations

import getpass
import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Literal

from sales_forecast.errors import InputError
from sales_forecast.retailers import model_name, retailer_of

if TYPE_CHECKING:
    from mlflow import MlflowClient
    from mlflow.entities.model_registry import ModelVersion

CHAMPION, CHALLENGER = "champion", "challenger"
_EVENT, _SIGNING = "event.", "signing."

DIGEST = "package"
"""Tag of a version: digest of its package."""

REMOVED = "artifacts_removed"
"""Tag of a version or run whose artefacts were removed."""

MOST_RETAILERS = 1000
"""So many registered models are looked for at a time, which is the most that MLflow lists."""

Action = Literal["promote", "rollback", "sign"]

BY_GATE = "kedro run"
"""Who has changed the champion where no person has: the deployment gate of a run, by its rule."""


@dataclass(frozen=True)
class Event:
    """A change of the champion, or a version that somebody has vouched for.

    Args:
        action: What was done.
        version: The champion from then on, or the version that was signed.
        previous: The champion before, if there was one; None for a version that was signed.
        who: Account, or ``kedro run``.
        when: ISO time, UTC.
        why: In words.
    """

    action: Action
    version: str
    previous: str | None
    who: str
    when: str
    why: str


@dataclass(frozen=True)
class Registry:
    """One registered model.

    Args:
        client: Of the tracking server.
        name: Such as ``sales_forecast.turnover``.
    """

    client: MlflowClient
    name: str

    def champion(self) -> ModelVersion | None:
        """The version that serves."""
        return self._aliased(CHAMPION)

    def challenger(self) -> ModelVersion | None:
        """The latest version that was registered and not promoted."""
        return self._aliased(CHALLENGER)

    def _aliased(self, alias: str) -> ModelVersion | None:
        from mlflow.exceptions import MlflowException

        try:
            return self.client.get_model_version_by_alias(self.name, alias)
        except MlflowException as error:
            if error.error_code in ("RESOURCE_DOES_NOT_EXIST", "INVALID_PARAMETER_VALUE"):
                return None
            raise

    def aliases(self) -> dict[str, list[str]]:
        """Number of each version that has an alias -> its aliases."""
        found: dict[str, list[str]] = {}
        for alias in (CHAMPION, CHALLENGER):
            if (version := self._aliased(alias)) is not None:
                found.setdefault(str(version.version), []).append(alias)
        return found

    def versions(self) -> list[ModelVersion]:
        """All versions, newest first."""
        found = self.client.search_model_versions(f"name = '{self.name}'")
        return sorted(found, key=lambda version: int(version.version), reverse=True)

    def version(self, number: str) -> ModelVersion:
        """One version.

        Raises:
            InputError: There is none of that number.
        """
        found = {str(version.version): version for version in self.versions()}
        if number not in found:
            there = ", ".join(sorted(found, key=int)) or "none"
            raise InputError(f"{self.name} has no version {number}; there are: {there}")
        return found[number]

    def version_of(self, digest: str) -> str | None:
        """Number of the newest version whose package has a digest, if there is one."""
        for version in self.versions():
            if version.tags.get(DIGEST) == digest:
                return str(version.version)
        return None

    def history(self) -> list[Event]:
        """Every change of the champion, oldest first."""
        return self._recorded(_EVENT)

    def signings(self) -> list[Event]:
        """Every version that somebody has vouched for, oldest first."""
        return self._recorded(_SIGNING)

    def _recorded(self, prefix: str) -> list[Event]:
        from mlflow.exceptions import MlflowException

        try:
            tags = self.client.get_registered_model(self.name).tags
        except MlflowException as error:
            if error.error_code == "RESOURCE_DOES_NOT_EXIST":
                return []
            raise
        return [Event(**json.loads(tags[name])) for name in sorted(tags) if name.startswith(prefix)]

    def challenge(self, number: str) -> None:
        """Mark a version as the one that asks to serve."""
        self.client.set_registered_model_alias(self.name, CHALLENGER, number)

    def promote(self, number: str, why: str, who: str | None = None) -> Event:
        """Let a version serve.

        Raises:
            InputError: There is no such version, or it serves already.
        """
        self.version(number)
        return self._move("promote", number, why, who)

    def sign(self, number: str, tags: Mapping[str, str], why: str, who: str | None = None) -> Event:
        """Record who vouches for a version, and write the tags that it is verified by.

        Args:
            number: Number of the version.
            tags: Tags of ``verification.tags_of_files``.
            why: Reason, in words.
            who: Account; by default that of this process.
        """
        event = self._record(_SIGNING, "sign", number, None, why, who)
        for name, value in tags.items():
            self.client.set_model_version_tag(self.name, number, name, value)
        return event

    def before(self) -> str:
        """Return the number of the version that served before the present one.

        Raises:
            InputError: None did.
        """
        now = self.champion()
        serving = str(now.version) if now else None
        known = {str(version.version) for version in self.versions()}
        for event in reversed(self.history()):
            if event.version == serving and event.previous in known and event.action == "promote":
                return event.previous or ""
        raise InputError(
            f"{self.name}: no version served before {serving}, so there is nothing to go back to"
        )

    def rollback(self, why: str, who: str | None = None) -> Event:
        """Let the version serve again that served before the present one.

        Raises:
            InputError: Nothing served before.
        """
        return self._move("rollback", self.before(), why, who)

    def _move(self, action: Action, number: str, why: str, who: str | None) -> Event:
        serving = self.champion()
        previous = str(serving.version) if serving else None
        if previous == number:
            raise InputError(f"{self.name} version {number} is champion already")
        event = self._record(_EVENT, action, number, previous, why, who)
        self.client.set_registered_model_alias(self.name, CHAMPION, number)
        asking = self.challenger()
        if asking is not None and str(asking.version) == number:
            self.client.delete_registered_model_alias(self.name, CHALLENGER)
        return event

    def _record(
        self, prefix: str, action: Action, number: str, previous: str | None, why: str, who: str | None
    ) -> Event:
        when = datetime.now(UTC)
        event = Event(action, number, previous, who or getpass.getuser(), f"{when:%Y-%m-%dT%H:%M:%S}Z", why)
        self.client.set_registered_model_tag(
            self.name, f"{prefix}{when:%Y%m%dT%H%M%S.%f}", json.dumps(asdict(event))
        )
        return event


def registry_of(client: MlflowClient, model: str, retailer: str) -> Registry:
    """Return the registered model of a retailer, which may not exist yet.

    Args:
        client: Of the tracking server.
        model: Registered model of the default retailer, such as ``sales_forecast.turnover``.
        retailer: Whose model is wanted.
    """
    return Registry(client, model_name(model, retailer))


def registries(client: MlflowClient, model: str) -> dict[str, Registry]:
    """Find the registered models of all retailers, by retailer; the one without a name of its own first.

    Args:
        client: Of the tracking server.
        model: Registered model of the default retailer, such as ``sales_forecast.turnover``.
    """
    found = client.search_registered_models(f"name LIKE '{model}%'", max_results=MOST_RETAILERS)
    names = sorted(each.name for each in found if each.name == model or each.name.startswith(f"{model}."))
    return {retailer_of(name): Registry(client, name) for name in names}
