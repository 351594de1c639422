"""Turnover: the weeks ahead as a workbook for planners."""

from __future__ import annotations

from collections.abc import Mapping

import pandas as pd

from sales_forecast.deliveries.recorded import Recorded
from sales_forecast.forecasting.exceptions import ExceptionParams
from sales_forecast.forecasting.intervals.hierarchy import sum_to_stores
from sales_forecast.forecasting.panel.matrix import ROW_KEYS, SERIES_KEYS
from sales_forecast.models.turnover import TurnoverPackage
from sales_forecast.pipelines.inference.turnover_last_year import against_last_year
from sales_forecast.pipelines.inference.turnover_read_me import read_me
from sales_forecast.planning.override_sheet import override_sheet
from sales_forecast.registry.serving import ServingModel
from sales_forecast.reporting.override_page import override_page
from sales_forecast.reporting.workbook import Kind, Sheet

FROM, TO = "80 % from", "80 % to"
LAST_YEAR, AGAINST_LAST_YEAR = "same week last year", "against last year"
LAST_FORECAST, CHANGE, CHANGE_SHARE = "last forecast", "change", "change %"
PLANNED, HOURS = "planned", "hours"
NO_REGION = "none"
"""What a store without a region has as its region."""

HEADINGS = {
    "lo_80": FROM,
    "hi_80": TO,
    "last_year_sold": "last year, as sold",
    "last_year": LAST_YEAR,
    "last_forecast": LAST_FORECAST,
}
HOURS_HEADINGS = {
    "hours": HOURS,
    "model_hours": "hours without overrides",
    "shifts": "shifts",
    "turnover": "turnover to staff for",
    "minimum_cover_hours": "minimum cover",
    "fixed_hours": "fixed hours",
    "variable_hours": "hours for turnover",
    "override": "override",
}
"""Column of the staffing plan -> heading of the sheet of hours."""

SUMMED_HOURS = (HOURS, "hours without overrides", "shifts")
KINDS: dict[str, Kind] = {
    "week": "date",
    **dict.fromkeys(("forecast", *HEADINGS.values(), "total", PLANNED), "money"),
    **dict.fromkeys(HOURS_HEADINGS.values(), "hours"),
    "turnover to staff for": "money",
    "shifts": "count",
    "override": "label",
    CHANGE: "change",
    AGAINST_LAST_YEAR: "share",
    CHANGE_SHARE: "share",
}


def lay_out_for_planners(
    forecasts: pd.DataFrame,
    forecasts_by_level: pd.DataFrame,
    last_year_table: pd.DataFrame,
    panel: pd.DataFrame,
    stores: pd.DataFrame,
    serving: ServingModel[TurnoverPackage],
    recorded: Recorded,
    staffing_plan: pd.DataFrame,
    exceptions: ExceptionParams,
) -> list[Sheet]:
    """Lay the weeks ahead out as sheets: row by row, by week, and summed to stores, regions and departments.

    One more sheet has the hours to plan, and one is for planners to fill in: ``sales-forecast overrides
    import`` reads it.

    Sums have intervals of their own, no sums of intervals. Those of regions, departments and the whole chain
    are the published ones; those of stores are learned in the same way.

    Args:
        forecasts: ``store, department, week, forecast, lo_80, hi_80``.
        forecasts_by_level: As ``sum_forecasts`` returns it.
        last_year_table: As ``compare_with_last_year`` returns it.
        panel: Gap-free weekly turnover.
        stores: Regions.
        serving: The model that made the forecasts.
        recorded: What was published before.
        staffing_plan: Hours to plan, and planners' numbers that count already.
        exceptions: How large a change is told.
    """
    earlier = recorded.earlier_forecasts(panel["week"].max().date(), serving.retailer)
    weeks = list_weeks(forecasts, last_year_table, stores, earlier, staffing_plan)
    regions = weeks[["store", "region"]].drop_duplicates()
    last_year = last_year_table.merge(regions, on="store")
    package = serving.package
    of_stores = sum_to_stores(forecasts, panel, package.backtest, package.model.intervals)
    sums = {
        "stores": (["store"], of_stores),
        "regions": (["region"], _published(forecasts_by_level, "region", "key", regions["region"])),
        "departments": (
            ["department"],
            _published(forecasts_by_level, "department", "department", forecasts["department"]),
        ),
        "all stores": ([], _published(forecasts_by_level, "total")),
    }
    shown = [
        _sheet(name, _sums(by, intervals, last_year, weeks), exceptions.changed_above)
        for name, (by, intervals) in sums.items()
        if len(intervals)
    ]
    large = exceptions.changed_above
    counting = staffing_plan[[*ROW_KEYS, PLANNED, "override"]]
    planned = forecasts.merge(counting, on=ROW_KEYS, how="left", validate="1:1")
    return [
        _sheet("weeks", weeks.rename(columns=HEADINGS), large, frozen=4),
        _by_week(weeks),
        _hours(staffing_plan, weeks),
        *shown,
        override_page(override_sheet(planned.sort_values(ROW_KEYS, ignore_index=True))),
        read_me(serving, panel, last_year_table, earlier, large),
    ]


def list_weeks(
    forecasts: pd.DataFrame,
    last_year_table: pd.DataFrame,
    stores: pd.DataFrame,
    earlier: pd.DataFrame,
    staffing_plan: pd.DataFrame,
) -> pd.DataFrame:
    """List store, department and week in one row each, with what to compare the forecast with.

    Args:
        forecasts: ``store, department, week, forecast, lo_80, hi_80``.
        last_year_table: As ``compare_with_last_year`` returns it.
        stores: ``store, region``.
        earlier: ``store, department, week, forecast`` of the last publication from older data.
        staffing_plan: As ``plan_staffing`` returns it.

    Returns:
        ``store, region, department, week, forecast, lo_80, hi_80, last_year_sold, last_year`` and, compared
        with them, ``against last year``; ``last_forecast, change, change %``; ``planned`` where a planner has
        overridden the forecast, and ``hours``. Whole cents.
    """
    rows = forecasts[[*ROW_KEYS, "forecast", "lo_80", "hi_80"]]
    rows = rows.merge(last_year_table.drop(columns="forecast"), on=ROW_KEYS, how="left", validate="1:1")
    regions = stores.set_index("store")["region"].fillna(NO_REGION)
    rows.insert(1, "region", rows["store"].map(regions).fillna(NO_REGION))
    rows[AGAINST_LAST_YEAR] = _relative(rows["forecast"], rows["last_year"])
    text = rows[ROW_KEYS].astype(dict.fromkeys(SERIES_KEYS, str))
    known = earlier.astype(dict.fromkeys(SERIES_KEYS, str)).set_index(ROW_KEYS)["forecast"]
    rows["last_forecast"] = known.reindex(pd.MultiIndex.from_frame(text)).to_numpy(dtype=float)
    rows[CHANGE] = rows["forecast"] - rows["last_forecast"]
    rows[CHANGE_SHARE] = _relative(rows["forecast"], rows["last_forecast"])
    of_planners = staffing_plan[PLANNED].where(staffing_plan["override"].notna())
    plan = staffing_plan[[*ROW_KEYS, HOURS]].assign(**{PLANNED: of_planners})[[*ROW_KEYS, PLANNED, HOURS]]
    rows = rows.merge(plan, on=ROW_KEYS, how="left", validate="1:1")
    money = ["forecast", "lo_80", "hi_80", "last_year_sold", "last_year", "last_forecast", CHANGE, PLANNED]
    return rows.round(dict.fromkeys(money, 2)).sort_values(ROW_KEYS, ignore_index=True)


def _relative(now: pd.Series[float], before: pd.Series[float]) -> pd.Series[float]:
    return now / before.where(before > 0) - 1


def _by_week(weeks: pd.DataFrame) -> Sheet:
    """One row a store and department, one column a week, with the sum of its weeks."""
    sheet = weeks.pivot(index=["store", "region", "department"], columns="week", values="forecast")
    total = sheet.sum(axis=1)
    table = sheet.assign(total=total).reset_index().rename_axis(columns=None)
    return Sheet("by week", table, KINDS, frozen=3, totals=tuple(table.columns[3:]))


def _hours(staffing_plan: pd.DataFrame, weeks: pd.DataFrame) -> Sheet:
    """One row a store, department and week: the hours, and what they are made of."""
    table = weeks[["store", "region", "department", "week"]].merge(staffing_plan, on=ROW_KEYS)
    table = table[["store", "region", "department", "week", *HOURS_HEADINGS]].rename(columns=HOURS_HEADINGS)
    return Sheet("hours", table, KINDS, frozen=4, totals=SUMMED_HOURS)


def _published(
    forecasts_by_level: pd.DataFrame, level: str, key: str | None = None, labels: pd.Series | None = None
) -> pd.DataFrame:
    """The published intervals of a level, with labels as the other sheets have them, not as text."""
    rows = forecasts_by_level[forecasts_by_level["level"] == level]
    intervals = rows[["week", "lo_80", "hi_80"]]
    if key is None or labels is None:
        return intervals
    known: Mapping[str, object] = {str(label): label for label in labels.unique()}
    return intervals.assign(**{level: rows[key].map(known)}).dropna(subset=level)


def _sums(
    by: list[str], intervals: pd.DataFrame, last_year: pd.DataFrame, weeks: pd.DataFrame
) -> pd.DataFrame:
    """Sums by group and week: with intervals of their own, last year, the last forecast, plan and hours."""
    keys = [*by, "week"]
    sums = against_last_year(last_year, keys).rename(columns={"change": AGAINST_LAST_YEAR})
    table = sums.merge(intervals[[*keys, "lo_80", "hi_80"]], on=keys, how="left", validate="1:1")
    table = table.merge(_against_last_forecast(weeks, keys), on=keys, validate="1:1")
    money = ["forecast", "lo_80", "hi_80", "last_year", "last_forecast", PLANNED]
    columns = [*money[:4], AGAINST_LAST_YEAR, "last_forecast", CHANGE_SHARE, PLANNED, HOURS]
    return table.round(dict.fromkeys(money, 2))[[*keys, *columns]].rename(columns=HEADINGS)


def _against_last_forecast(weeks: pd.DataFrame, keys: list[str]) -> pd.DataFrame:
    """Sum hours, plans where one of them is a planner's, and last forecasts; compare with what has both."""
    is_planned = weeks[PLANNED].notna()
    rows = weeks[[*keys, "last_forecast", HOURS]].assign(
        comparable=weeks["forecast"].where(weeks["last_forecast"].notna()),
        plan=weeks[PLANNED].where(is_planned, weeks["forecast"]),
        overridden=is_planned.astype(int),
    )
    sums = rows.groupby(keys, as_index=False).sum(min_count=1)
    sums[CHANGE_SHARE] = _relative(sums["comparable"], sums["last_forecast"])
    sums[PLANNED] = sums["plan"].where(sums["overridden"] > 0)
    return sums[[*keys, "last_forecast", CHANGE_SHARE, PLANNED, HOURS]]


def _sheet(name: str, table: pd.DataFrame, large: float, frozen: int | None = None) -> Sheet:
    coloured = tuple(heading for heading in (AGAINST_LAST_YEAR, CHANGE_SHARE) if heading in table)
    keys = list(table.columns).index("week") + 1
    return Sheet(name, table, KINDS, frozen or keys, coloured, large)
