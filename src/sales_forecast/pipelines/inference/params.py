"""Typed parameters of the inference stage."""

from __future__ import annotations

from pydantic import Field

from sales_forecast.pipelines.params import Params

# --- marketing ---------------------------------------------------------------------------------------


class CurveParams(Params):
    """At how many budgets the model is asked, and how wide its range is."""

    points: int = Field(ge=3)
    interval_share: float = Field(gt=0, lt=1)
    folds: int = Field(ge=2)
