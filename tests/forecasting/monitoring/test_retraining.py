"""When all methods should compete again, on histories of signals made by hand."""

import pandas as pd
import pytest

from sales_forecast.forecasting.monitoring.retraining import (
    Decision,
    RetrainingParams,
    Trigger,
    decide_retraining,
)
from sales_forecast.forecasting.monitoring.signals import Detector, State

WEEK = pd.Timestamp("2020-06-06")
PARAMS = RetrainingParams()


def back(weeks: int) -> pd.Timestamp:
    return WEEK - pd.Timedelta(weeks=weeks)


def signal(
    detector: Detector, state: State, since: int | None = 0, key: str = "20", evidence: str = "it fell"
) -> dict[str, object]:
    begun = None if since is None else back(since)
    return {
        "week": WEEK,
        "detector": detector.value,
        "key": key,
        "value": 5.0,
        "threshold": 4.0,
        "state": state.value,
        "since": begun,
        "evidence": evidence,
    }


def earlier(*decisions: tuple[int, bool, Trigger | None]) -> pd.DataFrame:
    """Decisions so many weeks ago, all of which were answered at once."""
    rows = [(back(weeks), wanted, trigger, "told", back(weeks)) for weeks, wanted, trigger in decisions]
    return pd.DataFrame(rows, columns=["week", "wanted", "trigger", "evidence", "done_at"])


def decide(
    *signals: dict[str, object], judged: int | None = 1, before: pd.DataFrame | None = None
) -> Decision:
    rows = pd.DataFrame(
        [
            one | {"week": week}
            for one in signals or [signal(Detector.LEVEL, State.CALM, None)]
            for week in pd.date_range(one["since"] or WEEK, WEEK, freq="7D")
        ]
    )
    last = None if judged is None else back(judged)
    return decide_retraining(rows, WEEK, last, earlier() if before is None else before, PARAMS)


def test_four_weeks_are_an_age_and_three_are_none() -> None:
    assert decide(judged=3) == Decision(
        False, None, "nothing asks for it; all methods competed 3 week(s) ago"
    )
    assert (decide(judged=4).wanted, decide(judged=4).trigger) == (True, Trigger.AGE)
    assert not decide(judged=None).wanted


def test_nothing_is_wanted_twice_for_the_same_weeks() -> None:
    assert not decide(signal(Detector.LEVEL, State.ALARM), judged=0).wanted


def test_a_level_alarm_is_answered_at_once_and_again_two_weeks_later() -> None:
    alarm = signal(Detector.LEVEL, State.ALARM, since=0)
    assert decide(alarm) == Decision(True, Trigger.LEVEL, "department 20, since 2020-06-06: it fell")
    lasting = signal(Detector.LEVEL, State.ALARM, since=2)
    first = (2, True, Trigger.LEVEL)
    assert not decide(
        signal(Detector.LEVEL, State.ALARM, since=1), before=earlier((1, True, Trigger.LEVEL))
    ).wanted
    assert decide(lasting, before=earlier(first)).wanted
    third = signal(Detector.LEVEL, State.ALARM, since=9)
    answered = earlier((9, True, Trigger.LEVEL), (7, True, Trigger.LEVEL))
    assert not decide(third, before=answered).wanted


def test_an_alarm_that_nobody_answered_is_answered_late() -> None:
    assert decide(signal(Detector.LEVEL, State.ALARM, since=3)).trigger == Trigger.LEVEL


def test_a_warning_of_a_level_and_all_of_stores_and_features_ask_for_nothing() -> None:
    quiet = [signal(Detector.LEVEL, State.WARNING), signal(Detector.STORE, State.WARNING)]
    assert not decide(*quiet).wanted


def test_a_growing_error_is_answered_once() -> None:
    warning = signal(Detector.ACCURACY, State.WARNING, since=3)
    assert decide(warning).trigger == Trigger.ACCURACY
    assert not decide(warning, before=earlier((2, True, Trigger.AGE))).wanted


@pytest.mark.parametrize(("weeks", "wanted"), [((3, 1), False), ((6, 4), True), ((4, 3), True)])
def test_alarms_bring_at_most_two_in_four_weeks(weeks: tuple[int, int], wanted: bool) -> None:
    alarm = signal(Detector.LEVEL, State.ALARM, since=0, key="30")
    before = earlier(*((number, True, Trigger.LEVEL) for number in weeks))
    decision = decide(alarm, before=before)
    assert decision.wanted is wanted
    assert wanted or "held back: 2 after alarms in 4 weeks" in decision.evidence


def test_what_nobody_has_answered_is_asked_again_and_counts_once() -> None:
    before = earlier((2, True, Trigger.LEVEL), (1, True, Trigger.LEVEL))
    unanswered = before.assign(done_at=pd.NaT, evidence=["it fell", "it fell"])
    told = "it fell; asked for since the week of 2020-05-23"
    assert decide(before=unanswered) == Decision(True, Trigger.LEVEL, told)
    assert decide(before=unanswered.assign(evidence=told)).evidence == told
    together = before.assign(done_at=back(1))
    assert decide(signal(Detector.LEVEL, State.ALARM, since=0, key="30"), before=together).wanted


def test_a_warning_before_an_alarm_does_not_count_as_answered() -> None:
    weeks = [
        (back(3), State.WARNING),
        (back(2), State.WARNING),
        (back(1), State.WARNING),
        (WEEK, State.ALARM),
    ]
    rows = pd.DataFrame([signal(Detector.LEVEL, state, 3) | {"week": week} for week, state in weeks])
    others = earlier((3, True, Trigger.LEVEL), (2, True, Trigger.LEVEL))
    few = PARAMS.model_copy(update={"alarms_in_weeks": 1})
    decision = decide_retraining(rows, WEEK, back(1), others, few)
    assert decision == Decision(True, Trigger.LEVEL, "department 20, since 2020-06-06: it fell")
