"""The tables that every model is fitted on and forecasts from, as one object."""

from __future__ import annotations

from dataclasses import dataclass, fields, replace
from pathlib import Path

import pandas as pd

from sales_forecast.forecasting.panel.matrix import ROW_KEYS, SERIES_KEYS

LOCATION_COLUMNS = ("postcode", "latitude", "longitude", "region", "zone")
"""Attributes of stores that a retailer's file may give; every table of stores has these columns."""

STANDARD_ATTRIBUTES = (*LOCATION_COLUMNS, "school_zone")
"""Attributes of every table of stores. All others are the retailer's own."""


@dataclass(frozen=True)
class ModelInput:
    """Past turnover, and what is known of stores and weeks.

    Args:
        panel: ``store, department, week, turnover``; turnover in currency units per week, NaN in gaps.
        stores: Attributes, one row per store.
        calendar: Holidays by week and school zone, of past and future weeks.
        future_covariates: ``store, department, week`` and columns of the retailer's own that are known for
            future weeks too, such as promotions; of past and future weeks.
    """

    panel: pd.DataFrame
    stores: pd.DataFrame
    calendar: pd.DataFrame
    future_covariates: pd.DataFrame

    @property
    def first_week(self) -> pd.Timestamp:
        """First day of the first week of the panel."""
        week: pd.Timestamp = self.panel["week"].min()
        return week

    @property
    def last_week(self) -> pd.Timestamp:
        """First day of the last week of the panel."""
        week: pd.Timestamp = self.panel["week"].max()
        return week

    @property
    def covariate_columns(self) -> list[str]:
        """Names of the retailer's own future covariates, in alphabetical order."""
        return list(self.future_covariates.columns.difference(ROW_KEYS))

    def until(self, cutoff: pd.Timestamp) -> ModelInput:
        """Return the same tables without turnover after the cutoff."""
        past = self.panel.loc[self.panel["week"] <= cutoff, [*ROW_KEYS, "turnover"]]
        return replace(self, panel=past)

    def write(self, folder: Path) -> None:
        """Write one Parquet file per table into an existing folder."""
        for table in fields(self):
            getattr(self, table.name).to_parquet(folder / f"{table.name}.parquet", index=False)

    @classmethod
    def read(cls, folder: Path) -> ModelInput:
        """Read what ``write`` wrote."""
        return cls(**{table.name: pd.read_parquet(folder / f"{table.name}.parquet") for table in fields(cls)})


def no_future_covariates() -> pd.DataFrame:
    """Return the table of a retailer without future covariates."""
    return pd.DataFrame(columns=ROW_KEYS)


def own_attributes(table: pd.DataFrame) -> list[str]:
    """Name the retailer's own attributes in a table of stores or series, in the order of its columns."""
    standard = {*SERIES_KEYS, *STANDARD_ATTRIBUTES}
    return [name for name in table.columns if name not in standard]
