"""What the tables of hours must look like when they cross a boundary."""

from __future__ import annotations

from typing import Any

import pandas as pd
import pandera.pandas as pa
from pandera.typing import Series

from sales_forecast.contracts.tables import _Table, _Weekly


class Timesheets(_Weekly):
    """Hours worked in a store, department and week; ``week`` is the first day."""

    hours: Series[float] = pa.Field(ge=0)

    class Config(_Table.Config):
        unique = ["store", "department", "week"]


class StaffingRules(_Table):
    """How many hours each department needs, what wrong hours cost, and where the rule is from."""

    department: Series[Any] = pa.Field(unique=True)
    minimum_cover_hours: Series[float] = pa.Field(ge=0)
    fixed_hours: Series[float] = pa.Field(ge=0)
    productivity: Series[float] = pa.Field(gt=0)
    cost_missing: Series[float] = pa.Field(gt=0)
    cost_idle: Series[float] = pa.Field(gt=0)
    shift_hours: Series[float] = pa.Field(gt=0)
    source: Series[str]


class StaffingPlan(_Weekly):
    """Hours to plan; turnover in currency units per week is what they are planned for.

    ``planned`` is a planner's number where ``override`` has the number of one, else the forecast.
    """

    horizon: Series[int] = pa.Field(ge=1)
    quantile: Series[float] = pa.Field(gt=0, lt=1)
    turnover: Series[float]
    hours: Series[float] = pa.Field(ge=0)
    shifts: Series[int] = pa.Field(ge=0)
    minimum_cover_hours: Series[float] = pa.Field(ge=0)
    fixed_hours: Series[float] = pa.Field(ge=0)
    variable_hours: Series[float] = pa.Field(ge=0)
    planned: Series[float]
    override: Series[pd.Int64Dtype] = pa.Field(nullable=True)
    model_turnover: Series[float]
    model_hours: Series[float] = pa.Field(ge=0)

    class Config(_Table.Config):
        unique = ["store", "department", "week"]
