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
