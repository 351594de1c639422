"""What is known of series and weeks beside turnover, as matrices: calendar, covariates and attributes."""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import cached_property

import numpy as np
import pandas as pd

from sales_forecast.forecasting.panel.matrix import WEEKS_PER_YEAR, FloatArray, PanelMatrix
from sales_forecast.forecasting.panel.model_input import ModelInput, own_attributes

CALENDAR_COLUMNS = (
    "public_holiday_days",
    "school_holiday_days",
    "weeks_from_easter",
    "weeks_from_christmas",
)

_NOT_A_WORD = re.compile(r"\W+")
"""LightGBM takes no brackets, quotes or colons in the names of features."""


@dataclass(frozen=True)
class ExogenousData:
    """Calendar, future covariates and attributes of the series of a panel matrix.

    Args:
        matrix: Names the series and the first week.
        data: Calendar and future covariates, both reaching beyond the last week to be forecast.
    """

    matrix: PanelMatrix
    data: ModelInput

    @cached_property
    def calendar(self) -> dict[str, FloatArray]:
        """Each calendar column as a matrix: series x all weeks of the calendar from the matrix's first."""
        zones, zone_of = np.unique(self.matrix.series["school_zone"].to_numpy(str), return_inverse=True)
        known = self.data.calendar[self.data.calendar["week"] >= self.matrix.weeks[0]]
        columns = list(CALENDAR_COLUMNS)
        wide = known.pivot(index="school_zone", columns="week", values=columns).reindex(index=zones)
        return {column: wide[column].to_numpy(dtype=float)[zone_of] for column in columns}

    @cached_property
    def covariates(self) -> dict[str, FloatArray]:
        """Each future covariate as a matrix, series x weeks from the matrix's first; NaN if unknown."""
        table, columns = self.data.future_covariates, self.data.covariate_columns
        if not columns:
            return {}
        row = self.matrix.position_of(table)
        week = ((table["week"] - self.matrix.weeks[0]).dt.days // 7).to_numpy()
        inside = (row >= 0) & (week >= 0)
        shape = (len(self.matrix.series), max(len(self.matrix.weeks), week.max() + 1) + WEEKS_PER_YEAR)
        covariates = {}
        for column in columns:
            covariates[column] = np.full(shape, np.nan)
            covariates[column][row[inside], week[inside]] = table[column].to_numpy(dtype=float)[inside]
        return covariates

    @cached_property
    def attributes(self) -> dict[str, FloatArray]:
        """The retailer's own attributes of stores: numbers as they are, texts one-hot encoded."""
        encoded = {}
        for column in own_attributes(self.matrix.series):
            values = self.matrix.series[column]
            if pd.api.types.is_numeric_dtype(values):
                encoded[f"attribute.{column}"] = values.to_numpy(dtype=float)
            else:
                for value in values.astype("category").cat.categories:
                    name = f"attribute.{column}.{_NOT_A_WORD.sub('_', str(value))}"
                    encoded[name] = encoded.get(name, 0) + (values == value).to_numpy(dtype=float)
        return encoded
