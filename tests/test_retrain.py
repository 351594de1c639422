"""``sales-forecast retrain`` in a project after a whole run on the sample."""

from datetime import UTC, datetime
from pathlib import Path

import pytest
from sqlalchemy import create_engine

from projects import Project, copy_finished
from publications import rows
from sales_forecast.storage.database import writing
from sales_forecast.storage.monitoring import record_decision

pytestmark = pytest.mark.xdist_group("retrain")


def test_all_methods_compete_when_that_is_asked_for_and_not_again(small: Project, tmp_path: Path) -> None:
    project = copy_finished(small, tmp_path / "project")
    engine = create_engine(f"sqlite:///{project.folder}/sales_forecast.db")
    (after_run,) = rows(engine, "retraining_decisions")
    assert not after_run["wanted"]
    nothing = project.command("retrain", "--if-needed")
    assert nothing.exit_code == 0
    assert "Nothing to do for default, week of 2017-09-30: all methods have competed" in nothing.output

    why = "department 88, since 2017-09-30: it fell"
    asked = {
        "retailer": "default",
        "week": after_run["week"],
        "wanted": True,
        "trigger": "level",
        "evidence": why,
    }
    with writing(engine) as connection:
        record_decision(connection, asked, datetime.now(UTC))
    dry = project.command("retrain", "--if-needed", "--dry-run")
    assert dry.output.strip() == f"All methods compete on the weeks up to 2017-09-30: {why}."
    assert len(rows(engine, "forecast_runs")) == 2  # of both domains

    done = project.command("retrain", "--if-needed")
    assert done.exit_code == 0, done.output[-3000:]
    assert "Result: version 1 serves" in done.output
    decisions = rows(engine, "retraining_decisions")
    assert [(row["wanted"], row["done_at"] is not None) for row in decisions] == [
        (False, False),
        (True, True),
        (False, False),
    ]
    assert "Nothing to do" in project.command("retrain", "--if-needed").output


def test_without_a_publication_there_is_nothing_to_compete_with(copied, tmp_path: Path) -> None:
    project = copied(tmp_path / "project")
    found = project.command("retrain")
    assert found.exit_code == 1
    assert "nothing is published yet" in found.output
