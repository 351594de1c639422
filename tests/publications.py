"""Hand-sized publications, and what a database holds of them."""

from typing import Any

import pandas as pd
from sqlalchemy import Engine, select

from sales_forecast.forecasting.attribution import PARTS
from sales_forecast.forecasting.changes import CAUSES
from sales_forecast.forecasting.intervals.conformal import INTERVAL_COLUMNS, QUANTILES
from sales_forecast.storage import schema
from sales_forecast.storage.publications import Publication

WEEK = pd.Timestamp("2017-10-07")
AWKWARD = [0.1 + 0.2, 1e-300, 1 / 3, 1.7976931348623157e308, -0.1, 2.0**53 + 2]
"""Numbers that a detour through text or single precision changes."""


def forecasts(first: float = 100.0, series: int = 6) -> pd.DataFrame:
    """One week of department 88 in stores 1, 2, 3, ...: the first store sells ``first``, the others awkwardly."""
    amounts = [first, *(AWKWARD * series)[: series - 1]]
    return pd.DataFrame(
        {"store": range(1, series + 1), "department": 88, "week": WEEK, "horizon": 1, "forecast": amounts}
        | dict.fromkeys(INTERVAL_COLUMNS, 1 / 3)
        | {"cold_start": [False, True] * (series // 2), "method": "blend"}
        | {name: [amount * probability for amount in amounts] for name, probability in QUANTILES.items()}
        | {part: [amount / 7 for amount in amounts] for part in PARTS}
    )


def sums(total: float = 100.0) -> pd.DataFrame:
    row = {"level": "department", "key": 88, "department": 88, "week": WEEK, "forecast": total}
    return pd.DataFrame([row | dict.fromkeys(INTERVAL_COLUMNS, 0.1 + 0.2)])


def sold(*turnover: float, store: Any = 1) -> pd.DataFrame:
    """What department 88 of a store sold in the weeks before."""
    weeks = pd.date_range(end=WEEK - pd.Timedelta(weeks=1), periods=len(turnover), freq="7D")
    return pd.DataFrame({"store": store, "department": 88, "week": weeks, "turnover": turnover})


def changes(refit: float = -30.0, new_weeks: float = 10.0, store: Any = 1, weeks: int = 2) -> pd.DataFrame:
    """Weeks of department 88 of a store, from 100 each; the causes are a refit and new weeks."""
    ahead = pd.date_range(WEEK, periods=weeks, freq="7D")
    rows = pd.DataFrame({"store": store, "department": 88, "week": ahead, "before": 100.0})
    rows = rows.assign(**dict.fromkeys(CAUSES, 0.0)).assign(refit=refit, new_weeks=new_weeks)
    return rows.assign(after=100.0 + refit + new_weeks)


def publication(first: float = 100.0, **changes: Any) -> Publication:
    """All that a run of the turnover domain publishes; ``first`` is the forecast of the first store."""
    made_by = {"model_name": "blend", "model_version": "1", "run_id": "r1"}
    made_by |= {"model_data_version": "d1", "data_version": "d1"}
    return Publication(
        **{
            "domain": "turnover",
            "made_by": made_by,
            "tables": {"forecasts": forecasts(first), "level_forecasts": sums(first)},
            "weekly_turnover": sold(1.0, 2.0, 3.0),
        }
        | changes
    )


def rows(engine: Engine, table: str) -> list[dict[str, Any]]:
    """A table in the order of its keys."""
    found = schema.metadata.tables[table]
    with engine.connect() as connection:
        return [dict(row._mapping) for row in connection.execute(select(found).order_by(*found.primary_key))]


def everything(engine: Engine) -> dict[str, list[dict[str, Any]]]:
    """All our tables."""
    return {name: rows(engine, name) for name in schema.metadata.tables}
