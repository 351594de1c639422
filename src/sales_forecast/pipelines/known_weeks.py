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
