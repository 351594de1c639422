"""Typed parameters of the registration stage."""

from __future__ import annotations

from pydantic import Field

from sales_forecast.pipelines.params import Params


class BudgetGateParams(Params):
    """How this run's line is compared with the one that serves."""

    bootstrap_draws: int = Field(ge=100)
    seed: int
