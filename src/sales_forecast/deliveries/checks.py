"""Checks of a delivery against what is known: pure functions from tables to findings.

Tables have labels as text and weeks as timestamps. Each check compares with what the same retailer has
delivered before, or with what was published for the weeks that have come.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping

import pandas as pd

from sales_forecast.deliveries.delivery import DeliveryParams, Finding, Severity
from sales_forecast.deliveries.known import KnownHistory
from sales_forecast.deliveries.new_weeks import (
    WEEK,
    WEEKS_BEFORE,
    as_delivered,
    levels,
    silent_series,
    unit_jumps,
    weeks_to_judge,
)
from sales_forecast.forecasting.panel.matrix import SERIES_KEYS

SAME_LABELS = 0.5
"""Share of the series from which the labels of another retailer are worth a word."""

SHOWN = 3
"""Examples in a message."""


def check_against_known(
    delivered: pd.DataFrame, known: KnownHistory, params: DeliveryParams
) -> tuple[Finding, ...]:
    """Compare a delivery with what is known of the same retailer.

    Args:
        delivered: ``store, department, week, turnover`` of the whole delivery, as it would be recorded; no
            unknown turnover. A column ``turnover_raw`` says what it was before repairs.
        known: What was recorded and published before.
        params: When a finding holds the delivery.

    Returns:
        Findings, none for a delivery that looks like those before it and has one week more; none either if
        nothing is known.
    """
    if not known.digests:
        return ()
    last, known_last = delivered["week"].max(), max(known.digests)
    compared = known.compared(delivered)
    judged = weeks_to_judge(delivered, known, compared)
    sold = as_delivered(delivered, judged)
    return (
        *_last_week(last, known_last),
        *_weeks_missing_inside(delivered, known),
        *_known_values(compared, known.values_known, params),
        *_stores(sold, judged, params),
        *silent_series(sold, judged, params),
        *unit_jumps(sold, judged, params),
        *levels(sold, known, judged, params),
    )


def _last_week(last: pd.Timestamp, known_last: pd.Timestamp) -> Iterator[Finding]:
    if last < known_last:
        yield Finding(
            check="older delivery",
            severity="hold",
            text=f"it ends with the week of {last:%Y-%m-%d}, but the week of {known_last:%Y-%m-%d} is "
            "known: an older delivery, whose forecasts would be older ones",
        )
    elif last == known_last:
        yield Finding(check="no new week", severity="note", text=f"it has no week after {last:%Y-%m-%d}")
    elif last > known_last + WEEK:
        weeks = (last - known_last) // WEEK
        yield Finding(
            check="several weeks",
            severity="note",
            text=f"{weeks} weeks after {known_last:%Y-%m-%d} came at once",
        )


def _weeks_missing_inside(delivered: pd.DataFrame, known: KnownHistory) -> Iterator[Finding]:
    there = set(delivered["week"].unique())
    first, last = min(there), max(there)
    expected = {week for week in known.digests if first <= week <= last}
    expected |= set(pd.date_range(max(known.digests), last, freq="7D")[1:])
    if missing := sorted(expected - there):
        yield Finding(
            check="week missing inside",
            severity="hold",
            text=f"{len(missing)} week(s) have no row although weeks around them have: {_dates(missing)}",
        )


def _known_values(compared: pd.DataFrame, values_known: int, params: DeliveryParams) -> Iterator[Finding]:
    """Values that were known before and are gone or changed; weeks with an equal digest are equal."""
    gone, changed = compared[compared["is_gone"]], compared[compared["is_changed"]]
    total = max(values_known, 1)
    if len(gone):
        yield Finding(
            check="known values missing",
            severity=_hold_above(len(gone) / total, params.missing_at_most),
            text=f"{len(gone):,} of {total:,} known values are not in it ({len(gone) / total:.1%}; "
            f"turnover.delivery.missing_at_most: {_option(params.missing_at_most)}), in "
            f"{gone['week'].nunique()} week(s) and {gone['store'].nunique()} store(s), e.g. "
            f"{_row(gone.iloc[0])}",
        )
    if len(changed):
        money = float((changed["turnover"] - changed["turnover_known"]).sum())
        row = changed.iloc[0]
        yield Finding(
            check="restated",
            severity=_hold_above(len(changed) / total, params.restated_at_most),
            text=f"{len(changed):,} of {total:,} known values are restated ({len(changed) / total:.1%}; "
            f"turnover.delivery.restated_at_most: {_option(params.restated_at_most)}), by {money:+,.0f} in "
            f"sum, e.g. {_row(row)}: {row['turnover_known']:,.2f} is now {row['turnover']:,.2f}",
        )


def _stores(delivered: pd.DataFrame, judged: list[pd.Timestamp], params: DeliveryParams) -> Iterator[Finding]:
    pairs = delivered[["store", "week"]].drop_duplicates()
    of_week = pairs.groupby("week")["store"].agg(set)
    for week in judged:
        before = of_week[of_week.index < week].tail(WEEKS_BEFORE)
        if before.empty:
            continue
        there, usual = of_week.get(week, set()), before.map(len).median()
        missing = sorted(before.iloc[-1] - there)
        appeared = sorted(there - set().union(*of_week[of_week.index < week]))
        limit = params.stores_there_at_least
        if missing:
            few = limit is not None and len(there) < limit * usual
            yield Finding(
                check="stores missing",
                severity="hold" if few else "note",
                text=f"the week of {week:%Y-%m-%d} has turnover of {len(there)} stores, the weeks before it "
                f"of {usual:.0f} (turnover.delivery.stores_there_at_least: {_option(limit)}); missing: "
                f"{_some(missing)}",
            )
        if appeared:
            yield Finding(
                check="stores appeared",
                severity="note",
                text=f"{len(appeared)} store(s) in the week of {week:%Y-%m-%d} for the first time: "
                f"{_some(appeared)}",
            )


def labels_of_another_retailer(
    delivered: pd.DataFrame, retailer: str, others: Mapping[str, pd.DataFrame]
) -> Iterator[Finding]:
    """Note that a retailer who is seen for the first time has the labels of one who is known.

    Args:
        delivered: ``store, department, week, turnover``, labels as text.
        retailer: The new name.
        others: Retailer -> ``store, department`` of the data that its model was made from, labels as text.
    """
    series = delivered[SERIES_KEYS].drop_duplicates()
    for name, table in others.items():
        same = len(series.merge(table[SERIES_KEYS].drop_duplicates()))
        if same >= SAME_LABELS * len(series):
            yield Finding(
                check="new retailer",
                severity="note",
                text=f"these are taken for files of a new retailer, '{retailer}', although {same:,} of "
                f"{len(series):,} series have the store and department of retailer '{name}': they sold other "
                "amounts. If they are its files, the history is in another unit, or its weeks are shifted: "
                "mend them; or name the retailer: --params retailer=...",
            )


def closed_stores_asked_for(
    delivered: pd.DataFrame, forecast_index: pd.DataFrame, silent_store_weeks: int
) -> Iterator[Finding]:
    """Note stores that a file wants forecasts of although they have sold nothing for long.

    Args:
        delivered: ``store, department, week, turnover``.
        forecast_index: ``store, department, week`` that are wanted.
        silent_store_weeks: A store that has sold nothing for more weeks counts as closed.
    """
    sold = delivered[delivered["turnover"] > 0].groupby("store")["week"].max()
    closed = sold[sold < delivered["week"].max() - silent_store_weeks * WEEK]
    asked = sorted(set(closed.index) & set(forecast_index["store"]))
    if asked:
        yield Finding(
            check="closed stores asked for",
            severity="note",
            text=f"forecasts are wanted for {len(asked)} store(s) that have sold nothing for more than "
            f"{silent_store_weeks} weeks (turnover.read.silent_store_weeks): {_some(asked)}, last in the "
            f"week of {sold[asked[0]]:%Y-%m-%d}",
        )


def _hold_above(share: float, limit: float | None) -> Severity:
    return "hold" if limit is not None and share > limit else "note"


def _option(limit: float | None) -> str:
    return "null" if limit is None else f"{limit:g}"


def _row(row: pd.Series) -> str:
    return f"store {row['store']}, department {row['department']}, {row['week']:%Y-%m-%d}"


def _some(names: list[str]) -> str:
    more = f" and {len(names) - SHOWN} more" if len(names) > SHOWN else ""
    return ", ".join(names[:SHOWN]) + more


def _dates(weeks: list[pd.Timestamp]) -> str:
    return _some([f"{week:%Y-%m-%d}" for week in weeks])
