"""What a run of the whole project leaves in the database."""

from collections.abc import Iterator

import pandas as pd
import pytest
from sqlalchemy import Engine

from projects import Project, copy_finished
from publications import everything, rows
from sales_forecast.storage.database import open_database
from servers import free_port

pytestmark = pytest.mark.xdist_group("storage")

KEYS = ["store", "department", "week"]


@pytest.fixture(scope="module")
def project(small: Project, tmp_path_factory: pytest.TempPathFactory) -> Project:
    return copy_finished(small, tmp_path_factory.mktemp("storage") / "project")


@pytest.fixture
def database(project: Project) -> Iterator[Engine]:
    """The one in the project's folder."""
    engine = open_database(f"sqlite:///{project.folder}/sales_forecast.db")
    yield engine
    engine.dispose()


def stored(engine: Engine, table: str, like: pd.DataFrame) -> pd.DataFrame:
    """A table with the columns and the order of one of the run's files."""
    found = pd.DataFrame(rows(engine, table))
    return in_order(found.assign(week=pd.to_datetime(found["week"]))[like.columns])


def in_order(table: pd.DataFrame) -> pd.DataFrame:
    """By their keys, labels as text."""
    keys = [name for name in ("level", "key", *KEYS) if name in table]
    labels = table.columns.intersection(["key", "store", "department"])
    as_text = table.astype(dict.fromkeys(labels, str)).astype({"week": "datetime64[ns]"})
    return as_text.sort_values(keys, ignore_index=True)


def assert_holds_the_files(engine: Engine, project: Project) -> None:
    outputs = project.path("07_model_output/turnover")
    stamp = ["model_version", "run_id", "model_data_version", "data_version"]
    forecasts = pd.read_parquet(outputs / "forecasts.parquet")
    attributions = pd.read_parquet(outputs / "attributions.parquet")
    levels = pd.read_parquet(outputs / "forecasts_by_level.parquet")
    for table, file in (
        ("forecasts", forecasts.drop(columns=stamp)),
        ("forecasts", attributions),
        ("level_forecasts", levels[levels["level"] != "series"]),
    ):
        pd.testing.assert_frame_equal(
            stored(engine, table, file), in_order(file), check_exact=True, check_dtype=False
        )
    run = next(run for run in rows(engine, "forecast_runs") if run["domain"] == "turnover")
    assert [run[name] for name in stamp] == forecasts[stamp].iloc[0].tolist()


def test_the_database_holds_the_runs_files_to_the_last_digit(project: Project, database: Engine) -> None:
    assert_holds_the_files(database, project)


def test_the_database_holds_the_budget_curve(project: Project, database: Engine) -> None:
    curve = pd.read_parquet(project.path("07_model_output/marketing/budget_curve.parquet"))
    found = pd.DataFrame(rows(database, "budget_curves"))[curve.columns]
    pd.testing.assert_frame_equal(found, curve, check_exact=True)


def test_the_database_holds_what_was_sold_without_the_gaps(project: Project, database: Engine) -> None:
    panel = pd.read_parquet(project.path("03_primary/turnover/panel.parquet"))
    sold = panel.loc[panel["turnover"].notna(), [*KEYS, "turnover"]]
    found = stored(database, "weekly_turnover", sold)
    pd.testing.assert_frame_equal(found, in_order(sold), check_exact=True)


def test_the_database_says_how_good_the_model_is(database: Engine) -> None:
    metrics = pd.DataFrame(rows(database, "model_metrics"))
    wape = metrics[metrics["name"].str.endswith(".turnover") & (metrics["metric"] == "wape")]
    assert len(wape) > 1
    assert wape["value"].between(0, 1).all()
    assert {row["version"] for row in rows(database, "champion_changes")} == {"1"}
    cards = [row["card"] for row in rows(database, "models")]
    assert [card[:1] for card in cards] == ["#", "#"]  # of both domains


def test_the_same_forecasts_again_leave_the_database_as_it_is(project: Project, database: Engine) -> None:
    before = everything(database)
    code, output = project.run("--pipelines", "inference")
    assert code == 0, output[-3000:]
    assert everything(database) == before


def test_a_run_fills_an_empty_postgresql(
    project: Project, postgres_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SALES_FORECAST_DATABASE_URL", postgres_url)
    code, output = project.run("--pipelines", "inference")
    assert code == 0, output[-3000:]
    engine = open_database(postgres_url)
    assert_holds_the_files(engine, project)
    assert len(rows(engine, "forecast_runs")) == 2
    engine.dispose()


def test_a_database_that_does_not_answer_stops_the_run_before_anything_is_done(project: Project) -> None:
    before = project.outputs()
    nowhere = f"postgresql://planner:secret@127.0.0.1:{free_port()}/sales"
    done = project.kedro("run", environment={"SALES_FORECAST_DATABASE_URL": nowhere})
    output = done.stdout + done.stderr
    assert done.returncode == 1
    assert output.count("does not answer") == 1
    assert "SALES_FORECAST_DATABASE_URL" in output
    assert "secret" not in output
    assert "Traceback" not in output
    assert project.outputs() == before


def test_what_is_no_address_stops_the_run_with_one_message(
    project: Project, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = project.outputs()
    monkeypatch.setenv("SALES_FORECAST_DATABASE_URL", "mysql://planner:secret@shop")
    code, output = project.run()
    assert code == 1
    assert output.count("is no address of a database") == 1
    assert "secret" not in output
    assert "Traceback" not in output
    assert project.outputs() == before
