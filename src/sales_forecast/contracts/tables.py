"""What our own tables must look like when they cross a boundary: on save and on load."""

from __future__ import annotations

from itertools import pairwise
from typing import Any

import numpy as np
import pandas as pd
import pandera.pandas as pa
from pandera.typing import Series

from sales_forecast.forecasting.attribution import PARTS
from sales_forecast.forecasting.changes import CAUSES
from sales_forecast.forecasting.intervals.conformal import QUANTILES
from sales_forecast.forecasting.intervals.hierarchy import HIERARCHY


class _Table(pa.DataFrameModel):
    class Config:
        strict = True
        coerce = False


class _OpenTable(_Table):
    """A table to which the retailer's configuration adds columns."""

    class Config(_Table.Config):
        strict = False


class Stores(_OpenTable):
    """One row a store. Coordinates in degrees; region, zone and school_zone as text labels."""

    store: Series[Any] = pa.Field(unique=True)
    postcode: Series[str] = pa.Field(nullable=True)
    latitude: Series[float] = pa.Field(ge=-90, le=90, nullable=True)
    longitude: Series[float] = pa.Field(ge=-180, le=180, nullable=True)
    region: Series[str] = pa.Field(nullable=True)
    zone: Series[str] = pa.Field(nullable=True)
    school_zone: Series[str]


class _Weekly(_Table):
    store: Series[Any]
    department: Series[Any]
    week: Series[pd.Timestamp]


class _Sorted(_Weekly):
    @pa.dataframe_check
    @classmethod
    def each_key_once_in_order(cls, frame: pd.DataFrame) -> pd.Series[bool]:
        """Store, department and week rise from row to row: cheaper to see than that no key repeats."""
        rises, equal = np.zeros(max(len(frame) - 1, 0), bool), True
        for key in ("store", "department", "week"):
            values = frame[key].to_numpy()
            rises |= equal & (values[1:] > values[:-1])
            equal = equal & (values[1:] == values[:-1])
        return pd.Series(np.append(True, rises)[: len(frame)], frame.index)


class Sales(_Sorted, _OpenTable):
    """Turnover as delivered, in currency units per week; ``week`` is the first day."""

    turnover: Series[float]


class FutureCovariates(_Weekly, _OpenTable):
    """What is known before the week comes, of past weeks and of those to forecast."""

    class Config(_OpenTable.Config):
        unique = ["store", "department", "week"]


class ForecastIndex(_Weekly, _OpenTable):
    """The store, department and week combinations that want a forecast."""

    class Config(_OpenTable.Config):
        unique = ["store", "department", "week"]


class Panel(_Sorted):
    """Every week of every series from its first to its last.

    ``turnover`` is the repaired value, missing only in a gap; ``turnover_raw`` is what was delivered.
    """

    turnover: Series[float] = pa.Field(nullable=True)
    turnover_raw: Series[float] = pa.Field(nullable=True)
    is_gap: Series[bool]
    is_repaired: Series[bool]

    @pa.dataframe_check
    @classmethod
    def missing_only_in_gaps(cls, frame: pd.DataFrame) -> pd.Series[bool]:
        """A value is missing exactly where the row was made to close a gap."""
        return frame["turnover"].isna() == frame["is_gap"]


class Calendar(_Table):
    """One row a week and school zone; days counted within the week's seven days."""

    week: Series[pd.Timestamp]
    school_zone: Series[str]
    public_holiday_days: Series[int] = pa.Field(ge=0, le=7)
    school_holiday_days: Series[int] = pa.Field(ge=0, le=7)
    weeks_from_easter: Series[float]
    weeks_from_christmas: Series[float]

    class Config(_Table.Config):
        unique = ["week", "school_zone"]


class _WithIntervals(_Table):
    forecast: Series[float] = pa.Field(ge=0)
    lo_80: Series[float] = pa.Field(ge=0)
    hi_80: Series[float]
    lo_95: Series[float] = pa.Field(ge=0)
    hi_95: Series[float]

    @pa.dataframe_check
    @classmethod
    def intervals_hold_the_forecast(cls, frame: pd.DataFrame) -> pd.Series[bool]:
        """The 95 % range holds the 80 % range, and that the forecast."""
        inside = [frame[name] for name in ("lo_95", "lo_80", "forecast", "hi_80", "hi_95")]
        ordered = [lower <= upper for lower, upper in pairwise(inside)]
        return pd.concat(ordered, axis=1).all(axis=1)


class _Forecast(_Weekly, _WithIntervals):
    horizon: Series[int] = pa.Field(ge=1)


class Backtest(_Forecast):
    """Every forecast of the backtest beside what came true; ``cutoff`` is the last week seen."""

    method: Series[str]
    cutoff: Series[pd.Timestamp]
    turnover: Series[float]
    crps: Series[float] = pa.Field(ge=0)

    class Config(_Table.Config):
        unique = ["method", "cutoff", "store", "department", "week"]


class _WithQuantiles(_WithIntervals):
    q05: Series[float] = pa.Field(ge=0)
    q10: Series[float]
    q15: Series[float]
    q20: Series[float]
    q25: Series[float]
    q30: Series[float]
    q35: Series[float]
    q40: Series[float]
    q45: Series[float]
    q50: Series[float]
    q55: Series[float]
    q60: Series[float]
    q65: Series[float]
    q70: Series[float]
    q75: Series[float]
    q80: Series[float]
    q85: Series[float]
    q90: Series[float]
    q95: Series[float]

    @pa.dataframe_check
    @classmethod
    def quantiles_rise_around_the_forecast(cls, frame: pd.DataFrame) -> pd.Series[bool]:
        """No quantile is below the one before, and the median is the forecast."""
        rising = frame["q50"] == frame["forecast"]
        for lower, upper in pairwise(QUANTILES):
            rising &= frame[lower] <= frame[upper]
        return rising


class Forecasts(_Forecast, _WithQuantiles):
    """The answer: currency units per week, with the method that gave it and where that came from."""

    method: Series[str]
    cold_start: Series[bool]
    model_version: Series[str]
    run_id: Series[str]
    model_data_version: Series[str]
    data_version: Series[str]

    class Config(_Table.Config):
        unique = ["store", "department", "week"]


class ForecastsByLevel(_WithIntervals):
    """Sums that add up to the series, in currency units per week, with intervals of their own."""

    level: Series[str] = pa.Field(isin=list(HIERARCHY))
    key: Series[str]
    department: Series[str]
    week: Series[pd.Timestamp]

    class Config(_Table.Config):
        unique = ["level", "key", "department", "week"]


class TargetChances(_Table):
    """Turnover of a department in a quarter, sold and ahead, in currency units, and its chances."""

    department: Series[str]
    quarter: Series[str] = pa.Field(str_matches=r"^\d{4} Q[1-4]$")
    weeks: Series[int] = pa.Field(gt=0)
    weeks_ahead: Series[int] = pa.Field(gt=0)
    sold: Series[float]
    forecast: Series[float]
    lo_80: Series[float]
    hi_80: Series[float]
    last_year: Series[float]
    target: Series[float]
    probability: Series[float] = pa.Field(ge=0, le=1)

    class Config(_Table.Config):
        unique = ["department", "quarter"]


class Attributions(_Weekly):
    """Parts of each forecast in currency units per week; below zero they take away."""

    forecast: Series[float] = pa.Field(ge=0)
    average_week: Series[float] = pa.Field(ge=0)
    level_shift: Series[float]
    same_week: Series[float]
    recent: Series[float]
    season: Series[float]
    place: Series[float]
    future_covariates: Series[float]
    peers: Series[float]
    other: Series[float]
    earlier_forecast: Series[float]

    class Config(_Table.Config):
        unique = ["store", "department", "week"]

    @pa.dataframe_check
    @classmethod
    def parts_add_up(cls, frame: pd.DataFrame) -> pd.Series[bool]:
        """To the forecast, but for rounding."""
        rest = frame[list(PARTS)].sum(axis=1) - frame["forecast"]
        return rest.abs() < 1e-6 * (1 + frame["forecast"])


class Changes(_Weekly):
    """Why each forecast is not what was published before, in currency units per week."""

    before: Series[float] = pa.Field(ge=0)
    restated: Series[float]
    new_weeks: Series[float]
    future_covariates: Series[float]
    level_shift: Series[float]
    refit: Series[float]
    model: Series[float]
    steadiness: Series[float]
    after: Series[float] = pa.Field(ge=0)

    class Config(_Table.Config):
        unique = ["store", "department", "week"]

    @pa.dataframe_check
    @classmethod
    def causes_add_up(cls, frame: pd.DataFrame) -> pd.Series[bool]:
        """To the change, but for rounding."""
        rest = frame["before"] + frame[list(CAUSES)].sum(axis=1) - frame["after"]
        return rest.abs() < 1e-6 * (1 + frame["before"] + frame["after"])


class Budgets(_Table):
    """One row a campaign, in the order of the file; TV budget and sales in the units of the file."""

    tv: Series[float] = pa.Field(ge=0)
    sales: Series[float] = pa.Field(ge=0)


class BudgetPredictions(Budgets):
    """Test campaigns: what they sold, and what each method says they should have sold."""

    default: Series[float]
    tuned: Series[float]
    mean: Series[float]


class BudgetCurve(_Table):
    """Predicted sales over the range of TV budgets trained on, with the range they should fall into."""

    tv: Series[float] = pa.Field(ge=0, unique=True)
    sales: Series[float]
    sales_low: Series[float] = pa.Field(ge=0)
    sales_high: Series[float] = pa.Field(ge=0)
    marginal_sales: Series[float]
