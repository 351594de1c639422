"""Turnover: all future covariates in one table, those of further files joined to it."""

from __future__ import annotations

from collections.abc import Mapping

import narwhals as nw
import pandas as pd
from narwhals.typing import IntoFrame

from sales_forecast.contracts import DataContractError
from sales_forecast.pipelines.data_processing.columns import CovariateTable
from sales_forecast.pipelines.data_processing.params import ReadTurnoverParams
from sales_forecast.pipelines.data_processing.rows import OnBad, settle, with_row_numbers
from sales_forecast.pipelines.data_processing.rules import (
    date_rules,
    key_rules,
    rules_for_flags,
    unknown_rule,
)
from sales_forecast.pipelines.data_processing.turnover_panel import WEEKLY
from sales_forecast.pipelines.data_processing.values import as_key, as_number, as_week
from sales_forecast.pipelines.data_processing.weeks import made_of_days, named_by_first_day


def gather_future_covariates(
    sales: IntoFrame,
    forecast_index: IntoFrame,
    stores: IntoFrame,
    raw_covariate_tables: Mapping[str, pd.DataFrame],
    read: ReadTurnoverParams,
) -> pd.DataFrame:
    """Put the future covariates of past and future weeks into one table.

    Args:
        sales: Weekly turnover and the future covariates.
        forecast_index: The same for the weeks to forecast, without turnover.
        stores: Known stores.
        raw_covariate_tables: Further tables by name, as their files have them.
        read: Names the columns.

    Returns:
        ``store, department, week`` and the future covariates; no rows if there are none. In pandas on every
        engine.

    Raises:
        DataContractError: There are bad rows in a further table, or it has no value for a row of the forecast
            index.
    """
    if not read.covariates:
        return nw.from_native(sales).lazy().select(*WEEKLY).head(0).collect("pandas").to_pandas()
    columns = [*WEEKLY, *read.future_covariates]
    past, future = (
        nw.from_native(table).lazy().select(*columns).collect("pandas").to_pandas()
        for table in (sales, forecast_index)
    )
    known = {
        "store": nw.from_native(stores).lazy().select("store").collect("pandas").to_pandas(),
        "department": past[["department"]].drop_duplicates(),
    }
    for name, table in read.covariate_tables.items():
        weeks = _read_weeks(raw_covariate_tables[name], table, known, read)
        past, future = (_join(rows, weeks, table) for rows in (past, future))
        _refuse_unknown(future, name, table, read)
    return pd.concat([past, future], ignore_index=True)


def _read_weeks(
    raw: pd.DataFrame, table: CovariateTable, known: Mapping[str, pd.DataFrame], read: ReadTurnoverParams
) -> pd.DataFrame:
    """One row a week, or none, for each combination of the table's other keys."""
    frame = with_row_numbers(raw, table.columns)
    entities = [key for key in table.keys if key != "week"]
    where = {
        "store": f"the stores of {read.files.stores}",
        "department": f"the departments of {read.files.sales}",
    }
    weekday = read.weekday_of_weeks if table.days_make_weeks is None else None
    rules = [
        *key_rules(frame, entities),
        *date_rules(frame, "week", read.date_format, weekday),
        *(unknown_rule(frame, key, known[key][key], where[key]) for key in entities),
        *rules_for_flags(frame, table.covariates, required=False),
    ]
    good, _ = settle(frame, rules, keys=table.keys, file=table.file, columns=table.columns, on_bad=OnBad())
    days = good.select(
        *(as_key(good, key, like=nw.from_native(known[key])) for key in entities),
        as_week(good, "week", read.date_format),
        *(as_number(good, name) for name in table.covariates),
    )
    weeks = named_by_first_day(days, read)
    if table.days_make_weeks is not None:
        weeks = made_of_days(weeks, table.keys, table.days_make_weeks)
    return weeks.lazy().collect("pandas").to_pandas()


def _join(rows: pd.DataFrame, weeks: pd.DataFrame, table: CovariateTable) -> pd.DataFrame:
    joined = rows.merge(weeks, on=table.keys, how="left", validate="many_to_one")
    if table.fill_value is None:
        return joined
    return joined.fillna(dict.fromkeys(table.covariates, table.fill_value))


def _refuse_unknown(future: pd.DataFrame, name: str, table: CovariateTable, read: ReadTurnoverParams) -> None:
    for covariate in table.covariates:
        unknown = future[future[covariate].isna()]
        if unknown.empty:
            continue
        examples = "; ".join(
            f"store {row['store']}, department {row['department']}, week {row['week']:%Y-%m-%d}"
            for row in unknown.head(3).to_dict("records")
        )
        where = read.files.forecast_index or "the weeks to forecast"
        raise DataContractError(
            f"{table.file}: column '{table.columns[covariate]}': no value for {len(unknown)} of "
            f"{len(future)} row(s) of {where} ({examples}). A future covariate needs its value in "
            "every week to forecast: bring it, or say what holds without one with "
            f"turnover.covariate_tables.{name}.fill_value."
        )
