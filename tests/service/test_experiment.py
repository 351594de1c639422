"""Comparison of both arms of an experiment, over deliveries that refit them."""

import re
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from types import SimpleNamespace
from typing import Any

import numpy as np
import pandas as pd
import pytest
from sqlalchemy import Engine, insert, update

from sales_forecast.errors import InputError
from sales_forecast.service.experiment import Experiment, compare_arms, plan_experiment
from sales_forecast.service.settings import ABSettings
from sales_forecast.storage import audit
from sales_forecast.storage.audit_chain import AuditChain, Signer
from sales_forecast.storage.database import writing
from sales_forecast.storage.schema import weekly_turnover

pytestmark = pytest.mark.xdist_group("database")

MONDAY = datetime(2017, 10, 2, 9, tzinfo=UTC)
FIRST = date(2017, 10, 7)
AB = ABSettings(challenger_share=0.5, salt="shop", planned_weeks=2, alpha=0.05)


def prediction(
    arm: str, version: str, store: str, week: date, horizon: int, forecast: float
) -> dict[str, Any]:
    return {
        "store": store,
        "department": "88",
        "week": f"{week}",
        "horizon": horizon,
        "forecast": forecast,
        "arm": arm,
        "model_version": version,
    }


def recorded(
    at: datetime, versions: tuple[str, str], store: str, week: date, horizons: tuple[int, int] = (1, 1)
) -> audit.AuditRecord:
    """The champion forecasts twice the turnover, the challenger the turnover itself."""
    champion = prediction("champion", versions[0], store, week, horizons[0], 200.0)
    challenger = prediction("challenger", versions[1], store, week, horizons[1], 100.0)
    return audit.AuditRecord(
        request_id=f"{at:%d%H} {store} {horizons}",
        arm="champion",
        at=at,
        key_id="k",
        endpoint="/v1/turnover/predict",
        model_name="sales_forecast.turnover",
        model_version=versions[0],
        input={"series": [{"store": store, "department": "88"}]},
        output=[[champion]],
        other_output=[[challenger]],
        latency_ms=1.0,
    )


def shop(engine: Engine, records: list[audit.AuditRecord], weeks: int) -> None:
    sold = [
        {"store": f"{store}", "department": "88", "week": FIRST + timedelta(weeks=week), "turnover": 100.0}
        for store in range(6)
        for week in range(weeks)
    ]
    with writing(engine) as connection:
        AuditChain(Signer(), "test").append(connection, records)
        connection.execute(insert(weekly_turnover), sold)


def two_deliveries(engine: Engine, weeks: int = 2) -> Experiment:
    """Each Monday's run refits both models, so both get a new version."""
    later, second = MONDAY + timedelta(weeks=1), FIRST + timedelta(weeks=1)
    records = [recorded(MONDAY, ("1", "2"), f"{store}", FIRST) for store in range(6)]
    records += [recorded(later, ("3", "4"), f"{store}", second) for store in range(6)]
    shop(engine, records, weeks)
    return compare_arms(engine, AB, None)


def test_versions_of_an_arm_are_one_arm(engine: Engine) -> None:
    found = two_deliveries(engine)
    assert [look.stores for look in found.looks] == [6, 6]
    assert [look.champion for look in found.looks] == pytest.approx([1, 1])
    assert [look.challenger for look in found.looks] == [0, 0]
    assert "champion (version 1, 3), challenger (version 2, 4)" in found.title
    assert found.conclusion.endswith("sales-forecast models promote turnover 4")


def test_weeks_without_turnover_wait(engine: Engine) -> None:
    assert len(two_deliveries(engine, weeks=1).looks) == 1


def test_predictions_with_other_horizons_are_not_compared(engine: Engine) -> None:
    shop(engine, [recorded(MONDAY, ("1", "2"), "1", FIRST, horizons=(1, 2))], 1)
    with pytest.raises(InputError, match="no request was answered by two arms as many weeks ahead"):
        compare_arms(engine, AB, None)


def test_a_week_counts_as_it_was_first_predicted(engine: Engine) -> None:
    records = [recorded(MONDAY, ("1", "2"), f"{store}", FIRST) for store in range(6)]
    records += [recorded(MONDAY + timedelta(hours=1), ("8", "9"), f"{store}", FIRST) for store in range(6)]
    shop(engine, records, 1)
    assert "version 1), challenger (version 2)" in compare_arms(engine, AB, None).title
    assert (
        "version 8), challenger (version 9)" in compare_arms(engine, AB, MONDAY + timedelta(minutes=1)).title
    )


def test_an_experiment_compares_the_arms_of_one_retailer(engine: Engine) -> None:
    """Both have stores 0 to 5; turnover has arrived of the default one alone."""
    own = [recorded(MONDAY, ("1", "2"), f"{store}", FIRST) for store in range(6)]
    harbour = [
        replace(one, request_id=f"h{one.request_id}", model_name="sales_forecast.turnover.harbour")
        for one in own
    ]
    shop(engine, harbour, 1)
    with pytest.raises(InputError, match="no request was answered by two arms"):
        compare_arms(engine, AB, None)
    with pytest.raises(InputError, match="no turnover of the experiment's weeks has arrived"):
        compare_arms(engine, AB, None, "harbour")
    with writing(engine) as connection:
        AuditChain(Signer(), "test").append(connection, own)
    (look,) = compare_arms(engine, AB, None).looks
    assert look.stores == 6


def test_the_advice_names_the_retailer(engine: Engine) -> None:
    records = [
        replace(recorded(MONDAY, ("1", "2"), f"{store}", week), model_name="sales_forecast.turnover.harbour")
        for store in range(6)
        for week in (FIRST, FIRST + timedelta(weeks=1))
    ]
    shop(engine, [replace(one, request_id=f"{number}") for number, one in enumerate(records)], 2)
    with writing(engine) as connection:
        connection.execute(update(weekly_turnover).values(retailer="harbour"))
    found = compare_arms(engine, AB, None, "harbour")
    assert found.conclusion.endswith("sales-forecast models promote turnover 2 --retailer harbour")


def _package(error: float, seed: int) -> SimpleNamespace:
    """A package whose backtest is off by so much in twenty weeks apart, in each by chance."""
    cutoffs = pd.date_range("2015-01-03", periods=20, freq="8W-SAT")
    rows = pd.MultiIndex.from_product([cutoffs, range(6), [88]], names=["cutoff", "store", "department"])
    shock = error + np.random.default_rng(seed).normal(0, 2, len(cutoffs)).repeat(6)
    backtest = rows.to_frame(index=False).assign(turnover=100.0, forecast=100 + shock)
    return SimpleNamespace(backtest=backtest.assign(week=backtest["cutoff"] + pd.Timedelta(weeks=1)))


def test_before_an_experiment_it_is_known_how_long_a_difference_takes() -> None:
    ten = AB.model_copy(update={"planned_weeks": 10})
    words = plan_experiment(_package(20, 1), _package(20, 2), ten)
    found = re.match(r"A difference of 2% of the champion's WAPE \((.*) points\) takes (\d+) weeks", words)
    assert found
    assert float(found[1]) == pytest.approx(0.4, abs=0.02)
    assert 30 < int(found[2]) < 500
    assert words.endswith("ab.planned_weeks is 10, which is too few: raise it, or expect no result.")
    long = AB.model_copy(update={"planned_weeks": 500})
    assert plan_experiment(_package(20, 1), _package(20, 2), long).endswith("which is enough.")
    assert "nothing to see" in plan_experiment(_package(20, 1), _package(20, 1), ten)
    late = _package(20, 1)
    late.backtest["cutoff"] += pd.Timedelta(weeks=1)
    with pytest.raises(InputError, match="backtested on no common window"):
        plan_experiment(_package(20, 1), late, ten)
