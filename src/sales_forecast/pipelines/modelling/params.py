"""Typed parameters of the modelling stage."""

from __future__ import annotations

from pydantic import Field

from sales_forecast.pipelines.params import Params

# --- marketing ---------------------------------------------------------------------------------------


class SplitParams(Params):
    """Which campaigns are kept from the models until the test."""

    test_share: float = Field(gt=0, lt=1)
    seed: int


class TuningParams(Params):
    """Which settings of the straight line are tried, and how they are compared."""

    folds: int = Field(ge=2)
    fit_intercept: tuple[bool, ...] = Field(min_length=1)
    positive: tuple[bool, ...] = Field(min_length=1)
    feature_range: tuple[tuple[float, float], ...] = Field(min_length=1)
