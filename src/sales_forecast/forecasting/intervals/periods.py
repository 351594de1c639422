"""Turnover of whole periods, such as what is left of a quarter, with its distribution.

A good week is often followed by another one, and stores have good weeks together, so a period's range is no
sum of ranges: it is read off joint scenarios of all series and weeks.
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import pandas as pd

from sales_forecast.forecasting.intervals.conformal import HalfWidths
from sales_forecast.forecasting.intervals.hierarchy import with_mean_weeks
from sales_forecast.forecasting.intervals.scenarios import learn_dependence, sample_scenarios
from sales_forecast.forecasting.panel.matrix import FloatArray

BLOCK = 200
"""Scenarios that are in memory at the same time."""


def sample_sums(
    forecasts: pd.DataFrame,
    past: pd.DataFrame,
    panel: pd.DataFrame,
    half_widths: HalfWidths,
    by: list[str],
    scenarios: int,
    seed: int,
) -> pd.DataFrame:
    """Draw joint scenarios and sum each to groups of rows.

    Args:
        forecasts: ``store, department, week, forecast`` and the columns of ``by``; one row per series and
            week.
        past: Past forecasts ``cutoff, store, department, week, forecast, turnover``, which tell what errors
            have in common.
        panel: Weekly turnover up to the last week seen.
        half_widths: Of these forecasts.
        by: Columns that a sum is told by.
        scenarios: Number of scenarios.
        seed: The same one draws the same scenarios.

    Returns:
        Currency units, one row a group, one column a scenario.
    """
    dependence = learn_dependence(with_mean_weeks(past, panel), half_widths)
    latest = forecasts.assign(cutoff=panel["week"].max())
    mean_week = with_mean_weeks(latest, panel)["mean_week"]
    keys = pd.MultiIndex.from_frame(forecasts[by])

    def blocks() -> Iterator[pd.DataFrame]:
        for number, first in enumerate(range(0, scenarios, BLOCK)):
            own = int(np.random.SeedSequence([seed, number]).generate_state(1)[0])
            count = min(BLOCK, scenarios - first)
            drawn = sample_scenarios(latest, mean_week, half_widths, dependence, count, own)
            yield _sums(drawn, keys)

    return pd.concat(list(blocks()), axis=1, ignore_index=True)


def _sums(drawn: FloatArray, keys: pd.MultiIndex) -> pd.DataFrame:
    return pd.DataFrame(drawn, index=keys).groupby(level=list(range(keys.nlevels))).sum()
