"""Schemas of the monitoring: signals, and decisions whether all methods should compete again."""

from __future__ import annotations

from datetime import date, datetime

from pydantic import BaseModel, ConfigDict, Field

from sales_forecast.forecasting.monitoring.retraining import Trigger
from sales_forecast.forecasting.monitoring.signals import Detector, State
from sales_forecast.service.schemas.requests import MAX_ROWS, Day, Flag


class _Query(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)

    limit: int = Field(default=1000, ge=1, le=MAX_ROWS, description="Largest number of rows to return.")
    offset: int = Field(default=0, ge=0, le=1_000_000_000, description="Number of rows to skip.")


class SignalsQuery(_Query):
    """Which signals to return."""

    since: Day | None = Field(
        default=None, description="First day of the first week. Default: that of the newest week."
    )
    unusual: Flag = Field(default=False, description="Whether to leave out what is calm.")


class RetrainingQuery(_Query):
    """Which decisions to return."""

    since: Day | None = Field(default=None, description="First day of the first week. Default: all weeks.")


class Signal(BaseModel):
    """What one detector said about a week when it came."""

    week: date = Field(description="First day of the week.")
    detector: Detector = Field(
        description="What was looked at: the level of a department (level) or store (store), the share "
        "outside the prediction intervals in two weeks (coverage_at_once) and in eight (coverage), the error "
        "(accuracy), bias (bias) and forecast value added (value_added) of a department."
    )
    key: str = Field(description="Department, store, or coverage in percent.", examples=["117"])
    value: float | None = Field(
        description="What is compared: usual deviations of a level, a share outside the intervals, the error "
        "over that of the year before, or a ratio."
    )
    threshold: float | None = Field(
        description="Value beyond which it is unusual; of levels, an alarm. Null where nothing is unusual."
    )
    state: State
    since: date | None = Field(description="First week of what lasts; null where it is calm.")
    evidence: str = Field(description="The same as a sentence.")
    found_at: datetime = Field(description="When it was found.")


class Signals(BaseModel):
    """Signals, oldest week first."""

    total: int = Field(description="Number of rows without limit and offset.")
    next_offset: int | None = Field(description="Offset of the next page; null on the last page.")
    signals: list[Signal]


class RetrainingDecision(BaseModel):
    """Whether all methods were to compete again after a week, why, and what came of it."""

    week: date = Field(description="First day of the week.")
    at: datetime = Field(description="When it was decided.")
    wanted: bool = Field(description="Whether all methods were to compete again.")
    trigger: Trigger | None = Field(description="Why; null where nothing asked for it.")
    evidence: str = Field(description="The same as a sentence, also what held it back.")
    done_at: datetime | None = Field(description="When all methods had competed; null where they have not.")
    result: str | None = Field(description="What came of it; null where nothing has.")


class RetrainingDecisions(BaseModel):
    """Decisions, newest first."""

    total: int = Field(description="Number of rows without limit and offset.")
    next_offset: int | None = Field(description="Offset of the next page; null on the last page.")
    decisions: list[RetrainingDecision]
