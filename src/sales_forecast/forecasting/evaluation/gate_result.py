"""What the deployment gate needs and finds, as it is written down."""

from __future__ import annotations

import math
from typing import Generic, Literal, TypeVar

from pydantic import BaseModel, Field

from sales_forecast.forecasting.evaluation.diebold_mariano import DieboldMariano
from sales_forecast.forecasting.evaluation.difference import Difference

GAIN = 0.02
"""Share of the champion's WAPE that a challenger is expected to gain, for saying how long it takes to see."""

PartKind = Literal["department", "region"]

Level = Literal["series", "department", "region", "zone", "total"]
Value = TypeVar("Value")


class GateParams(BaseModel, frozen=True, extra="forbid"):
    """When a challenger is promoted to champion."""

    level: Level
    """Level of the hierarchy at which its WAPE must be significantly lower."""

    part_worse_by_at_most: float = Field(ge=0)
    """By how much the WAPE of a department or region may rise, as a share of the champion's."""

    false_alarms: float = Field(gt=0, lt=0.5)
    """Share of challengers without harm that may be refused because some part looks harmed by chance."""

    coverage_lost_at_most: float = Field(ge=0, le=1)
    """How much farther below its nominal value the coverage of intervals may lie than the champion's."""

    refit_worse_by_at_most: float = Field(ge=0)
    """By how much the WAPE of a refit in the newest complete window may exceed that of the fit before it, as
    a share of the latter: a refit that its own data do not bear out is broken."""

    unusual_above_times: float = Field(ge=1)
    """The newest complete window is taken for a broken delivery if the WAPE of the fit that serves exceeds
    that in the worst window of its backtest so many times."""

    refit_coverage_lost_at_most: float = Field(ge=0, le=1)
    """How much farther below its nominal value the coverage of a refit may lie there than before."""


class Paired(BaseModel, Generic[Value], frozen=True):
    """The same figure of both models."""

    challenger: Value
    champion: Value


class WapeDifference(BaseModel, frozen=True):
    """WAPE of the challenger minus that of the champion; negative: the challenger is better.

    What one window alone cannot tell is None, because JSON has no infinity.
    """

    wape: float
    """Difference as measured, a ratio without unit."""

    low: float | None
    """Lower end of its 95 % interval."""

    high: float | None
    """Upper end of its 95 % interval."""

    detectable: float | None
    """The smallest true difference that would be found with 80 % power."""

    weeks: int | None = None
    """Number of different weeks that were forecast."""

    effective_weeks: float | None = None
    """Number of weeks, each independent of the others, that would say as much."""

    weeks_needed: int | None = None
    """Number of weeks in which a gain of 2 % would be found with 80 % power."""

    @classmethod
    def of(cls, found: Difference) -> WapeDifference:
        """Take the figures of a comparison."""
        return cls(
            wape=found.wape,
            low=_none_if_unknown(found.low),
            high=_none_if_unknown(found.high),
            detectable=_none_if_unknown(found.detectable),
            weeks=found.weeks,
            effective_weeks=found.effective_weeks,
            weeks_needed=found.weeks_needed(GAIN),
        )


class DieboldMarianoResult(BaseModel, frozen=True):
    """Result of the Diebold-Mariano test; None where it does not exist, because JSON has no NaN."""

    statistic: float | None
    p_value: float | None

    @classmethod
    def of(cls, found: DieboldMariano) -> DieboldMarianoResult:
        """Replace NaN by None."""
        return cls(statistic=_none_if_unknown(found.statistic), p_value=_none_if_unknown(found.p_value))


class PartWape(BaseModel, frozen=True):
    """WAPE of both models in one department or region, over single series."""

    by: PartKind
    value: str
    """Label of the department or region."""

    challenger: float
    champion: float
    worse_by: float
    """By how much the challenger's WAPE is higher, as a share of the champion's, as measured."""

    estimate: float | None = None
    """The same, drawn towards the mean of all parts of its kind by as much as it is uncertain."""

    harmed: bool = False
    """Whether the estimate exceeds the limit, beyond chance even among so many parts."""


class GateResult(BaseModel, frozen=True):
    """Whether the challenger is promoted, and why."""

    promote: bool
    reasons: tuple[str, ...]
    """In words: what speaks against the challenger, or else what speaks for it."""

    level: Level
    """Level of the hierarchy that the WAPE was measured at."""

    wape: Paired[float]
    """Mean over windows, ratios without unit."""

    difference: WapeDifference
    diebold_mariano: DieboldMarianoResult
    coverage: Paired[dict[str, float]]
    """Nominal coverage in per cent -> share of weeks inside the intervals."""

    parts: tuple[PartWape, ...]
    windows: tuple[str, ...]
    """Cutoffs of the windows, ISO dates, oldest first."""


def _none_if_unknown(value: float) -> float | None:
    return value if math.isfinite(value) else None
