"""Whether the newest weeks look like turnover, or like a delivery that went wrong.

A model that was fitted before these weeks says what to expect of them. Single stores err by much, the median
over the stores of a department hardly does.
"""

from __future__ import annotations

from collections.abc import Iterator

import pandas as pd

from sales_forecast.forecasting.evaluation.gate_result import GateParams

SMALL_SHARE = 0.02
"""Share of a department's mean forecast that is added to both sides: a store may sell nothing in a week."""

WEEKS_BEFORE = 4
"""As many stores as in the median of so many weeks should be there again."""


def object_to_newest_weeks(forecasts: pd.DataFrame, panel: pd.DataFrame, gate: GateParams) -> tuple[str, ...]:
    """Say what speaks against new weeks of turnover.

    Args:
        forecasts: ``store, department, week, forecast, turnover`` of the new weeks, made before they came.
        panel: ``store, week, turnover``, the new weeks among them.
        gate: By how much a week may differ from what was expected, and how many stores may be missing.

    Returns:
        One sentence for each finding, none if the weeks look as expected.
    """
    new = sorted(forecasts["week"].unique())
    return (*_unexpected_levels(forecasts, gate), *_missing_stores(panel, new, gate))


def _unexpected_levels(forecasts: pd.DataFrame, gate: GateParams) -> Iterator[str]:
    for department, rows in forecasts.groupby("department"):
        small = SMALL_SHARE * rows["forecast"].mean() + 1e-9
        ratio = (rows["turnover"].clip(lower=0) + small) / (rows["forecast"] + small)
        for week, ratios in ratio.groupby(rows["week"]):
            times = float(ratios.median())
            if max(times, 1 / times) > gate.newest_weeks_within_times:
                yield (
                    f"in the week of {pd.Timestamp(str(week)):%Y-%m-%d} department {department} sold "
                    f"{times:,.2f} times what was expected of it (median of {len(ratios)} "
                    f"series; turnover.gate.newest_weeks_within_times: {gate.newest_weeks_within_times:g})"
                )


def _missing_stores(panel: pd.DataFrame, new: list[pd.Timestamp], gate: GateParams) -> Iterator[str]:
    known = panel.loc[panel["turnover"].notna(), ["store", "week"]].drop_duplicates()
    stores = known.groupby("week").size()
    for week in new:
        before = stores[stores.index < week].tail(WEEKS_BEFORE)
        usual, there = before.median(), int(stores.get(week, 0))
        if there < gate.stores_there_at_least * usual:
            yield (
                f"the week of {week:%Y-%m-%d} has turnover of {there} stores, the weeks before it of "
                f"{usual:.0f} (turnover.gate.stores_there_at_least: {gate.stores_there_at_least:g})"
            )
