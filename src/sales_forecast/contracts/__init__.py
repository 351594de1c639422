"""What a table must look like when it crosses a boundary; the validators that the catalog names."""

from sales_forecast.contracts.raw import DataContractError, RawTable
from sales_forecast.contracts.staffing import StaffingPlan, StaffingRules, Timesheets
from sales_forecast.contracts.tables import (
    Attributions,
    Backtest,
    BudgetCurve,
    BudgetPredictions,
    Budgets,
    Calendar,
    Changes,
    ForecastIndex,
    Forecasts,
    ForecastsByLevel,
    FutureCovariates,
    Panel,
    Sales,
    Stores,
    TargetChances,
)

__all__ = [
    "Attributions",
    "Backtest",
    "BudgetCurve",
    "BudgetPredictions",
    "Budgets",
    "Calendar",
    "Changes",
    "DataContractError",
    "ForecastIndex",
    "Forecasts",
    "ForecastsByLevel",
    "FutureCovariates",
    "Panel",
    "RawTable",
    "Sales",
    "StaffingPlan",
    "StaffingRules",
    "Stores",
    "TargetChances",
    "Timesheets",
]
