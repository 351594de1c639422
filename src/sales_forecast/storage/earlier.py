"""What was published before, for those who make forecasts: to hold on to it, and to say what has changed."""

from __future__ import annotations

from datetime import date, datetime

import pandas as pd
from sqlalchemy import Connection

from sales_forecast.storage import schema
from sales_forecast.storage.ledger import read_rows
from sales_forecast.storage.queries import newest_before


def earlier_forecasts(
    connection: Connection, cutoff: date, retailer: str, as_of: datetime | None = None
) -> pd.DataFrame:
    """Read the forecasts that were published last from older data, and are not withdrawn.

    Args:
        connection: Connection to the database.
        cutoff: Last week that is known now; only publications from data up to an earlier week count.
        retailer: Whose forecasts are wanted.
        as_of: Time by which they must have been published; None for now.

    Returns:
        The columns of ``schema.forecasts`` without ``run``; labels as text, weeks as timestamps. Empty if
        nothing was published before.
    """
    run = newest_before(connection, cutoff, retailer, as_of)
    if run is None:
        return pd.DataFrame(columns=[column.name for column in schema.forecasts.c if column.name != "run"])
    rows = read_rows(connection, schema.forecasts, run.id)
    return rows.assign(week=pd.to_datetime(rows["week"]))
