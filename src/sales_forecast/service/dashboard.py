"""What the page of the service shows, from the database alone: the monitoring, and what is published."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, datetime, timedelta

import pandas as pd
from sqlalchemy import Connection, RowMapping, func, select

from sales_forecast.deliveries.delivery import BY_RULE
from sales_forecast.reporting import Chart, Section, Table, Text
from sales_forecast.reporting.monitoring import (
    SPAN_WEEKS,
    draw_accuracy,
    draw_levels,
    monitoring_section,
    what_to_do,
)
from sales_forecast.service.model_manager import DOMAINS
from sales_forecast.storage import schema
from sales_forecast.storage.accuracy import accuracy
from sales_forecast.storage.deliveries import newest_decision
from sales_forecast.storage.monitoring import read_decisions, read_signals
from sales_forecast.storage.queries import Run, newest_run
from sales_forecast.storage.rows import RowFilter, filtered_rows
from sales_forecast.storage.scores import SERIES, SUMS, rates

SHOWN = 5
"""Number of planner exceptions and of decisions that are listed."""

RECENT_WEEKS = 8
NOTHING_PUBLISHED = "No forecasts are published yet. Make some: **kedro run**"


@dataclass(frozen=True)
class Dashboard:
    """Content of the page.

    Args:
        run: Newest publication of turnover; None before the first one.
        sections: Name of the anchor -> section, in reading order.
    """

    run: Run | None
    sections: dict[str, Section]


def read_dashboard(connection: Connection, retailer: str, now: datetime, old_after_days: float) -> Dashboard:
    """Read what the page shows.

    Args:
        connection: Connection to the database.
        retailer: Whose forecasts are served.
        now: Present time.
        old_after_days: Age from which on forecasts are called old.
    """
    run = newest_run(connection, "turnover", retailer=retailer)
    published = _published(connection, run, retailer, now, old_after_days)
    if run is None:
        return Dashboard(None, {"published": published})
    decisions = read_decisions(connection, retailer)
    sections = {
        "monitoring": _monitoring(connection, retailer, decisions),
        "accuracy": _accuracy(connection, retailer),
        "published": published,
        "exceptions": _exceptions(connection, run),
        "retraining": _retraining(decisions),
    }
    return Dashboard(run, sections)


def _monitoring(connection: Connection, retailer: str, decisions: pd.DataFrame) -> Section:
    signals = read_signals(connection, retailer)
    if len(signals):
        first: date = signals["week"].max() - timedelta(weeks=SPAN_WEEKS)
        signals = read_signals(connection, retailer, first)
    signals = signals.assign(week=pd.to_datetime(signals["week"]))
    to_do = "**To do:** nothing is decided yet."
    if len(decisions):
        last = decisions.iloc[-1]
        to_do = what_to_do(last["result"] or last["evidence"], wanted=last["wanted"] and not last["result"])
    return monitoring_section("Is the forecast still right", signals, draw_levels(signals), to_do)


def _accuracy(connection: Connection, retailer: str) -> Section:
    title = "How right it was, week by week"
    lead = "Each week against what was published for it a week ahead."
    sums = accuracy(connection, retailer, SERIES, horizon=1)
    if sums.empty:
        words = "No week has come since the first forecasts were published; the next delivery brings one."
        return Section(title, lead, blocks=(Text(words),))
    weeks = pd.concat([sums.assign(week=pd.to_datetime(sums["week"])), rates(sums)], axis=1)
    last_year = weeks[weeks["week"] > weeks["week"].max() - timedelta(weeks=SPAN_WEEKS)]
    recent = last_year.tail(RECENT_WEEKS)
    (mean,) = rates(recent[SUMS].sum().to_frame().T).to_dict("records")
    told = {
        "the error (WAPE) was **{:.1%}** of turnover": mean["wape"],
        "the bias **{:+.1%}**": mean["bias"],
        "**{:.0%}** of what came was inside the 80 % ranges": mean["coverage_80"],
        "**{:.0%}** of the error of seasonal naive was avoided": mean["forecast_value_added"],
    }
    parts = [words.format(value) for words, value in told.items() if pd.notna(value)]
    answers = (f"In the last {len(recent)} week(s): {'; '.join(parts)}.",) if parts else ()
    caption = "A point is a week. The last panel is the forecast value added."
    return Section(title, lead, answers, (Chart(draw_accuracy(last_year), caption),))


def _published(
    connection: Connection, run: Run | None, retailer: str, now: datetime, old_after_days: float
) -> Section:
    delivery = newest_decision(connection, retailer)
    answers = [NOTHING_PUBLISHED if run is None else _tell_run(run, now, old_after_days)]
    if delivery is not None:
        answers.append(_tell_delivery(delivery))
    rows = [
        _model_row(connection, found, now)
        for domain in DOMAINS
        if (found := newest_run(connection, domain, retailer=retailer))
    ]
    caption = "The models behind the published forecasts; times are UTC."
    blocks = (Table(pd.DataFrame(rows), caption),) if rows else ()
    lead = "Which forecasts are served, and which files came last."
    return Section("Publication, delivery and models", lead, tuple(answers), blocks)


def _tell_run(run: Run, now: datetime, old_after_days: float) -> str:
    old = now - run.made_at > timedelta(days=old_after_days)
    delivery = f", from delivery {run.delivery}" if run.delivery else ""
    return (
        f"**{'Old' if old else 'Published'}:** publication {run.id}, made {run.made_at:%Y-%m-%d %H:%M} UTC "
        f"({_age(run.made_at, now)}) by version {run.model_version} of {run.model_name}, knows the weeks up "
        f"to {run.cutoff or 'one that was not kept'}{delivery}."
    )


def _tell_delivery(delivery: RowMapping) -> str:
    state, findings = delivery["state"], delivery["findings"]
    who = "the checks" if delivery["who"] == BY_RULE else f"{delivery['who']} ({delivery['why']})"
    told = f"{state} {delivery['at']:%Y-%m-%d %H:%M} UTC by {who}, weeks up to {delivery['last_week'] or '-'}"
    found = f"; {len(findings)} finding(s), the first: {findings[0]['text']}" if findings else ""
    emphasis = "Delivery" if state == "accepted" else f"Delivery {state}"
    return f"**{emphasis}:** {delivery['id']}, {told}{found}."


def _model_row(connection: Connection, run: Run, now: datetime) -> dict[str, object]:
    models, changes = schema.models, schema.champion_changes
    own = (models.c.name == run.model_name) & (models.c.version == run.model_version)
    made_at = connection.execute(select(models.c.made_at).where(own)).scalar()
    serves = (changes.c.name == run.model_name) & (changes.c.version == run.model_version)
    since = connection.execute(select(func.max(changes.c.happened_at)).where(serves)).scalar()
    return {
        "forecasts of": run.domain,
        "version": run.model_version,
        "fitted": _minute(made_at),
        "age": _age(made_at, now) if made_at else "-",
        "serves since": _minute(since),
        "published": _minute(run.made_at),
    }


def _exceptions(connection: Connection, run: Run) -> Section:
    rows, total = filtered_rows(connection, schema.planner_exceptions, run, RowFilter(), SHOWN, 0)
    title, lead = "For planners", f"The most urgent of {total} series that deserve a planner's eye."
    if not rows:
        return Section(title, "No series of this publication deserves a planner's eye.")
    columns = {
        "store": [row["store"] for row in rows],
        "department": [row["department"] for row in rows],
        "money at risk": [row["money_at_risk"] for row in rows],
        "kind": [row["kind"].replace("_", " ") for row in rows],
        "why": [row["reason"] for row in rows],
    }
    caption = "All of them: sales-forecast exceptions, or the planner sheet."
    return Section(title, lead, blocks=(Table(pd.DataFrame(columns), caption, {"money at risk": ",.0f"}),))


def _retraining(decisions: pd.DataFrame) -> Section:
    title = "When all methods compete again"
    if decisions.empty:
        return Section(title, "Nothing is decided yet.")
    last = decisions.tail(SHOWN)[::-1]
    columns = {
        "compete": last["wanted"].map(lambda wanted: "yes" if wanted else "no"),
        "why": last["evidence"],
        "result": [
            result or ("not done yet" if wanted else "-")
            for wanted, result in zip(last["wanted"], last["result"], strict=True)
        ],
        "week": last["week"].astype(str),
        "decided (UTC)": last["at"].map(_minute),
    }
    lead = "Between two competitions, each delivery fits the method that serves on the newest weeks."
    return Section(title, lead, blocks=(Table(pd.DataFrame(columns), "The last decisions, newest first."),))


def _minute(moment: datetime | None) -> str:
    return f"{moment:%Y-%m-%d %H:%M}" if moment else "-"


def _age(moment: datetime, now: datetime) -> str:
    days = (now - moment).days
    return "today" if days < 1 else f"{days} day{'s' if days > 1 else ''} ago"
