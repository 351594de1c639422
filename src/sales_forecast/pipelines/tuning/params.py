"""Typed parameters of the tuning stage."""

from __future__ import annotations

from pydantic import Field, model_validator

from sales_forecast.forecasting.evaluation.backtest import Cutoffs
from sales_forecast.pipelines.params import Params


class Span(Params):
    """The values that an option may take, in all the methods that share it."""

    of: tuple[str, ...] = Field(min_length=1)
    """Paths of methods within the tuned one, such as ``enough.members.ridge``."""

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
    cutoffs: Cutoffs
    """Their windows must not touch those of the backtest."""

    trials: int = Field(gt=0)
    seed: int
    space: dict[str, Span] = Field(min_length=1)
    """Option -> its span."""
