"""How right forecasts were, as ``storage.scoring`` has recorded it."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date

import pandas as pd
from sqlalchemy import Connection, func, select

from sales_forecast.storage import schema
from sales_forecast.storage.scores import SERIES, SUMS

TABLE = schema.realised_accuracy


def accuracy(
    connection: Connection,
    retailer: str,
    level: str,
    department: str | None = None,
    since: date | None = None,
    horizon: int | None = None,
) -> pd.DataFrame:
    """Read how right forecasts were, oldest week first.

    Args:
        connection: Connection to the database.
        retailer: Whose forecasts they were.
        level: One of ``scores.LEVELS``.
        department: Department whose forecasts are meant; None adds all of them up.
        since: First week; None for all.
        horizon: Weeks ahead; None for all.

    Returns:
        ``week, horizon`` and ``scores.SUMS``, a row per week and horizon, weeks as dates; ``scores.rates``
        divides them.
    """
    wanted = {"department": department, "horizon": horizon}
    query = select(TABLE.c.week, TABLE.c.horizon, *(func.sum(TABLE.c[name]).label(name) for name in SUMS))
    query = query.where(TABLE.c.retailer == retailer, TABLE.c.level == level)
    query = query.where(*(TABLE.c[name] == value for name, value in wanted.items() if value is not None))
    if since is not None:
        query = query.where(TABLE.c.week >= since)
    by = (TABLE.c.week, TABLE.c.horizon)
    found = connection.execute(query.group_by(*by).order_by(*by)).all()
    return pd.DataFrame(found, columns=["week", "horizon", *SUMS])


def accuracy_by_department(connection: Connection, retailer: str, since: date, horizon: int) -> pd.DataFrame:
    """Read how right the forecasts of the series of each department were, over some weeks together.

    Args:
        connection: Connection to the database.
        retailer: Whose forecasts they were.
        since: First week.
        horizon: Weeks ahead.

    Returns:
        ``scores.SUMS``, a row per department, which is the index.
    """
    query = select(TABLE.c.department, *(func.sum(TABLE.c[name]).label(name) for name in SUMS)).where(
        *(TABLE.c.retailer == retailer, TABLE.c.level == SERIES),
        *(TABLE.c.week >= since, TABLE.c.horizon == horizon),
    )
    found = connection.execute(query.group_by(TABLE.c.department)).all()
    return pd.DataFrame(found, columns=["department", *SUMS]).set_index("department")


def department_scores(connection: Connection, retailer: str, columns: Sequence[str]) -> pd.DataFrame:
    """Read columns of the scores of each week, horizon and department, oldest week first.

    Args:
        connection: Connection to the database.
        retailer: Whose forecasts they were.
        columns: Of ``realised_accuracy``.
    """
    query = select(*(TABLE.c[name] for name in columns)).where(
        TABLE.c.retailer == retailer, TABLE.c.level == SERIES
    )
    found = connection.execute(query.order_by(TABLE.c.week, TABLE.c.horizon, TABLE.c.department)).all()
    return pd.DataFrame(found, columns=list(columns))
