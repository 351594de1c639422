"""The weeks of a table of any engine."""

from __future__ import annotations

import narwhals as nw
import pandas as pd
from narwhals.typing import IntoFrame


def known_weeks(sales: IntoFrame) -> pd.DataFrame:
    """Collect each week of a table once.

    Args:
        sales: Any table with a column ``week``.

    Returns:
        ``week``, in no order.
    """
    return nw.from_native(sales).lazy().select("week").unique().collect("pandas").to_pandas()


def known_weeks_with_size(sales: IntoFrame) -> pd.DataFrame:
    """Collect each week of a table once, with how much was sold.

    Args:
        sales: Any table with ``week`` and ``turnover``.

    Returns:
        ``week, size``, in no order: the size is the sum of the absolute turnover of all series, in currency
        units.
    """
    sized = nw.from_native(sales).lazy().select("week", nw.col("turnover").abs().alias("size"))
    return sized.group_by("week").agg(nw.col("size").sum()).collect("pandas").to_pandas()
