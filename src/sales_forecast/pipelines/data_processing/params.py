"""Typed parameters of the data_processing stage."""

from __future__ import annotations

from datetime import date, timedelta
from typing import Literal, get_args

import holidays
from pydantic import Field, field_validator, model_validator

from sales_forecast.forecasting.panel.matrix import ROW_KEYS
from sales_forecast.pipelines.data_processing.columns import (
    ColumnName,
    Columns,
    CovariateTable,
    FutureCovariates,
)
from sales_forecast.pipelines.params import Params

Weekday = Literal["monday", "tuesday", "wednesday", "thursday", "friday", "saturday", "sunday"]
WEEKDAYS: tuple[Weekday, ...] = get_args(Weekday)


class TurnoverFiles(Params):
    """What the raw files are called in messages."""

    sales: str
    forecast_index: str | None
    """None: the next weeks of every series that still sells."""

    stores: str
    timesheets: str | None = None
    """None: there are none."""


class TurnoverColumns(Params):
    """Name inside the project -> name in the file, per raw table; null for what the file does not have."""

    sales: Columns
    forecast_index: Columns
    stores: Columns
    timesheets: Columns = {}


PLACE = {"postcode", "latitude", "longitude", "region", "zone"}
"""What a table of stores may tell besides attributes of the retailer's own."""

RESERVED = PLACE | {
    *("store", "department", "week", "turnover", "turnover_raw", "school_zone"),
    *("row", "rule", "reason", "cutoff", "horizon", "all"),
}


class ReadTurnoverParams(Params):
    """How the retailer's files are to be read."""

    files: TurnoverFiles
    columns: TurnoverColumns
    date_format: str
    rows_are: Literal["weeks", "days"] = "weeks"
    week_starts_on: Weekday
    week_named_by: Literal["first_day", "last_day"] = "first_day"
    from_date: date | None = None
    to_date: date | None = None
    horizon_weeks: int = Field(default=8, gt=0)
    """Weeks ahead that are forecast where no file names them."""

    silent_store_weeks: int = Field(default=13, gt=0)
    """A store that has sold nothing for more weeks counts as closed where no file names what to forecast."""

    max_horizon_weeks: int | None = Field(default=None, gt=0)
    """Weeks to forecast that are more weeks after the last week sold are left out; None keeps all."""

    future_covariates: FutureCovariates = {}
    """Columns of sales and forecast index that are known before a week comes."""

    covariate_tables: dict[ColumnName, CovariateTable] = {}
    """Future covariates of files of their own."""

    attributes: dict[ColumnName, Literal["text", "number"]] = {}
    """Columns of stores that methods may use, beside its place."""

    bad_rows: Literal["stop", "set_aside"]

    @model_validator(mode="after")
    def _dates_in_order(self) -> ReadTurnoverParams:
        if self.from_date and self.to_date and self.from_date > self.to_date:
            raise ValueError(f"turnover.read.from_date: {self.from_date} is after to_date, {self.to_date}")
        return self

    @model_validator(mode="after")
    def _days_that_make_weeks(self) -> ReadTurnoverParams:
        open_ones = [name for name, how in self.future_covariates.items() if how is None]
        if self.rows_are == "days" and open_ones:
            raise ValueError(
                f"turnover.read.future_covariates: {', '.join(open_ones)} does not say how days make a week: "
                f"{{{open_ones[0]}: mean}}, or sum or max. Names are enough where rows_are: weeks"
            )
        return self

    @model_validator(mode="after")
    def _columns_that_fit(self) -> ReadTurnoverParams:
        keys = {"store", "week"} | ({"department"} & set(self.columns.sales))
        needed = {
            "sales": keys | {"turnover"} | set(self.future_covariates),
            "forecast_index": keys | set(self.future_covariates),
            "stores": {"store"} | set(self.attributes),
        }
        options = {
            "sales": "future_covariates",
            "forecast_index": "future_covariates",
            "stores": "attributes",
        }
        for table, expected in needed.items():
            names = set(getattr(self.columns, table))
            if missing := sorted(expected - names):
                raise ValueError(f"turnover.columns.{table} does not name {', '.join(missing)}")
            allowed = expected | (PLACE if table == "stores" else set())
            if strange := sorted(names - allowed):
                raise ValueError(
                    f"turnover.columns.{table} names {', '.join(strange)}, which is not under "
                    f"turnover.read.{options[table]}"
                )
        own = [*self.covariates, *self.attributes]
        if taken := sorted({name for name in own if name in RESERVED or own.count(name) > 1}):
            raise ValueError(
                f"turnover.read: {', '.join(taken)} is a name of ours, or given twice; choose another under "
                "future_covariates, covariate_tables or attributes"
            )
        return self

    @model_validator(mode="after")
    def _timesheets_that_fit(self) -> ReadTurnoverParams:
        named, needed = set(self.columns.timesheets), {*self.keys, "hours"}
        if self.files.timesheets is not None and named != needed:
            raise ValueError(
                f"turnover.columns.timesheets must name {', '.join(sorted(needed))} and nothing else; it "
                f"names {', '.join(sorted(named)) or 'none'}"
            )
        return self

    @model_validator(mode="after")
    def _tables_that_fit(self) -> ReadTurnoverParams:
        if taken := sorted(set(self.covariate_tables) & set(TurnoverFiles.model_fields)):
            raise ValueError(
                f"turnover.covariate_tables: {', '.join(taken)} is the name of a file under files"
            )
        for name, table in self.covariate_tables.items():
            if strange := [key for key in table.keys if key not in self.keys]:
                raise ValueError(
                    f"turnover.covariate_tables.{name}.columns names {', '.join(strange)}, which the sales "
                    "do not have"
                )
        return self

    @property
    def keys(self) -> list[str]:
        """What identifies a row of the sales file."""
        return [name for name in ROW_KEYS if name in self.columns.sales]

    @property
    def paths(self) -> dict[str, str | None]:
        """Short name of each file -> where it lies in the folder of the raw files."""
        return self.files.model_dump() | {name: table.file for name, table in self.covariate_tables.items()}

    @property
    def covariates(self) -> list[str]:
        """Names of all future covariates."""
        tables = self.covariate_tables.values()
        return [*self.future_covariates, *(name for table in tables for name in table.covariates)]

    @property
    def last_label(self) -> timedelta:
        """From the first day of a week to the latest date that files may have for it."""
        named_by_first = self.rows_are == "weeks" and self.week_named_by == "first_day"
        return timedelta(days=0 if named_by_first else 6)

    @property
    def weekday_of_weeks(self) -> Weekday:
        """The weekday of the date that names a week in the files."""
        back = 0 if self.week_named_by == "first_day" else 1
        return WEEKDAYS[(WEEKDAYS.index(self.week_starts_on) - back) % 7]

    @property
    def label_day(self) -> Weekday | None:
        """The weekday of every date in the files; None if they may be any."""
        return None if self.rows_are == "days" else self.weekday_of_weeks


class RepairParams(Params):
    """When a value is impossible: both bounds must be exceeded, in absolute size."""

    impossible_above_times_series_mean: float = Field(gt=1)
    impossible_above_times_department_mean: float = Field(gt=1)


class CalendarParams(Params):
    """Whose holidays count."""

    country: str

    @field_validator("country")
    @classmethod
    def _known(cls, country: str) -> str:
        if country != "none" and country not in holidays.list_supported_countries():
            raise ValueError(
                f"turnover.calendar.country: '{country}' is no country code with known public holidays. "
                "Use an ISO 3166 code in capitals such as FR or US, or 'none'."
            )
        return country


class ReadMarketingParams(Params):
    """How the budget file is to be read."""

    file: str
    columns: dict[Literal["tv", "sales"], str]
    bad_rows: Literal["stop", "set_aside"]

    @model_validator(mode="after")
    def _complete(self) -> ReadMarketingParams:
        if missing := sorted({"tv", "sales"} - set(self.columns)):
            raise ValueError(f"marketing.columns.budgets does not name {', '.join(missing)}")
        return self
