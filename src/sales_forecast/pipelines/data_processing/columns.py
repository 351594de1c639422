"""How parameters name the columns of raw files, and further tables of future covariates."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import BeforeValidator, StringConstraints, model_validator

from sales_forecast.forecasting.panel.matrix import ROW_KEYS
from sales_forecast.pipelines.params import Params

Aggregation = Literal["mean", "sum", "max"]
"""How days make a week."""

ColumnName = Annotated[str, StringConstraints(pattern=r"^[a-z][a-z0-9_]*$")]


def _without_absent(columns: object) -> object:
    if not isinstance(columns, dict):
        return columns
    return {name: given for name, given in columns.items() if given is not None}


Columns = Annotated[dict[ColumnName, str], BeforeValidator(_without_absent)]


def _without_aggregations(columns: object) -> object:
    if columns is None:
        return {}
    if isinstance(columns, list | tuple) and all(isinstance(name, str) for name in columns):
        return dict.fromkeys(columns)
    return columns


FutureCovariates = Annotated[dict[ColumnName, Aggregation | None], BeforeValidator(_without_aggregations)]
"""Column -> how days make a week of it; a list of columns where rows are weeks."""


class CovariateTable(Params):
    """A further table of future covariates, joined to the rows of sales and forecast index by its keys."""

    file: str
    columns: Columns
    """Keys, of which ``week`` is always one; all others are future covariates."""

    days_make_weeks: dict[ColumnName, Aggregation] | None = None
    """Future covariate -> how days make a week of it; None: the rows are weeks."""

    fill_value: float | None = None
    """What holds where the table has no value; None: unknown."""

    @model_validator(mode="after")
    def _complete(self) -> CovariateTable:
        if "week" not in self.columns or not self.covariates:
            raise ValueError("columns: name week, and at least one future covariate")
        made = self.days_make_weeks
        if made is not None and set(made) != set(self.covariates):
            raise ValueError(
                f"days_make_weeks: name each of {', '.join(self.covariates)} and nothing else; it names "
                f"{', '.join(made) or 'none'}"
            )
        return self

    @property
    def keys(self) -> list[str]:
        """What identifies a row."""
        return [name for name in ROW_KEYS if name in self.columns]

    @property
    def covariates(self) -> list[str]:
        """Names of its future covariates."""
        return [name for name in self.columns if name not in ROW_KEYS]
