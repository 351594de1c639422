"""The versions that a training job has exported, loaded as the service loads those of the registry."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from sales_forecast.errors import InputError
from sales_forecast.models.marketing import BudgetForecaster, BudgetInterval, BudgetPackage
from sales_forecast.models.turnover import TurnoverForecaster, TurnoverPackage
from sales_forecast.registry.exported import open_exported
from sales_forecast.registry.trust import Trust
from sales_forecast.service.arms import BudgetArm, TurnoverArm
from sales_forecast.service.schemas.responses import ArmName
from sales_forecast.service.settings import BudgetIntervalSettings


@dataclass(frozen=True)
class Models:
    """The versions that answer.

    Args:
        turnover: Version of the turnover model.
        budgets: Version of the marketing model with its prediction interval; None if the job had none.
        interval_share: Share of campaigns whose sales the interval should contain.
    """

    turnover: TurnoverArm
    budgets: tuple[BudgetArm, BudgetInterval] | None
    interval_share: float


def load_models(folder: Path, arm: ArmName, trust: Trust, interval: BudgetIntervalSettings) -> Models:
    """Load the versions of one arm, and compute what is computed only once.

    Args:
        folder: Folder that ``train`` has exported to.
        arm: Arm of this container.
        trust: What the versions must prove.
        interval: Parameters of the prediction interval of budgets.

    Raises:
        InputError: There is no such version, or it is not what was registered.
    """
    if not (place := folder / arm / "turnover").is_dir():
        there = ", ".join(sorted(path.name for path in folder.glob("*") if path.is_dir())) or "nothing"
        raise InputError(f"{place} is missing: the model of this container has no {arm}; it has {there}")
    found, package = open_exported(place, TurnoverPackage, trust)
    turnover = TurnoverArm(arm, found.name, str(found.version), package, TurnoverForecaster(package))
    turnover.warm_up()
    budgets = None
    if (place := folder / arm / "marketing").is_dir():
        found, campaigns = open_exported(place, BudgetPackage, trust)
        budget_arm = BudgetArm(arm, found.name, str(found.version), campaigns, BudgetForecaster(campaigns))
        budgets = budget_arm, BudgetInterval.learn(campaigns, interval.interval_share, interval.folds)
    return Models(turnover, budgets, interval.interval_share)
