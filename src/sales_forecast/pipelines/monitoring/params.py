"""Typed parameters of the monitoring stage."""

from __future__ import annotations

from pydantic import Field

from sales_forecast.pipelines.params import Params

# --- turnover ----------------------------------------------------------------------------------------


class DriftParams(Params):
    """Which weeks and columns are compared with those of a year before."""

    weeks: int = Field(gt=0, le=52)
    """The last ones that are known, as forecast from the week before them."""

    rows: int = Field(ge=100)
    """Of each year at most; drawn at random where there are more."""

    features: tuple[str, ...] = Field(min_length=1)
    """Names of features; ``*`` and ``?`` stand for any characters and for one."""

    environment: str
    """Folder of the virtual environment that ``make evidently`` sets up."""

    seed: int
