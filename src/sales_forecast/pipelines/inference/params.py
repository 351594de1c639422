"""Typed parameters of the inference stage."""

from __future__ import annotations

from pydantic import Field

from sales_forecast.pipelines.params import Params

# --- marketing ---------------------------------------------------------------------------------------


class CurveParams(Params):
    """Number of budgets on the curve, and the share of campaigns within its intervals."""

    points: int = Field(ge=3)
    interval_share: float = Field(gt=0, lt=1)
    folds: int = Field(ge=2)


# --- turnover ----------------------------------------------------------------------------------------


class TargetParams(Params):
    """Targets of departments, and how their chances are estimated."""

    growth: float = Field(default=0.0, gt=-1)
    """Over the same weeks of last year: 0.02 is two per cent more."""

    departments: dict[str, float] = {}
    """Department -> growth of its own."""

    scenarios: int = Field(default=1000, ge=100)
    seed: int
