"""The two real changes of level, week by week as a retailer delivers them: seen, answered, and over."""

from collections.abc import Callable
from pathlib import Path

import pandas as pd
import pytest
from sqlalchemy import create_engine

from projects import REAL_FILES, Project, only_ridge
from publications import rows

pytestmark = [
    pytest.mark.acceptance,
    pytest.mark.xdist_group("acceptance"),
    pytest.mark.skipif(not REAL_FILES.exists(), reason=f"the real files are not in {REAL_FILES}"),
]

STORES, WEEK = 70, pd.Timedelta(weeks=1)
CHANGED = {"2016-01-09": ("73", "127"), "2017-01-07": ("73", "127")}
"""First week of each change -> departments that sold twice, or half, as much from then on."""

RECOVERED_WITHIN = 10
"""Weeks."""


def deliver(folder: Path, until: pd.Timestamp) -> Path:
    """The files as they were after a week, of the largest stores."""
    sales = pd.read_csv(REAL_FILES / "turnover/train.csv.gz")
    largest = sales.groupby("but_num_business_unit")["turnover"].sum().nlargest(STORES).index
    sales = sales[sales["but_num_business_unit"].isin(largest) & (sales["day_id"] <= f"{until:%Y-%m-%d}")]
    (folder / "turnover").mkdir(parents=True)
    sales.to_csv(folder / "turnover/train.csv.gz", index=False)
    places = pd.read_csv(REAL_FILES / "turnover/bu_feat.csv.gz")
    places[places["but_num_business_unit"].isin(largest)].to_csv(
        folder / "turnover/bu_feat.csv.gz", index=False
    )
    return folder


def alarms(project: Project, week: pd.Timestamp) -> set[str]:
    """Departments whose level is an alarm in a week, by what is on record."""
    engine = create_engine(f"sqlite:///{project.folder}/sales_forecast.db")
    signals = pd.DataFrame(rows(engine, "monitor_signals"))
    own = signals[(signals["detector"] == "level") & (signals["week"] == week.date())]
    return set(own.loc[own["state"] == "alarm", "key"])


@pytest.mark.parametrize("first", CHANGED)
def test_a_real_change_of_level_is_seen_at_once_answered_and_over(
    first: str, copied: Callable[[Path], Project], tmp_path: Path
) -> None:
    project, week = copied(tmp_path / "project"), pd.Timestamp(first)
    only_ridge(project, folds=13)
    place = deliver(tmp_path / "before", week - WEEK)
    code, output = project.run("--namespaces", "turnover", "--params", f"raw_folder={place}")
    assert code == 0, output[-3000:]
    assert not alarms(project, week - WEEK) & set(CHANGED[first])

    def refresh(week: pd.Timestamp) -> None:
        place = deliver(tmp_path / f"{week:%Y-%m-%d}", week)
        code, output = project.run("--pipelines", "refresh", "--params", f"raw_folder={place}")
        assert code == 0, output[-3000:]

    refresh(week)
    assert alarms(project, week) >= set(CHANGED[first])
    answer = project.command("retrain", "--if-needed")
    assert answer.exit_code == 0, answer.output[-3000:]
    assert "All methods compete on the weeks up to" in answer.output
    engine = create_engine(f"sqlite:///{project.folder}/sales_forecast.db")
    wanted, after = rows(engine, "retraining_decisions")[-2:]
    assert (wanted["trigger"], wanted["wanted"]) == ("level", True)
    assert wanted["done_at"] is not None
    assert wanted["result"].startswith("version ")
    assert not after["wanted"]
    calm = 0
    while calm < 2:
        week += WEEK
        assert week < pd.Timestamp(first) + RECOVERED_WITHIN * WEEK, "the alarm does not end"
        refresh(week)
        calm = calm + 1 if not alarms(project, week) & set(CHANGED[first]) else 0
