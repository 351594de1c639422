"""Turnover: how likely each department reaches its target in the quarters that the weeks ahead belong to."""

from __future__ import annotations

import pandas as pd

from sales_forecast.forecasting.intervals.periods import sample_sums
from sales_forecast.forecasting.panel.matrix import ROW_KEYS, SERIES_KEYS, WEEKS_PER_YEAR
from sales_forecast.models.turnover import TurnoverPackage
from sales_forecast.pipelines.inference.params import TargetParams
from sales_forecast.registry.serving import ServingModel
from sales_forecast.reporting import Table

BY = ["department", "quarter"]
MONEY = ["forecast", "lo_80", "hi_80", "last_year", "target"]
COLUMNS = [*BY, "weeks", "weeks_ahead", "sold", *MONEY, "probability"]


def compare_with_targets(
    forecasts: pd.DataFrame,
    panel: pd.DataFrame,
    serving: ServingModel[TurnoverPackage],
    targets: TargetParams,
) -> pd.DataFrame:
    """Estimate how likely each department, and all together, reach their targets.

    A quarter counts from its first week, as it was sold, to the last week ahead. Its target is what the
    series that are forecast sold in the same weeks of last year, plus a growth.

    Args:
        forecasts: ``store, department, week, forecast``.
        panel: Gap-free weekly turnover.
        serving: The model that made the forecasts.
        targets: Growth over last year, and how many scenarios are drawn.

    Returns:
        ``department, quarter, weeks, weeks_ahead, sold, forecast, lo_80, hi_80, last_year, target,
        probability``; ``department`` is text or ``"all"``, ``forecast`` the median and the interval those of
        the whole quarter so far, in currency units. The same seed gives the same numbers.
    """
    ahead = forecasts[[*ROW_KEYS, "forecast"]].assign(quarter=_quarter(forecasts["week"]))
    package = serving.package
    sums = sample_sums(
        ahead, package.backtest, panel, package.model.half_widths, BY, targets.scenarios, targets.seed
    )
    of_all = pd.concat({"all": sums.groupby(level="quarter").sum()}, names=["department"])
    sums = pd.concat([of_all, sums.rename(index=str, level="department")])

    past = panel.merge(ahead[SERIES_KEYS].drop_duplicates(), on=SERIES_KEYS)
    sold = past.assign(quarter=_quarter(past["week"]))
    sold = sold[sold["quarter"].isin(ahead["quarter"])]
    same_weeks = pd.concat([sold, ahead])[["week", "quarter"]].drop_duplicates()
    last_year = past.assign(week=past["week"] + pd.Timedelta(weeks=WEEKS_PER_YEAR)).merge(
        same_weeks, on="week"
    )
    table = pd.DataFrame(index=sums.index).assign(
        weeks=same_weeks.groupby("quarter").size().reindex(sums.index, level="quarter"),
        weeks_ahead=ahead.groupby("quarter")["week"].nunique().reindex(sums.index, level="quarter"),
        sold=_by_department(sold).reindex(sums.index).fillna(0.0),
        last_year=_by_department(last_year).reindex(sums.index).fillna(0.0),
    )
    reached = sums.add(table["sold"], axis=0)
    growth = table.index.get_level_values("department").map(
        lambda department: targets.departments.get(department, targets.growth)
    )
    table["target"] = table["last_year"] * (1 + growth)
    reaching = reached.ge(table["target"], axis=0).mean(axis=1)
    low, middle, high = (reached.quantile(q, axis=1) for q in (0.1, 0.5, 0.9))
    table = table.assign(forecast=middle, lo_80=low, hi_80=high, probability=reaching)
    return table.reset_index()[COLUMNS]


def _quarter(weeks: pd.Series[pd.Timestamp]) -> pd.Series[str]:
    """The quarter of each week's first day, such as ``2017 Q4``."""
    return weeks.dt.year.astype(str) + " Q" + weeks.dt.quarter.astype(str)


def _by_department(rows: pd.DataFrame) -> pd.Series[float]:
    """Turnover of each department and quarter, and of all departments together."""
    own = rows.assign(department=rows["department"].astype(str))
    return pd.concat([own.assign(department="all"), own]).groupby(BY)["turnover"].sum()


def tabulate_chances(target_chances: pd.DataFrame) -> Table:
    """Lay out the table of ``compare_with_targets`` for the report."""
    names = {
        "weeks_ahead": "of which ahead",
        "last_year": "last year, as sold",
        "lo_80": "80 % range from",
        "hi_80": "to",
        "probability": "chance",
    }
    shown = target_chances[COLUMNS].drop(columns="sold").rename(columns=names)
    formats = dict.fromkeys((names.get(name, name) for name in MONEY), ",.0f")
    return Table(
        shown,
        "How likely each department reaches its target (turnover.targets), from the beginning of the quarter "
        "to the last week ahead, in the stores that are forecast. What was sold is known; the range is that "
        "of the weeks ahead, which have good and bad times together.",
        formats | {"chance": ".0%"},
    )
