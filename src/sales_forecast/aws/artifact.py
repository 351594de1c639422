"""What a training job leaves in ``model.tar.gz``: the versions that serve, and what the job has changed."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from pydantic import BaseModel

from sales_forecast.aws.project import environment, open_catalog
from sales_forecast.errors import InputError

if TYPE_CHECKING:
    from mlflow.entities.model_registry import ModelVersion

    from sales_forecast.registry.trust import Trust

DOMAINS = ("turnover", "marketing")

OUTCOME = "outcome.json"
"""File of the model that says what the job has changed, for the gate of the state machine."""


class Outcome(BaseModel, frozen=True, extra="forbid"):
    """What a training job has changed."""

    retailer: str
    champion: str
    """Version of the turnover model that serves."""

    challenger: str | None
    promoted: bool
    """Whether another version of any domain serves than before."""

    challenged: bool
    """Whether another version is challenger than before."""


@dataclass(frozen=True)
class Served:
    """What serves at one moment, and what challenges it.

    Args:
        champions: Registered model -> version that serves.
        challengers: Registered model -> another version that asks to serve.
        trust: What versions must prove.
    """

    champions: Mapping[str, ModelVersion]
    challengers: Mapping[str, ModelVersion]
    trust: Trust

    @classmethod
    def now(cls) -> Served:
        """Ask the registry of the project in the working directory.

        Raises:
            InputError: It does not answer.
        """
        from sales_forecast.configuration import load_configuration
        from sales_forecast.registry.cli import open_tracking
        from sales_forecast.registry.store import registries
        from sales_forecast.registry.trust import read_trust

        configuration = load_configuration(environment())
        client = open_tracking(configuration)
        found = [one for domain in DOMAINS for one in registries(client, f"sales_forecast.{domain}").values()]
        champions = {one.name: version for one in found if (version := one.champion())}
        challengers = {one.name: version for one in found if (version := one.challenger())}
        for name, version in champions.items():  # while one is promoted, both names lead to it
            if name in challengers and challengers[name].version == version.version:
                del challengers[name]
        return cls(champions, challengers, read_trust(configuration["globals"]["models"]))


def export(folder: Path, before: Served) -> Outcome:
    """Export what serves and what challenges it, for the containers that answer requests.

    Args:
        folder: Folder that becomes ``model.tar.gz``: ``champion/turnover``, ``champion/marketing``,
            ``challenger/turnover`` and ``outcome.json``.
        before: The registry before the run.

    Raises:
        InputError: No version serves yet, or one is not what was registered.
    """
    from sales_forecast.registry.exported import export_version
    from sales_forecast.retailers import DEFAULT_RETAILER, model_name

    now, catalog = Served.now(), open_catalog()
    known = catalog.exists("turnover.retailer")
    retailer = catalog.load("turnover.retailer").name if known else DEFAULT_RETAILER
    names = {model_name(f"sales_forecast.{domain}", retailer): domain for domain in DOMAINS}
    turnover = next(iter(names))
    if turnover not in now.champions:
        raise InputError(
            f"no version of {turnover} serves, so there is nothing to deploy. Run all stages once: with the "
            "channel 'raw' and without the hyperparameter 'pipelines'"
        )
    for name, domain in names.items():
        if name in now.champions:
            export_version(now.champions[name], now.trust, folder / "champion" / domain)
    challenger = now.challengers.get(turnover)  # there are experiments with turnover only
    if challenger is not None:
        export_version(challenger, now.trust, folder / "challenger" / names[turnover])
    outcome = Outcome(
        retailer=retailer,
        champion=_number(now.champions, turnover) or "",
        challenger=_number(now.challengers, turnover),
        promoted=any(_number(now.champions, name) != _number(before.champions, name) for name in names),
        challenged=_number(now.challengers, turnover) not in (None, _number(before.challengers, turnover)),
    )
    (folder / OUTCOME).write_text(outcome.model_dump_json(indent=1) + "\n", encoding="utf-8")
    return outcome


def _number(versions: Mapping[str, ModelVersion], name: str) -> str | None:
    return str(versions[name].version) if name in versions else None
