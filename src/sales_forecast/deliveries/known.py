"""What is known of a retailer before a delivery comes."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

import pandas as pd

from sales_forecast.forecasting.panel.matrix import ROW_KEYS
from sales_forecast.storage.turnover import is_restated, week_digests


def _no_values(weeks: list[pd.Timestamp]) -> pd.DataFrame:
    return pd.DataFrame(columns=[*ROW_KEYS, "turnover"])


def _no_forecasts(weeks: list[pd.Timestamp]) -> pd.DataFrame:
    return pd.DataFrame(columns=[*ROW_KEYS, "forecast"])


@dataclass(frozen=True)
class KnownHistory:
    """What was recorded and published of one retailer.

    Args:
        digests: Week -> digest of its turnover.
        values: Reads ``store, department, week, turnover`` of some weeks, as they are known now.
        values_known: How many values are known in all.
        forecasts: ``store, department, week, forecast`` that serve now.
        past_forecasts: Reads the same for some weeks, as published last before each of them was known.
        levels: ``department, week, median_log_ratio`` of weeks that have come: how far off the forecasts
            were.
        accepted: Id of the delivery that was accepted last.
    """

    digests: Mapping[pd.Timestamp, str] = field(default_factory=dict)
    values: Callable[[list[pd.Timestamp]], pd.DataFrame] = _no_values
    values_known: int = 0
    forecasts: pd.DataFrame = field(default_factory=lambda: _no_forecasts([]))
    past_forecasts: Callable[[list[pd.Timestamp]], pd.DataFrame] = _no_forecasts
    levels: pd.DataFrame = field(
        default_factory=lambda: pd.DataFrame(columns=["department", "week", "median_log_ratio"])
    )
    accepted: str | None = None

    def differing(self, delivered: pd.DataFrame) -> list[pd.Timestamp]:
        """Known weeks of which a delivery says something else.

        Args:
            delivered: ``store, department, week, turnover``, labels as text.
        """
        found = week_digests(delivered)
        return [week for week, digest in self.digests.items() if found.get(week) != digest]

    def compared(self, delivered: pd.DataFrame) -> pd.DataFrame:
        """Compare known values with those of a delivery, in weeks that differ.

        Args:
            delivered: ``store, department, week, turnover``, labels as text.

        Returns:
            ``store, department, week, turnover_known, turnover, is_gone, is_changed``.
        """
        differing = self.differing(delivered)
        before = self.values(differing) if differing else delivered.head(0)
        both = before.merge(delivered, on=ROW_KEYS, how="left", suffixes=("_known", ""))
        gone = both["turnover"].isna()
        changed = ~gone & is_restated(both["turnover"], both["turnover_known"])
        return both.assign(is_gone=gone, is_changed=changed)
