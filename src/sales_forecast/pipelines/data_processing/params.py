"""Typed parameters of the data_processing stage."""

from __future__ import annotations

from typing import Literal

import holidays
from pydantic import Field, field_validator, model_validator

from sales_forecast.pipelines.params import Params

Weekday = Literal["monday", "tuesday", "wednesday", "thursday", "friday", "saturday", "sunday"]


class TurnoverFiles(Params):
    """What the raw files are called in messages."""

    sales: str
    targets: str
    stores: str


class TurnoverColumns(Params):
    """Name inside the project -> name in the file, per raw table."""

    sales: dict[Literal["store", "department", "week", "turnover"], str]
    targets: dict[Literal["store", "department", "week"], str]
    stores: dict[Literal["store", "postcode", "latitude", "longitude", "region", "zone"], str]

    @model_validator(mode="after")
    def _complete(self) -> TurnoverColumns:
        needed = {
            "sales": {"store", "department", "week", "turnover"},
            "targets": {"store", "department", "week"},
            "stores": {"store", "postcode", "latitude", "longitude", "region", "zone"},
        }
        for table, names in needed.items():
            if missing := sorted(names - set(getattr(self, table))):
                raise ValueError(f"turnover.columns.{table} does not name {', '.join(missing)}")
        return self


class ReadTurnoverParams(Params):
    """How the retailer's files are to be read."""

    files: TurnoverFiles
    columns: TurnoverColumns
    date_format: str
    week_starts_on: Weekday
    bad_rows: Literal["stop", "set_aside"]


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
