"""Typed parameters of the eda_reporting stage."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from sales_forecast.pipelines.params import Params

# --- turnover ----------------------------------------------------------------------------------------

Feature = Literal["winter_share", "spring_share", "summer_share", "lowest", "highest", "swing"]


class QuestionParams(Params):
    """Which years and which department the business asks about."""

    best_department_year: int
    best_store_year: int
    best_weeks_department: int | str
    best_weeks_year: int
    best_weeks_count: int = Field(gt=0)


class SportRule(Params):
    """The shape of a year that speaks for one sport; all conditions must hold."""

    sport: str
    reason: str
    at_least: dict[Feature, float] = {}
    at_most: dict[Feature, float] = {}
    peak_months: tuple[int, ...] = ()


class SportParams(Params):
    """The first rule that fits gives the guess."""

    rules: tuple[SportRule, ...]


# --- marketing ---------------------------------------------------------------------------------------


class HighSpendLowSalesParams(Params):
    """From which quantiles on a budget counts as high, and below which sales count as low."""

    spending_above_quantile: float = Field(ge=0, le=1)
    sales_below_quantile: float = Field(ge=0, le=1)
