"""What an A/B experiment has shown: both arms' answers beside what was sold since."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import pandas as pd
from sqlalchemy import Engine

from sales_forecast.forecasting.errors import InputError
from sales_forecast.forecasting.sequential import Look, follow, verdict
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
    """Compare the newest pair of versions that have answered side by side.

    Each series and week counts once: as it was first answered. Both arms were asked the same, whoever's
    answer the caller saw, so the comparison is a paired one.

    Args:
        engine: Of an up-to-date database.
        ab: Planned weeks, error probability and draws.
        since: Answers before it do not count.

    Raises:
        InputError: There was no experiment, or no turnover of its weeks has arrived.
    """
    with engine.connect() as connection:
        answers = pd.DataFrame(
            [row for answer in audit.read(connection, since) for row in _both_arms(answer)],
            columns=["at", *ASKED, "method", "version", "forecast"],
        )
        if answers.empty:
            raise InputError(
                "no request was answered by two arms; set ab.challenger_share in service.yml, and serve"
            )
        sold = pd.DataFrame(turnover_since(connection, answers["week"].min()), columns=[*ASKED, "turnover"])
    versions = answers.pivot_table(index=["at", *ASKED], columns="method", values="version", aggfunc="first")
    side_by_side = versions.dropna()
    if side_by_side.empty:
        raise InputError("the two arms forecast different weeks, so they cannot be compared; refit the older")
    pair = side_by_side.iloc[-1]
    same = (versions == pair).all(axis=1)
    mine = answers[same.reindex(pd.MultiIndex.from_frame(answers[["at", *ASKED]])).to_numpy(dtype=bool)]
    first = mine.drop_duplicates([*ASKED, "method"])
    known = first.merge(sold, on=ASKED).assign(week=lambda rows: pd.to_datetime(rows["week"]))
    looks = follow(known[[*ASKED, "method", "forecast", "turnover"]], ab)
    title = f"WAPE: champion version {pair[CHAMPION]}, challenger version {pair[CHALLENGER]}"
    return Experiment(title, looks, _words(looks, ab, str(pair[CHALLENGER])))


def _both_arms(answer: dict[str, Any]) -> Iterator[tuple[Any, ...]]:
    """A row an arm, week and series; nothing of answers without a second arm, or to a what-if."""
    if answer["other_output"] is None or answer["arm"] not in (CHAMPION, CHALLENGER):
        return
    if any(len(series) > len(("store", "department")) for series in answer["input"]["series"]):
        return
    for rows in (answer["output"], answer["other_output"]):
        for row in (row for series in rows for row in series):
            week = datetime.fromisoformat(row["week"]).date()
            yield (
                answer["at"],
                row["store"],
                row["department"],
                week,
                row["arm"],
                row["model_version"],
                row["forecast"],
            )


def _words(looks: list[Look], ab: ABSettings, challenger: str) -> str:
    found = verdict(looks, ab)
    advice = {
        "challenger is better": f"Let it serve: sales-forecast models promote turnover {challenger}",
        "champion is better": "Stop asking the challenger: ab.challenger_share: 0 in service.yml.",
        "no difference found": "The planned weeks are over. Keep the champion.",
        "go on": f"{len(looks)} of {ab.planned_weeks} weeks have arrived.",
    }
    return f"{found[0].upper()}{found[1:]}. {advice[found]}"
