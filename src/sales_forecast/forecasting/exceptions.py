"""Exceptions: the few series of a week that deserve a planner's eye; all others are approved by rule.

They are ranked by what is at stake, the width of the 80 % intervals of the next weeks, times how often the
last weeks fell outside of theirs. docs/benchmarks.md has what share of the errors of the weeks after was in
the series that are listed, against random ones and against the largest.
"""

from __future__ import annotations

import pandas as pd
from pydantic import BaseModel, Field

from sales_forecast.forecasting.panel.matrix import ROW_KEYS, SERIES_KEYS

EXCEPTION_COLUMNS = [*SERIES_KEYS, "kind", "money_at_risk", "reason"]

KINDS = {
    "silent": "sold nothing for weeks, and is forecast to sell",
    "cold_start": "too young for a past of its own",
    "intervals_missed": "fell outside its intervals more often than it should",
    "biased": "forecasts were always too high, or always too low",
    "changed": "the forecast moved far since the last publication",
    "large": "among the largest sums at stake, and nothing unusual beside that",
}
"""Kind of an exception -> what it means; the first one that is true of a series is told."""


class ExceptionParams(BaseModel, frozen=True, extra="forbid"):
    """Which series are exceptions."""

    most: int = Field(default=20, gt=0)
    """So many are listed."""

    weeks_ahead: int = Field(default=4, gt=0)
    """What is at stake is counted over so many weeks."""

    recent_weeks: int = Field(default=8, gt=0)
    """Weeks whose forecasts, one week ahead, are compared with what was sold."""

    missed_above: float = Field(default=0.4, gt=0, le=1)
    """Share of these weeks outside the 80 % intervals that is told."""

    biased_above: float = Field(default=0.9, gt=0, le=1)
    """Sum of errors over the sum of absolute errors that is told: 1 if all errors have the same sign."""

    changed_above: float = Field(default=0.25, gt=0)
    """Change since the last publication, as a share of the forecast, that is told."""


def find_exceptions(
    forecasts: pd.DataFrame, recent: pd.DataFrame, changes: pd.DataFrame, params: ExceptionParams
) -> pd.DataFrame:
    """List the series that deserve a planner's eye.

    Args:
        forecasts: ``store, department, week, forecast, lo_80, hi_80, cold_start``, currency units per week.
        recent: ``store, department, week, forecast, lo_80, hi_80, turnover`` of the last weeks, as they were
            forecast one week ahead; empty where nothing was published before.
        changes: ``store, department, week, before, after``, see ``changes``; may be empty.
        params: How many are listed, and what is called unusual.

    Returns:
        ``EXCEPTION_COLUMNS``, the most urgent first: ``money_at_risk`` is the width of the 80 % intervals of
        the next weeks in currency units, ``reason`` a sentence.
    """
    weeks = sorted(forecasts["week"].unique())[: params.weeks_ahead]
    rows = forecasts[forecasts["week"].isin(weeks)].assign(width=lambda rows: rows["hi_80"] - rows["lo_80"])
    sums = {"forecast": ("forecast", "sum"), "money_at_risk": ("width", "sum"), "cold": ("cold_start", "max")}
    series = rows.groupby(SERIES_KEYS).agg(**sums).join(_recently(recent)).join(_moved(changes, weeks))
    outside = series["outside"].where(series["weeks"] >= FEWEST_WEEKS, 0.0)
    series["urgency"] = series["money_at_risk"] * (1 + outside)
    listed = series.sort_values("urgency", ascending=False, kind="stable").head(params.most)
    told = [_tell(row, weeks, params) for _, row in listed.iterrows()]
    found = listed.reset_index()[[*SERIES_KEYS, "money_at_risk"]]
    return found.assign(kind=[kind for kind, _ in told], reason=[reason for _, reason in told])[
        EXCEPTION_COLUMNS
    ]


def _recently(recent: pd.DataFrame) -> pd.DataFrame:
    """How the last weeks went, by series: ``outside`` is the share of weeks outside the 80 % intervals."""
    rows = recent.dropna(subset="turnover")
    error = rows["forecast"] - rows["turnover"]
    each = rows[SERIES_KEYS].assign(
        error=error,
        absolute=error.abs(),
        outside=(rows["turnover"] < rows["lo_80"]) | (rows["turnover"] > rows["hi_80"]),
        sold=rows["turnover"] > 0,
    )
    by = each.groupby(SERIES_KEYS)
    return by.agg(
        error=("error", "sum"),
        absolute=("absolute", "sum"),
        outside=("outside", "mean"),
        missed=("outside", "sum"),
        weeks=("error", "size"),
        sold=("sold", "sum"),
    )


def _moved(changes: pd.DataFrame, weeks: list[pd.Timestamp]) -> pd.DataFrame:
    rows = changes[changes["week"].isin(weeks)]
    each = rows[SERIES_KEYS].assign(moved=rows["after"] - rows["before"], before=rows["before"])
    return each.groupby(SERIES_KEYS)[["moved", "before"]].sum()


FEWEST_WEEKS = 4
"""With fewer weeks nothing is said about them."""


def _tell(row: pd.Series, ahead: list[pd.Timestamp], params: ExceptionParams) -> tuple[str, str]:
    """Kind and reason of one series."""
    weeks = int(row["weeks"]) if pd.notna(row["weeks"]) else 0
    if weeks >= FEWEST_WEEKS and not row["sold"] and row["forecast"] > 0:
        return "silent", f"nothing sold in the last {weeks} weeks, {row['forecast']:,.0f} are forecast"
    if row["cold"]:
        return "cold_start", "too young for a past of its own: forecast from its peers"
    if weeks >= FEWEST_WEEKS and row["outside"] >= params.missed_above:
        missed = int(row["missed"])
        return "intervals_missed", f"{missed} of the last {weeks} weeks were outside their 80 % intervals"
    if weeks >= FEWEST_WEEKS and abs(row["error"]) >= params.biased_above * row["absolute"] > 0:
        side = "high" if row["error"] > 0 else "low"
        return (
            "biased",
            f"forecasts of the last {weeks} weeks were {abs(row['error']):,.0f} too {side} in sum",
        )
    if pd.notna(row["before"]) and abs(row["moved"]) > params.changed_above * max(row["before"], 1.0):
        return "changed", f"the forecast of the same weeks moved by {row['moved']:+,.0f} ({_share(row)})"
    span = f"the {len(ahead)} weeks" if len(ahead) > 1 else "the week"
    told = f"{row['forecast']:,.0f} are forecast for {span} from {ahead[0]:%Y-%m-%d}"
    return "large", f"among the largest sums: {told}"


def _share(row: pd.Series) -> str:
    return f"{row['moved'] / row['before']:+.0%}" if row["before"] > 0 else "from nothing"


def join_turnover(week_ahead: pd.DataFrame, panel: pd.DataFrame) -> pd.DataFrame:
    """Add what was sold to the forecasts of weeks that have come.

    Args:
        week_ahead: ``store, department, week`` and forecasts, labels as text.
        panel: ``store, department, week, turnover``.
    """
    weeks = panel[panel["week"].isin(week_ahead["week"].unique())]
    return week_ahead.merge(weeks[[*ROW_KEYS, "turnover"]], on=ROW_KEYS, how="left")
