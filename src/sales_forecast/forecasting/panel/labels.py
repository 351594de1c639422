"""Rows from a database, whose labels are text, with the labels that the tables of a model have."""

from __future__ import annotations

from dataclasses import replace

import pandas as pd

from sales_forecast.forecasting.panel.matrix import ROW_KEYS, SERIES_KEYS
from sales_forecast.forecasting.panel.model_input import ModelInput


def labelled(rows: pd.DataFrame, data: ModelInput) -> pd.DataFrame:
    """Give the labels of rows from the database, which are text, the type that the tables have them in.

    Args:
        rows: ``store, department`` as text, and further columns.
        data: The tables.

    Returns:
        The rows whose labels the tables know.
    """
    known = {"store": data.stores["store"], "department": data.panel["department"]}
    converted = rows.copy()
    for key, labels in known.items():
        converted[key] = rows[key].map({str(label): label for label in labels.unique()})
    converted = converted.dropna(subset=list(known)).reset_index(drop=True)
    return converted.astype({key: labels.dtype for key, labels in known.items()})


def with_panel(data: ModelInput, turnover: pd.DataFrame) -> ModelInput:
    """Return the tables with another history.

    Args:
        data: The tables.
        turnover: ``store, department, week, turnover`` without gaps' rows; labels as text.
    """
    known = labelled(turnover, data)
    spans = known.groupby(SERIES_KEYS, as_index=False)["week"].agg(["min", "max"])
    weeks = pd.DataFrame({"week": pd.date_range(known["week"].min(), known["week"].max(), freq="7D")})
    rows = spans.merge(weeks, how="cross")
    rows = rows.loc[rows["week"].between(rows["min"], rows["max"]), ROW_KEYS]
    panel = rows.merge(known[[*ROW_KEYS, "turnover"]], on=ROW_KEYS, how="left")
    return replace(data, panel=panel.sort_values(ROW_KEYS, ignore_index=True))
