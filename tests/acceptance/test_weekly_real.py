"""Four weeks of the real files, one of which comes as zeros first; the only method repeats last year."""

from collections.abc import Callable
from pathlib import Path

import pandas as pd
import pytest
from benchmarks.dirty_deliveries import zero_week
from sqlalchemy import create_engine

from projects import REAL_FILES, Project, only_last_year
from publications import rows
from sales_forecast.forecasting.panel.matrix import ROW_KEYS

pytestmark = [
    pytest.mark.acceptance,
    pytest.mark.xdist_group("acceptance"),
    pytest.mark.skipif(not REAL_FILES.exists(), reason=f"the real files are not in {REAL_FILES}"),
]

ENDS = ["2017-09-09", "2017-09-16", "2017-09-23", "2017-09-30"]
WEEK, YEAR = pd.Timedelta(weeks=1), pd.Timedelta(weeks=52)


def deliver(folder: Path, sales: pd.DataFrame) -> Path:
    (folder / "turnover").mkdir(parents=True)
    (folder / "turnover/bu_feat.csv.gz").symlink_to(REAL_FILES / "turnover/bu_feat.csv.gz")
    sales.to_csv(folder / "turnover/train.csv.gz", index=False)
    return folder


def test_four_weeks_are_published_as_last_year_says_and_the_zeros_are_held(
    copied: Callable[[Path], Project], tmp_path: Path
) -> None:
    project = copied(tmp_path / "project")
    only_last_year(project)
    sales = pd.read_csv(REAL_FILES / "turnover/train.csv.gz")
    for number, end in enumerate(ENDS):
        until = sales[sales["day_id"] <= end]
        if number == 2:
            zeros = zero_week(until.rename(columns={"day_id": "week"})).rename(columns={"week": "day_id"})
            place = deliver(tmp_path / "zeros", zeros)
            code, output = project.run("--pipelines", "refresh", "--params", f"raw_folder={place}")
            assert code == 1
            assert "is held, and what serves goes on as it was" in output
        place = deliver(tmp_path / end, until)
        stage = ("--pipelines", "refresh") if number else ("--namespaces", "turnover")
        code, output = project.run(*stage, "--params", f"raw_folder={place}")
        assert code == 0, output[-3000:]
    engine = create_engine(f"sqlite:///{project.folder}/sales_forecast.db")
    runs, forecasts = rows(engine, "forecast_runs"), pd.DataFrame(rows(engine, "forecasts"))
    assert [f"{run['cutoff']}" for run in runs] == ENDS
    panel = pd.read_parquet(project.path("03_primary/turnover/panel.parquet"))
    panel = panel.astype({"store": str, "department": str})
    for run in runs:
        last = pd.Timestamp(run["cutoff"])
        ahead = panel.assign(week=panel["week"] + YEAR)
        wanted = ahead[ahead["week"].between(last + WEEK, last + 8 * WEEK)].dropna(subset="turnover")
        made = forecasts[forecasts["run"] == run["id"]].assign(week=lambda made: pd.to_datetime(made["week"]))
        both = made.merge(wanted, on=ROW_KEYS)
        assert len(both) > 0.95 * len(made) > 9_000
        pd.testing.assert_series_equal(both["forecast"], both["turnover"].clip(lower=0), check_names=False)
    scored = pd.DataFrame(rows(engine, "realised_accuracy"))
    assert scored.groupby("week")["horizon"].max().tolist() == [1, 2, 3]
    assert project.command("ledger", "verify").exit_code == 0
