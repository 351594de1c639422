"""The tables that every model is fitted on and forecasts from, as one object."""

from __future__ import annotations

from dataclasses import dataclass, fields, replace
from pathlib import Path

import pandas as pd

from sales_forecast.errors import InputError
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

    def with_series(self, stores: pd.DataFrame, recent: pd.DataFrame) -> ModelInput:
        """Return the tables with stores and weeks added, as if the retailer's files had them.

        Args:
            stores: New stores, ``store`` and any attributes; missing ones stay unknown.
            recent: ``store, department, week, turnover``; replaces the turnover of the same weeks.

        Raises:
            InputError: A week is not one of the panel's, up to the last week seen.
        """
        weeks = pd.date_range(self.first_week, self.last_week, freq="7D")
        unknown = recent.loc[~recent["week"].isin(weeks), "week"]
        if len(unknown):
            raise InputError(
                f"{len(unknown)} week(s) that the model cannot know, e.g. {unknown.iloc[0]:%Y-%m-%d}: weeks "
                f"begin on {weeks[0]:%A}s, from {weeks[0]:%Y-%m-%d} to {weeks[-1]:%Y-%m-%d}"
            )
        panel = self.panel[[*ROW_KEYS, "turnover"]]
        of_others = ~panel["store"].isin(recent["store"])
        known = pd.concat([panel[~of_others], recent.astype(panel.dtypes)])
        of_these = known.drop_duplicates(ROW_KEYS, keep="last")
        panel = pd.concat([panel[of_others], of_these], ignore_index=True)
        known = pd.concat([self.stores, self._completed(stores)]).drop_duplicates("store", keep="last")
        return replace(self, panel=panel, stores=known.reset_index(drop=True))

    def _completed(self, stores: pd.DataFrame) -> pd.DataFrame:
        """New stores with all attributes; their school zone is that of their area, or the most common."""
        area = self.stores["postcode"].str[:2]
        own = stores["postcode"].str[:2]
        near = self.stores[area.isin(own)].groupby(area)["school_zone"]
        of_area = near.agg(lambda zones: zones.mode()[0])
        zones = own.map(of_area).fillna(self.stores["school_zone"].mode()[0])
        completed = stores.assign(school_zone=zones).reindex(columns=self.stores.columns)
        return completed.astype(self.stores.dtypes.to_dict())

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
