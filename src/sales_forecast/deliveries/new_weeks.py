"""Checks of weeks that a delivery brings or restates: do they sell as before, a year ago, and as forecast?"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import pandas as pd

from sales_forecast.deliveries.delivery import DeliveryParams, Finding
from sales_forecast.deliveries.known import KnownHistory
from sales_forecast.forecasting.monitoring.levels import (
    SMALL_SHARE,
    mean_weeks_of_departments,
    median_log_ratio,
    standardised_level,
)
from sales_forecast.forecasting.panel.matrix import ROW_KEYS, SERIES_KEYS, WEEKS_PER_YEAR

WEEK = pd.Timedelta(weeks=1)

WEEKS_BEFORE = 4
"""Weeks before a new one that it is compared with."""

RECENT_WEEKS = 13
"""Known weeks that are judged again if they are restated; of older ones their number is judged only."""

MUCH_RESTATED = 0.1
"""Share of a department's known values of a week above which it is as good as a new one."""

MANY_SERIES = 20
"""So many silent series are no chance; fewer count if they usually sell ``SMALL_SHARE`` of a mean week."""


def weeks_to_judge(
    delivered: pd.DataFrame, known: KnownHistory, compared: pd.DataFrame
) -> list[pd.Timestamp]:
    """Find the weeks that nobody has judged yet: new ones, and recent ones that say something else now.

    Args:
        delivered: ``store, department, week, turnover``, labels as text.
        known: What was recorded before.
        compared: As ``known.compared`` returns it.
    """
    there, known_last = delivered["week"].unique(), max(known.digests)
    new = {week for week in there if week > known_last}
    recent = compared[compared["week"].isin(there) & (compared["week"] > known_last - RECENT_WEEKS * WEEK)]
    others = recent["is_gone"] | recent["is_changed"]
    shares = others.groupby([recent["week"], recent["department"]]).mean()
    return sorted(new | set(shares.index[shares > MUCH_RESTATED].get_level_values("week")))


def as_delivered(delivered: pd.DataFrame, weeks: list[pd.Timestamp]) -> pd.DataFrame:
    """Take back repairs in some weeks, which would hide a wrong unit.

    Args:
        delivered: ``store, department, week, turnover``, and ``turnover_raw`` if anything may be repaired.
        weeks: The weeks.
    """
    if "turnover_raw" not in delivered:
        return delivered
    turnover = delivered["turnover"].where(~delivered["week"].isin(weeks), delivered["turnover_raw"])
    return delivered.assign(turnover=turnover)


def silent_series(
    delivered: pd.DataFrame, judged: list[pd.Timestamp], params: DeliveryParams
) -> Iterator[Finding]:
    """Find departments most of whose series have stopped selling.

    Args:
        delivered: ``store, department, week, turnover``, labels as text.
        judged: The weeks that it brings or restates.
        params: When a finding holds the delivery.
    """
    limit = params.silent_series_at_most
    if limit is None:
        return
    for week in judged:
        expected = _sold_before(delivered, week)
        expected = expected[(expected["recent"] > 0) & (expected["last_year"] > 0)]
        year = delivered[delivered["week"].between(week - WEEKS_PER_YEAR * WEEK, week - WEEK)]
        mean_week = year.groupby("department")["turnover"].sum() / year["week"].nunique()
        for department, rows in expected.groupby("department"):
            silent = rows[~(rows["now"] > 0)]
            missed = silent[["recent", "last_year"]].min(axis=1).sum() / mean_week[department]
            matters = len(silent) >= MANY_SERIES or missed > SMALL_SHARE
            if matters and len(silent) > limit * len(rows):
                yield Finding(
                    check="series silent",
                    severity="hold",
                    text=f"{len(silent):,} of {len(rows):,} series of department {department} that sold in "
                    f"the weeks before and a year ago sold nothing in the week of {week:%Y-%m-%d} "
                    f"({len(silent) / len(rows):.0%}, with {missed:.1%} of a mean week; "
                    f"turnover.delivery.silent_series_at_most: {limit:g}), e.g. store "
                    f"{silent.iloc[0]['store']}",
                )


def _sold_before(delivered: pd.DataFrame, week: pd.Timestamp) -> pd.DataFrame:
    """Turnover of each series: ``now``, in a mean week of those before (``recent``), and a year ago."""
    before = delivered[delivered["week"].between(week - WEEKS_BEFORE * WEEK, week - WEEK)]
    recent = before.groupby(SERIES_KEYS)["turnover"].mean().rename("recent")
    found = [
        delivered[delivered["week"] == moment].set_index(SERIES_KEYS)["turnover"].rename(name)
        for moment, name in ((week, "now"), (week - WEEKS_PER_YEAR * WEEK, "last_year"))
    ]
    return pd.concat([recent, *found], axis=1).reset_index()


def unit_jumps(
    delivered: pd.DataFrame, judged: list[pd.Timestamp], params: DeliveryParams
) -> Iterator[Finding]:
    """Find departments that sell many times more or less than both lately and a year ago.

    Args:
        delivered: ``store, department, week, turnover``, labels as text.
        judged: The weeks that it brings or restates.
        params: When a finding holds the delivery.
    """
    limit = params.unit_jump_times
    if limit is None:
        return
    for week in judged:
        sold = _sold_before(delivered, week)
        for department, rows in sold[sold["now"] > 0].groupby("department"):
            past = rows[(rows["recent"] > 0) & (rows["last_year"] > 0)]
            jumps = [(past["now"] / past[name]).median() for name in ("recent", "last_year") if len(past)]
            if jumps and (min(jumps) > limit or max(jumps) < 1 / limit):
                times = min(jumps, key=lambda jump: abs(np.log(jump)))
                yield Finding(
                    check="unit jump",
                    severity="hold",
                    text=f"in the week of {week:%Y-%m-%d} the median store of department {department} sold "
                    f"{times:,.4g} times what it sold in the weeks before and a year ago: another unit? "
                    f"(turnover.delivery.unit_jump_times: {limit:g})",
                )


def levels(
    delivered: pd.DataFrame, known: KnownHistory, judged: list[pd.Timestamp], params: DeliveryParams
) -> Iterator[Finding]:
    """Find departments that sell far more or less than was forecast.

    Args:
        delivered: ``store, department, week, turnover``, labels as text.
        known: What was published before, and how far off it usually is.
        judged: The weeks that it brings or restates.
        params: When a finding holds the delivery.
    """
    sold = delivered[delivered["week"].isin(judged)]
    published = known.forecasts
    if restated := [week for week in judged if week in known.digests]:
        parts = [part for part in (published, known.past_forecasts(restated)) if len(part)]
        published = pd.concat(parts, ignore_index=True) if parts else published
    both = published.merge(sold, on=ROW_KEYS)
    usual = mean_weeks_of_departments(delivered[~delivered["week"].isin(judged)])
    for (week, department), rows in both.groupby(["week", "department"]):
        level = median_log_ratio(rows["turnover"], rows["forecast"], usual.get(department, 0.0))
        times, limit = float(np.exp(level)), params.department_within_times
        sentence = (
            f"in the week of {pd.Timestamp(str(week)):%Y-%m-%d} the median store of department {department} "
            f"sold {times:,.3g} times what was forecast"
        )
        if limit is not None and abs(level) > np.log(limit):
            option = f"turnover.delivery.department_within_times: {limit:g}"
            yield Finding(check="level", severity="hold", text=f"{sentence} ({option})")
            continue
        past = known.levels[known.levels["week"] < week]
        unusual = standardised_level(level, past, str(department))
        if params.unusual_above is not None and unusual is not None and abs(unusual) > params.unusual_above:
            option = f"turnover.delivery.unusual_above: {params.unusual_above:g}"
            yield Finding(
                check="unusual level",
                severity="note",
                text=f"{sentence}, {abs(unusual):.1f} robust standard deviations from its usual level "
                f"({option})",
            )
