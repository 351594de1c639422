"""When all methods should compete again on newer data.

Between two such decisions each refresh fits the method that serves on the newest weeks; which method serves,
and what its intervals rest on, only a whole run decides. The policy was chosen by replaying two years, see
docs/benchmarks.md.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

import pandas as pd
from pydantic import BaseModel, Field

from sales_forecast.forecasting.monitoring.signals import Detector, State

WEEK = pd.Timedelta(weeks=1)

SINCE = "; asked for since the week of "


class Trigger(StrEnum):
    """Why all methods should compete again; the first one that is true is told."""

    AGE = "age"
    LEVEL = "level"
    ACCURACY = "accuracy"


ALARMS = (Trigger.LEVEL, Trigger.ACCURACY)
"""Triggers that may not come too often."""


class RetrainingParams(BaseModel, frozen=True, extra="forbid"):
    """When all methods should compete again."""

    age_weeks: int | None = Field(default=4, gt=0)
    """So many weeks after the last competition; None: only after alarms."""

    again_after_weeks: int = Field(default=2, gt=0)
    """A level alarm that lasts so long brings a second one, which knows more of the new level."""

    alarms_at_most: int = Field(default=2, gt=0)
    """So many after alarms, in ``alarms_in_weeks``."""

    alarms_in_weeks: int = Field(default=4, gt=0)


@dataclass(frozen=True)
class Decision:
    """Whether all methods should compete again.

    Args:
        wanted: Whether they should.
        trigger: Why; None where nothing asks for it. One that nobody has answered is asked again.
        evidence: In words, also what holds a trigger back.
    """

    wanted: bool
    trigger: str | None
    evidence: str


def decide_retraining(
    signals: pd.DataFrame,
    week: pd.Timestamp,
    judged: pd.Timestamp | None,
    earlier: pd.DataFrame,
    params: RetrainingParams,
) -> Decision:
    """Decide after a week has come.

    Args:
        signals: Of all weeks, as ``find_signals`` returns them. Only levels and accuracy count: what features
            look like is no reason.
        week: The week.
        judged: Last week that all methods have competed on; None if they never have.
        earlier: ``week, wanted, trigger, evidence, done_at`` of the decisions before, oldest first.
        params: The policy.
    """
    if judged is not None and week <= judged:
        return Decision(False, None, f"all methods have competed on the weeks up to {judged:%Y-%m-%d}")
    now = signals[signals["week"] == week]
    asked = earlier[earlier["wanted"].astype(bool)]
    unanswered = asked[asked["done_at"].isna()]
    if len(unanswered):
        first = unanswered.iloc[0]
        evidence = str(first["evidence"]).partition(SINCE)[0]
        return Decision(True, first["trigger"], f"{evidence}{SINCE}{first['week']:%Y-%m-%d}")
    wanted = asked.drop_duplicates("done_at")
    found = (
        _by_age(week, judged, params) or _by_level(signals, week, wanted, params) or _by_accuracy(now, wanted)
    )
    if found is None:
        age = "" if judged is None else f"; all methods competed {_weeks(judged, week)} week(s) ago"
        return Decision(False, None, f"nothing asks for it{age}")
    trigger, evidence = found
    recent = wanted[wanted["trigger"].isin(ALARMS) & (wanted["week"] > week - params.alarms_in_weeks * WEEK)]
    if trigger in ALARMS and len(recent) >= params.alarms_at_most:
        held = f"held back: {len(recent)} after alarms in {params.alarms_in_weeks} weeks"
        return Decision(False, trigger, f"{evidence}; {held}")
    return Decision(True, trigger, evidence)


def _by_age(
    week: pd.Timestamp, judged: pd.Timestamp | None, params: RetrainingParams
) -> tuple[Trigger, str] | None:
    if params.age_weeks is None or judged is None or _weeks(judged, week) < params.age_weeks:
        return None
    return Trigger.AGE, f"{_weeks(judged, week)} weeks have come since all methods competed"


def _by_level(
    signals: pd.DataFrame, week: pd.Timestamp, wanted: pd.DataFrame, params: RetrainingParams
) -> tuple[Trigger, str] | None:
    """At once, and once more if the alarm lasts; a warning before it counts for nothing."""
    levels = signals[(signals["detector"] == Detector.LEVEL) & (signals["week"] <= week)]
    now = levels[(levels["week"] == week) & (levels["state"] == State.ALARM)]
    for _, alarm in now.iterrows():
        own = levels[levels["key"] == alarm["key"]]
        quiet = own.loc[own["state"] != State.ALARM, "week"].max()
        since = own["week"].min() if pd.isna(quiet) else quiet + WEEK
        answers = wanted[(wanted["trigger"] == Trigger.LEVEL) & (wanted["week"] >= since)]
        lasts = len(answers) == 1 and _weeks(answers["week"].iloc[-1], week) >= params.again_after_weeks
        if answers.empty or lasts:
            told = f"department {alarm['key']}, since {since:%Y-%m-%d}: {alarm['evidence']}"
            return Trigger.LEVEL, told
    return None


def _by_accuracy(now: pd.DataFrame, wanted: pd.DataFrame) -> tuple[Trigger, str] | None:
    """Once in each episode."""
    warnings = now[(now["detector"] == Detector.ACCURACY) & (now["state"] != State.CALM)]
    for _, warning in warnings.iterrows():
        since = pd.Timestamp(warning["since"])
        if wanted[wanted["week"] >= since].empty:
            return Trigger.ACCURACY, f"department {warning['key']}: {warning['evidence']}"
    return None


def _weeks(first: pd.Timestamp, last: pd.Timestamp) -> int:
    return int((last - first) / WEEK)
