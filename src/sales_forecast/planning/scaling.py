"""The distribution of a forecast, scaled as a planner has scaled the forecast."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pandas as pd

from sales_forecast.forecasting.panel.matrix import FloatArray

Amount = float | FloatArray
"""One row, or as many as an array has."""


def scaled(amount: Amount, factor: Amount, planned: Amount) -> FloatArray:
    """Scale ends of intervals or quantiles as their forecasts were.

    Args:
        amount: Ends or quantiles, in currency units per week.
        factor: Planned over forecast as ``planned.planned_rows`` has it; 1 where there is no override.
        planned: Planned turnover, in currency units per week.

    Returns:
        The amount times ``factor``. Where something is planned and nothing was forecast, or more returns than
        sales, nobody knows a distribution, and all of it is the planned number.
    """
    is_unknown = np.less_equal(factor, 0) & np.greater(planned, 0)
    return np.asarray(np.where(is_unknown, planned, np.multiply(amount, factor)), dtype=np.float64)


def scale(rows: pd.DataFrame, columns: Sequence[str]) -> pd.DataFrame:
    """Scale columns of planned rows, see ``scaled``.

    Args:
        rows: As ``planned.planned_rows`` returns them, with the columns.
        columns: Columns in currency units per week.
    """
    factor, planned = (rows[name].to_numpy(dtype=np.float64) for name in ("factor", "planned"))
    amounts = {name: scaled(rows[name].to_numpy(dtype=np.float64), factor, planned) for name in columns}
    return pd.DataFrame(amounts, index=rows.index)
