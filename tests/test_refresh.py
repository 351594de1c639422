"""The weekly run by the real command: a good week is published, a broken one changes nothing."""

from datetime import UTC, datetime

import pandas as pd
import pytest
from mlflow import MlflowClient
from sqlalchemy import create_engine

from projects import Project, copy_finished
from sales_forecast.deliveries.recorded import Recorded
from sales_forecast.registry.store import Registry
from sales_forecast.storage.queries import newest_run
from sales_forecast.storage.scores import rates

pytestmark = pytest.mark.xdist_group("refresh")

SALES, WANTED = "01_raw/turnover/train.csv.gz", "01_raw/turnover/test.csv.gz"


@pytest.fixture(scope="module")
def project(small: Project, tmp_path_factory: pytest.TempPathFactory) -> Project:
    return copy_finished(small, tmp_path_factory.mktemp("refresh") / "project")


def deliver(project: Project, times: float) -> str:
    """A delivery with one week more, in which every series sold so many times its forecast."""
    sales, wanted = pd.read_csv(project.path(SALES)), pd.read_csv(project.path(WANTED))
    week = wanted["day_id"].min()
    forecasts = pd.read_parquet(project.path("07_model_output/turnover/forecasts.parquet"))
    sold = forecasts[forecasts["week"] == week]
    new = pd.DataFrame(
        {
            "day_id": week,
            "but_num_business_unit": sold["store"],
            "dpt_num_department": sold["department"],
            "turnover": (times * sold["forecast"]).round(2),
        }
    )
    pd.concat([sales, new[sales.columns]]).to_csv(project.path(SALES), index=False)
    wanted[wanted["day_id"] != week].to_csv(project.path(WANTED), index=False)
    return str(week)


def state(project: Project) -> tuple[str, int, bytes]:
    """Version that serves, newest published run, and the file of forecasts."""
    client = MlflowClient(tracking_uri=f"sqlite:///{project.folder}/mlflow.db")
    champion = Registry(client, "sales_forecast.turnover").champion()
    assert champion is not None
    engine = create_engine(f"sqlite:///{project.folder}/sales_forecast.db")
    with engine.connect() as connection:
        run = newest_run(connection, "turnover", datetime.now(UTC))
    engine.dispose()
    assert run is not None
    file = project.path("07_model_output/turnover/forecasts.parquet")
    return str(champion.version), run.id, file.read_bytes()


def test_a_good_week_is_learned_from_and_published(project: Project) -> None:
    version, run, _ = state(project)
    week = deliver(project, 1.05)
    code, output = project.run("--pipelines", "refresh")
    assert code == 0, output[-3000:]
    refreshed = state(project)
    assert refreshed[:2] == (str(int(version) + 1), run + 1)
    forecasts = pd.read_parquet(project.path("07_model_output/turnover/forecasts.parquet"))
    assert forecasts["week"].min() > pd.Timestamp(week)
    assert set(forecasts["model_version"]) == {refreshed[0]}
    assert project.run("--pipelines", "refresh")[0] == 0
    assert state(project)[:2] == refreshed[:2], "the same files again change nothing"


def test_the_week_that_came_is_scored_and_told_in_the_report(project: Project) -> None:
    """Every series has sold 1.05 times its forecast, see the test before."""
    scored = Recorded(f"sqlite:///{project.folder}/sales_forecast.db").accuracy("default")
    assert scored["horizon"].tolist() == [1]
    assert rates(scored)["wape"].tolist() == pytest.approx([0.05 / 1.05], abs=1e-4)
    report = project.path("08_reporting/report.html").read_text()
    assert "a single store and department&#39;s week was wrong by <strong>4.8%</strong>" in report


def test_a_week_of_zeros_changes_nothing(project: Project) -> None:
    before, sales, wanted = state(project), project.path(SALES), project.path(WANTED)
    delivered = sales.read_bytes(), wanted.read_bytes()
    deliver(project, 0.0)
    code, output = project.run("--pipelines", "refresh")
    assert code != 0
    assert " is held, and what serves goes on as it was" in output
    assert "times what was forecast (turnover.delivery.department_within_times: 3)" in output
    assert state(project) == before
    sales.write_bytes(delivered[0])
    wanted.write_bytes(delivered[1])


def test_an_older_delivery_changes_nothing(project: Project) -> None:
    before, sales = state(project), pd.read_csv(project.path(SALES))
    sales[sales["day_id"] < sales["day_id"].max()].to_csv(project.path(SALES), index=False)
    code, output = project.run("--pipelines", "refresh")
    assert code != 0
    assert "is known: an older delivery, whose forecasts would be older ones" in output
    assert state(project) == before
