"""What an A/B experiment has shown: both arms' answers beside what was sold since."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import pandas as pd
from sqlalchemy import Engine

from sales_forecast.errors import InputError
from sales_forecast.forecasting.evaluation.group_sequential import Look, analyse, verdict
from sales_forecast.registry.store import CHALLENGER, CHAMPION
from sales_forecast.service.settings import ABSettings
from sales_forecast.storage import audit
from sales_forecast.storage.queries import turnover_since

ASKED = ["store", "department", "week"]


@dataclass(frozen=True)
class Experiment:
    """Where an experiment stands.

    Args:
        title: Which versions.
        looks: One a week whose turnover has arrived.
        words: Whether it may stop, and what to do.
    """

    title: str
    looks: list[Look]
    words: str


def compare_arms(engine: Engine, ab: ABSettings, since: datetime | None) -> Experiment:
    """Compare champion and challenger, whichever versions they were: each delivery refits them.

    Each series and week counts once, as it was first answered by both. Both were asked the same, whoever's
    answer the caller saw, so the comparison is a paired one.

    Args:
        engine: Of an up-to-date database.
        ab: Planned weeks, error probability and draws.
        since: Answers before it do not count.

    Raises:
        InputError: There was no experiment, or no turnover of its weeks has arrived.
    """
    with engine.connect() as connection:
        recorded = audit.read(connection, since, two_arms=True)
        answers = pd.DataFrame(
            [row for answer in recorded for row in _both_arms(answer)],
            columns=[*ASKED, "method", "version", "forecast"],
        )
        if answers.empty:
            raise InputError(
                "no request was answered by two arms as many weeks ahead; set ab.challenger_share in "
                "service.yml, and serve"
            )
        sold = pd.DataFrame(turnover_since(connection, answers["week"].min()), columns=[*ASKED, "turnover"])
    first = answers.drop_duplicates([*ASKED, "method"])
    known = first.merge(sold, on=ASKED).assign(week=lambda rows: pd.to_datetime(rows["week"]))
    looks = analyse(known[[*ASKED, "method", "forecast", "turnover"]], ab)
    versions = {name: list(rows["version"].unique()) for name, rows in first.groupby("method")}
    named = {name: ", ".join(numbers) for name, numbers in versions.items()}
    title = f"WAPE: champion (version {named[CHAMPION]}), challenger (version {named[CHALLENGER]})"
    return Experiment(title, looks, _words(looks, ab, versions[CHALLENGER][-1]))


def _both_arms(answer: dict[str, Any]) -> Iterator[tuple[Any, ...]]:
    """Two rows a week and series that both saw from as far away; nothing of a what-if."""
    if any(len(series) > len(("store", "department")) for series in answer["input"]["series"]):
        return
    own, others = (_by_question(answer[said]) for said in ("output", "other_output"))
    for key in (key for key in own if key in others):
        for row in (own[key], others[key]):
            week = datetime.fromisoformat(row["week"]).date()
            yield row["store"], row["department"], week, row["arm"], row["model_version"], row["forecast"]


def _by_question(said: list[list[dict[str, Any]]]) -> dict[tuple[Any, ...], dict[str, Any]]:
    asked = ("store", "department", "week", "horizon")
    return {tuple(row[name] for name in asked): row for series in said for row in series}


def _words(looks: list[Look], ab: ABSettings, challenger: str) -> str:
    found = verdict(looks, ab)
    advice = {
        "challenger is better": f"Let it serve: sales-forecast models promote turnover {challenger}",
        "champion is better": "Stop asking the challenger: ab.challenger_share: 0 in service.yml.",
        "no difference found": "The planned weeks are over. Keep the champion.",
        "go on": f"{len(looks)} of {ab.planned_weeks} weeks have arrived.",
    }
    return f"{found[0].upper()}{found[1:]}. {advice[found]}"
