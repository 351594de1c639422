"""TV budgets and sales of invented markets, drawn from a seed."""

import numpy as np
import pandas as pd

from sales_forecast.sample.turnover import SEED


def make_marketing(seed: int = SEED) -> pd.DataFrame:
    """Invent 200 markets: TV budget and sales, whose spread grows with the budget.

    Returns:
        ``TV`` and ``Sales``, one decimal each, shape ``(200, 2)``.
    """
    rng = np.random.default_rng(seed)
    share = (np.arange(200) + rng.uniform(0, 1, 200)) / 200
    tv = rng.permutation(0.7 + 295.7 * share**1.02)  # slightly more small budgets
    spread = 1.4 + 0.02 * tv
    sales = 8.1 + 0.04 * tv + rng.uniform(-spread, spread)
    return pd.DataFrame({"TV": tv, "Sales": sales.clip(1.6, 27.0)}).round(1)
