"""Typed parameters of the tuning stage."""

from __future__ import annotations

from pydantic import Field, model_validator

from sales_forecast.forecasting.evaluation.backtest import Cutoffs
from sales_forecast.pipelines.params import Params


class Span(Params):
    """The values that an option may take, in all the methods that share it."""

    of: tuple[str, ...] = Field(min_length=1)
    """Paths of methods within the tuned one, such as ``members.ridge``."""

    low: float
    high: float
    log: bool = False
    whole: bool = False

    @model_validator(mode="after")
    def _in_order(self) -> Span:
        if self.low >= self.high:
            raise ValueError(f"low: {self.low:g} is not below high, {self.high:g}")
        return self


class TurnoverTuningParams(Params):
    """What is tried, and where it is judged."""

    method: str
    folds: int = Field(default=13, gt=0)
    """Options are compared on at most so many windows, those before the ones that judge."""

    judged_folds: int = Field(default=13, gt=0)
    """The newest windows, which no trial has seen."""

    cutoffs: Cutoffs | None = None
    """Fixed cutoffs instead of those planned from the data; their windows must not touch the backtest's."""

    trials: int = Field(gt=0)
    seed: int
    space: dict[str, Span] = Field(min_length=1)
    """Option -> its span."""
