"""Hours of the coming weeks, as a run plans them."""

import logging
from datetime import UTC, datetime
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pandas as pd
import pytest
import yaml

from projects import REPOSITORY
from publications import WEEK, forecasts
from sales_forecast.contracts import StaffingPlan, StaffingRules
from sales_forecast.pipelines.inference.turnover_staffing import estimate_staffing_rules, plan_staffing
from sales_forecast.planning.overrides import Correction, Scope
from sales_forecast.planning.staffing import StaffingParams, StaffingRule
from sales_forecast.storage.database import ready_database, writing
from sales_forecast.storage.overrides import add
from sales_forecast.storage.overrides_dataset import RecordedOverrides

PANEL = pd.DataFrame({"store": 1, "department": [88, 127], "week": WEEK, "turnover": 100.0})
STORES = pd.DataFrame({"store": range(1, 7), "region": [*["north"] * 3, "south", None, None]})
NO_HOURS = pd.DataFrame({"store": [], "department": [], "week": [], "hours": []})


def sensible() -> pd.DataFrame:
    """Forecasts of six stores of a size that needs people."""
    rows = forecasts()
    quantiles = [name for name in rows if name.startswith("q") and name[1:].isdigit()]
    return rows.assign(**{name: 10_000 + 100.0 * float(name[1:]) for name in quantiles})


def test_the_shipped_parameters_are_the_defaults() -> None:
    text = (REPOSITORY / "conf/base/parameters/turnover.yml").read_text()
    shipped = text[text.index("  staffing:") : text.index("  # --- monitoring")]
    assert StaffingParams.model_validate(yaml.safe_load(shipped)["staffing"]) == StaffingParams()


@pytest.fixture
def overrides(tmp_path: Path) -> RecordedOverrides:
    """An empty database."""
    return RecordedOverrides(f"sqlite:///{tmp_path}/shop.db")


def planned(rules: pd.DataFrame, overrides: RecordedOverrides, retailer: str = "default") -> pd.DataFrame:
    serving: Any = SimpleNamespace(retailer=retailer)
    return plan_staffing(sensible(), rules, STORES, overrides, serving)


def test_rules_and_plan_keep_their_contracts(overrides: RecordedOverrides) -> None:
    rules = estimate_staffing_rules(NO_HOURS, PANEL, StaffingParams())
    StaffingRules.validate(rules)
    assert rules["department"].tolist() == [88, 127]
    plan = planned(rules, overrides)
    StaffingPlan.validate(plan)
    assert plan["turnover"].tolist() == pytest.approx([10_000 + 100 * 200 / 3] * 6)
    assert plan["hours"].tolist() == [120.0] * 6
    assert plan["override"].isna().all()


def test_a_run_plans_for_the_numbers_that_planners_have_recorded(overrides: RecordedOverrides) -> None:
    rules = estimate_staffing_rules(NO_HOURS, PANEL, StaffingParams())
    first = WEEK.date()
    asked = Correction(Scope(region="north"), first, first, "percent", -50.0, "weather")
    with ready_database(overrides.url) as engine, writing(engine) as connection:
        stores, now = frozenset({"1", "2"}), datetime(2017, 10, 2, tzinfo=UTC)
        made = add(connection, asked, stores, retailer="default", publication=1, who=("k", "Ann"), now=now)
    plan = planned(rules, overrides)
    StaffingPlan.validate(plan)
    assert plan["override"].tolist() == [made.id, made.id, *[pd.NA] * 4]  # store 3 came to the region later
    assert plan["hours"].tolist() == [64.0, 64.0, *[120.0] * 4]
    assert plan["model_hours"].tolist() == [120.0] * 6
    assert planned(rules, overrides, retailer="another")["override"].isna().all()


def test_a_productivity_in_other_units_is_told(
    caplog: pytest.LogCaptureFixture, overrides: RecordedOverrides
) -> None:
    params = StaffingParams(default=StaffingRule(productivity=150_000))
    with caplog.at_level(logging.WARNING):
        planned(estimate_staffing_rules(NO_HOURS, PANEL, StaffingParams()), overrides)
        assert not [record for record in caplog.records if record.name.startswith("sales_forecast.pipelines")]
        planned(estimate_staffing_rules(NO_HOURS, PANEL, params), overrides)
    assert "in 100 % of the weeks ahead the minimum cover decides" in caplog.text
