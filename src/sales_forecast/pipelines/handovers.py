"""What one stage hands to another, or to people, as a JSON file: a model for each of these files."""

from __future__ import annotations

from datetime import date
from typing import Literal, Self, TypedDict

from pydantic import BaseModel

from sales_forecast.forecasting.evaluation.gate_result import (
    DieboldMarianoResult,
    Level,
    Paired,
    PartWape,
    WapeDifference,
)
from sales_forecast.retailers import DEFAULT_RETAILER
from sales_forecast.tracking import flatten


class HandOver(BaseModel, frozen=True, extra="forbid"):
    """A JSON file that a stage writes; its keys are the fields."""


# --- data_processing -----------------------------------------------------------------------------------


class FileVersion(HandOver):
    """One raw file, as it was read."""

    sha256: str
    rows: int


class WeeklyFileVersion(FileVersion):
    """One raw file with a row per week."""

    first_week: date
    last_week: date


class DataVersion(HandOver):
    """Which raw files a run has read, how, and whose they are."""

    version: str
    retailer: str = DEFAULT_RETAILER
    files: dict[str, WeeklyFileVersion | FileVersion]


# --- modelling -----------------------------------------------------------------------------------------


class BudgetSettings(HandOver):
    """The settings of the marketing model that cross-validation preferred."""

    fit_intercept: bool
    positive: bool
    feature_range: tuple[float, float]
    tried: int
    """How many combinations were compared."""

    as_good: int
    """How many of them came out as good as the best."""

    cv_mae: float
    """Mean absolute error in cross-validation, units of sales."""


# --- evaluation ----------------------------------------------------------------------------------------


class SelectedMethod(HandOver):
    """The best method of a run."""

    method: str
    wape: float
    baseline: str
    baseline_wape: float
    rule: str
    chosen_on: tuple[date, ...]
    """Cutoffs of the backtest windows."""


class Headline(TypedDict):
    """The best method, its error and the simplest method's, in words."""

    best: str
    error: str
    baseline: str


class BudgetMetrics(TypedDict):
    """Metric -> value of every method on the test campaigns; see ``models.marketing.score_budgets``."""

    default: dict[str, float]
    tuned: dict[str, float]
    mean: dict[str, float]
    headline: Headline


TurnoverMetrics = dict[str, str | Headline | dict[str, dict[str, float]]]
"""Method -> window -> metric -> value, beside ``selected`` and ``headline``."""

# --- registration --------------------------------------------------------------------------------------

Decision = Literal["first", "better", "refit", "unable", "refused"]


class ChampionVersion(HandOver):
    """The version that this run's model was compared with."""

    version: str
    method: str | None = None


class ComparedData(HandOver):
    """Versions of the raw files that both models were made from."""

    challenger: str
    champion: str | None = None


class GateDecision(HandOver):
    """Whether this run's model is promoted, and the numbers behind it."""

    decision: Decision
    promote: bool
    reasons: tuple[str, ...]
    champion: ChampionVersion | None = None
    data: ComparedData
    wape: Paired[float] | None = None
    difference: WapeDifference | None = None

    def promoted(self, decision: Decision, reason: str) -> Self:
        """The same comparison with another decision, in favour of this run's model."""
        return self.model_copy(update={"decision": decision, "promote": True, "reasons": (reason,)})

    @property
    def numbers(self) -> dict[str, float]:
        """Measured numbers under their paths, such as ``difference.wape``; those in lists are left out."""
        return {
            name: value for name, value in flatten(self.model_dump(mode="json")) if isinstance(value, float)
        }

    @property
    def summary(self) -> str:
        """The decision and its reasons in one line."""
        return f"{self.decision}: {'; '.join(self.reasons)}"


class TurnoverGateDecision(GateDecision):
    """The decision on a turnover model."""

    method: str
    level: Level | None = None
    diebold_mariano: DieboldMarianoResult | None = None
    coverage: dict[Literal["challenger", "champion"], dict[str, float]] = {}
    """Coverage in per cent -> share of weeks in the intervals."""

    parts: tuple[PartWape, ...] = ()
    windows: tuple[date, ...] = ()


# --- monitoring ----------------------------------------------------------------------------------------


class RetrainingDecision(HandOver):
    """Whether all methods should compete again, after a week has come."""

    week: date
    wanted: bool
    trigger: str | None
    evidence: str


# --- inference -----------------------------------------------------------------------------------------


class BudgetPrediction(HandOver):
    """Predicted sales at one budget, with the range."""

    tv: float
    sales: float
    sales_low: float
    sales_high: float


class Recommendation(HandOver):
    """What a planner can act on."""

    sales_per_budget_unit: float
    break_even: float | None
    """What a unit of sales must earn, in units of budget, for more TV to pay."""

    smallest: BudgetPrediction
    middle: BudgetPrediction
    largest: BudgetPrediction


# --- tuning --------------------------------------------------------------------------------------------

Options = dict[str, int | float]


class TuningErrors(HandOver):
    """WAPE with the best and with the present options, mean over the tuning windows."""

    tuned: float
    current: float
    noise: float | None = None
    """Standard error of their difference, as windows differ; None where there is one window."""


class TunedOptions(HandOver):
    """What a search for better options has found."""

    best: Options
    current: Options
    wape: TuningErrors
    finished: int
    pruned: int
    seen_until: date | None = None
    """Last week of the windows that options were compared on."""


class TuningJudgement(HandOver):
    """How the best options do on the windows of the backtest, against the present ones."""

    tuned: float
    current: float
    difference: WapeDifference
    verdict: Literal["better", "worse", "open"]
    chance_worse: float | None
    """How likely it is that the best options are worse, with nothing known but these windows; None if that
    is unknown, as with one window."""

    windows: tuple[date, ...] = ()
    """Cutoffs of the windows, oldest first."""
