"""Both domains: whose files a run has read, found by what they share with the data of registered models.

Labels alone do not tell: many retailers number their stores from 1. A series is the same if it has the same
labels and, in most of the weeks that both tables have, the same turnover.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

import narwhals as nw
import numpy as np
import pandas as pd
from narwhals.typing import IntoFrame

from sales_forecast.errors import InputError
from sales_forecast.forecasting.panel.matrix import ROW_KEYS, SERIES_KEYS
from sales_forecast.pipelines.data_processing.params import ReadMarketingParams, ReadTurnoverParams
from sales_forecast.registry.known_retailers import KnownRetailers
from sales_forecast.retailers import Retailer

ENOUGH = 0.5
"""Share of the smaller table's series that the same retailer has in both, and of the weeks of a series."""

ROUNDING = 1e-6
"""Relative difference up to which two amounts are equal."""


@dataclass(frozen=True)
class Overlap:
    """What a delivery shares with the data of a retailer's champion.

    Args:
        kind: What is counted, such as ``series``.
        delivered: Number in the delivery.
        known: Number in the data of the champion.
        same: Number in both.
        undecided: Number with the same labels, but without a week in which they could be compared.
    """

    kind: str
    delivered: int
    known: int
    same: int
    undecided: int = 0

    @property
    def share(self) -> float:
        """Share of the smaller table that is the same: stores open and close from week to week."""
        return self.same / max(min(self.delivered, self.known), 1)

    @property
    def verdict(self) -> Literal["same", "another", "unclear"]:
        """Whether the delivery is that of the retailer; of another one it shares nothing."""
        if self.share >= ENOUGH:
            return "same"
        unknown = self.undecided >= ENOUGH * max(min(self.delivered, self.known), 1)
        return "unclear" if self.same or unknown else "another"

    def __str__(self) -> str:
        """For messages."""
        undecided = f" ({self.undecided:,} without a week to compare)" if self.undecided else ""
        return f"{self.same:,} of {self.delivered:,} {self.kind} are among its {self.known:,}{undecided}"


def compare_series(delivered: pd.DataFrame, champions: pd.DataFrame) -> Overlap:
    """Count the series that are the same in two tables of weekly turnover.

    Args:
        delivered: ``store, department, week, turnover``.
        champions: The same, as a champion was made from it.

    Returns:
        A series counts as the same if at least half of its common weeks have the same turnover. Weeks without
        turnover in the champion's table are left out: many series have none off season.
    """
    left, right = _with_text_labels(delivered), _with_text_labels(champions)
    both = left.merge(right[right["turnover"] != 0], on=ROW_KEYS, suffixes=("", "_known"))
    both["equal"] = np.isclose(both["turnover"], both["turnover_known"], rtol=ROUNDING, atol=0)
    equal = both.groupby(SERIES_KEYS)["equal"].mean()
    series = [pd.MultiIndex.from_frame(table[SERIES_KEYS].drop_duplicates()) for table in (left, right)]
    labelled = series[0].intersection(series[1])
    return Overlap(
        kind="series",
        delivered=len(series[0]),
        known=len(series[1]),
        same=int((equal >= ENOUGH).sum()),
        undecided=len(labelled) - len(equal),
    )


def _with_text_labels(table: pd.DataFrame) -> pd.DataFrame:
    """Known turnover, with labels as text: 7 and "7" are the same."""
    rows = table.loc[table["turnover"].notna(), [*ROW_KEYS, "turnover"]]
    text = {key: rows[key].map({label: str(label) for label in rows[key].unique()}) for key in SERIES_KEYS}
    return rows.assign(**text)


def compare_campaigns(delivered: pd.DataFrame, champions: pd.DataFrame) -> Overlap:
    """Count the campaigns that are the same in two tables: they have no name, so both amounts are.

    Args:
        delivered: ``tv, sales``.
        champions: The same, as a champion was made from it.
    """
    both = delivered.merge(champions.drop_duplicates(), on=["tv", "sales"])
    return Overlap("campaigns", len(delivered), len(champions), len(both))


def identify_retailer_by_series(
    sales: IntoFrame, known_retailers: KnownRetailers, read: ReadTurnoverParams
) -> Retailer:
    """Find the retailer whose stores and departments these are.

    Args:
        sales: Typed weekly turnover.
        known_retailers: Retailers with registered models, and a given name.
        read: Names the file in messages.

    Raises:
        InputError: Some series are those of a known retailer, but too few to tell; or the given name is that
            of a retailer without any of these series.
    """
    table = nw.from_native(sales).lazy().select(*ROW_KEYS, "turnover").collect("pandas").to_pandas()
    overlaps = {name: compare_series(table, data) for name, data in known_retailers.data.items()}
    given = overlaps.get(known_retailers.given or "")
    if given is not None and given.verdict == "another":
        raise InputError(
            f"{read.files.sales}: these are not the series of retailer '{known_retailers.given}', with whose "
            f"models they would be compared: {given}. Choose a name that is new, or none (null), so that the "
            "retailer is found: after --params retailer=, or as retailer in globals.yml"
        )
    return _identify(overlaps, known_retailers, read.files.sales)


def identify_retailer_by_campaigns(
    budgets: IntoFrame, known_retailers: KnownRetailers, read: ReadMarketingParams
) -> Retailer:
    """Find the retailer whose campaigns these are; in a run that reads turnover too, that of the turnover.

    Args:
        budgets: Typed campaigns.
        known_retailers: Retailers with registered models, and a given name, or that of the turnover.
        read: Names the file in messages.

    Raises:
        InputError: Some campaigns are those of a known retailer, but too few to tell.
    """
    table = nw.from_native(budgets).lazy().select("tv", "sales").collect("pandas").to_pandas()
    overlaps = {name: compare_campaigns(table, data) for name, data in known_retailers.data.items()}
    return _identify(overlaps, known_retailers, read.file)


def _identify(overlaps: Mapping[str, Overlap], known: KnownRetailers, file: str) -> Retailer:
    """Take the given name, else the retailer with the largest overlap, else a new one."""
    if known.given is not None:
        return Retailer(name=known.given, reason="named, or found by the turnover of the same run")
    same = {name: overlap for name, overlap in overlaps.items() if overlap.verdict == "same"}
    best = max((overlap.share for overlap in same.values()), default=0.0)
    nearest = [name for name, overlap in same.items() if overlap.share == best]
    if len(nearest) == 1:
        return Retailer(name=nearest[0], reason=str(same[nearest[0]]))
    unclear = nearest or [name for name, overlap in overlaps.items() if overlap.verdict == "unclear"]
    if unclear:
        found = "; ".join(f"retailer '{name}': {overlaps[name]}" for name in unclear)
        raise InputError(
            f"{file}: it is not clear whose data these are ({found}). Files of the same retailer have at "
            f"least {ENOUGH:.0%} in common with the data of its model, and files of another one nothing. "
            f"Name the retailer: --params retailer={unclear[0]} if it is this one, else a new name such as "
            f"retailer={known.new_name}; for all runs as retailer in globals.yml"
        )
    return Retailer(name=known.new_name, reason="seen for the first time")
