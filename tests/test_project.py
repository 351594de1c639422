"""The project as its users run it: whole, by stage, by domain."""

import json
import re
import shutil
import sqlite3
from collections.abc import Callable
from pathlib import Path

import nbformat
import openpyxl
import pandas as pd
import pytest
from nbclient import NotebookClient

from projects import FEW_FOLDS, REPOSITORY, Project, copy_finished, copy_small, rewrite_csv
from sales_forecast.forecasting.intervals.hierarchy import HIERARCHY

STAGES = ["data_processing", "eda_reporting", "modelling", "evaluation", "registration", "inference"]


def read_json(project: Project, name: str) -> dict:
    return json.loads(project.path(f"08_reporting/{name}").read_text())


def test_a_run_answers_the_questions_of_both_domains(finished: Project) -> None:
    answers = read_json(finished, "answers.json")
    turnover, marketing = answers["turnover"], answers["marketing"]
    assert turnover["best_department_2016"] == 127
    assert {department: round(x) for department, x in turnover["by_department"]["2016"].items()} == {
        "127": 33_402_030,
        "117": 6_322_402,
        "88": 5_654_691,
        "73": 1_960_281,
    }
    assert turnover["sports"] == {
        "73": "hiking",
        "88": "fitness",
        "117": "winter sports",
        "127": "water sports",
    }
    assert [repair["delivered"] for repair in turnover["repaired"]] == [1_000_000]
    assert len(turnover["top_weeks_88_2015"]) == 5
    assert isinstance(turnover["best_store_2014"], int)
    assert {"mean", "min", "max"} <= set(marketing["tv"])
    assert 0 < marketing["correlation"] < 1


def test_a_run_scores_every_method_in_every_window(finished: Project) -> None:
    metrics = read_json(finished, "metrics.json")
    turnover = metrics["turnover"]
    for method in ("seasonal_naive", "growth_naive", "blend"):
        assert {"2017-08-05", "mean"} < set(turnover[method])
        assert len(turnover[method]) == FEW_FOLDS["backtest"]["folds"] + 1
        assert {"wape", "wql", "rmse", "mae", "rmsse", "bias"} <= set(turnover[method]["2017-08-05"])
    assert turnover[turnover["selected"]]["mean"]["wape"] < turnover["seasonal_naive"]["mean"]["wape"]
    assert {"mae", "mape", "rmse", "r2"} <= set(metrics["marketing"]["default"])
    assert {"mae", "mape", "rmse", "r2"} <= set(metrics["marketing"]["tuned"])


def test_every_wanted_week_gets_one_forecast(finished: Project) -> None:
    forecasts = pd.read_parquet(finished.path("07_model_output/turnover/forecasts.parquet"))
    wanted = pd.read_csv(finished.path("01_raw/turnover/test.csv.gz"))
    assert len(forecasts) == len(wanted)
    assert set(forecasts.columns) == {
        *("store", "department", "week", "horizon", "forecast", "method", "cold_start"),
        *(
            "lo_80",
            "hi_80",
            "lo_95",
            "hi_95",
            "model_version",
            "run_id",
            "model_data_version",
            "data_version",
        ),
        *(f"q{percent:02d}" for percent in range(5, 100, 5)),
    }
    assert (forecasts["forecast"] >= 0).all()
    assert sorted(forecasts["horizon"].unique()) == list(range(1, 9))


def test_the_backtest_keeps_every_forecast(finished: Project) -> None:
    backtest = pd.read_parquet(finished.path("07_model_output/turnover/backtest.parquet"))
    assert list(backtest.columns) == [
        "method",
        "cutoff",
        "store",
        "department",
        "week",
        "horizon",
        "turnover",
        "forecast",
        *("lo_80", "hi_80", "lo_95", "hi_95", "crps"),
    ]
    assert backtest.groupby(["method", "cutoff"]).size().groupby("cutoff").nunique().eq(1).all()
    assert ((backtest["week"] - backtest["cutoff"]).dt.days == 7 * backtest["horizon"]).all()


def test_sums_add_up_to_the_series_on_every_level(finished: Project) -> None:
    forecasts = pd.read_parquet(finished.path("07_model_output/turnover/forecasts.parquet"))
    levels = pd.read_parquet(finished.path("07_model_output/turnover/forecasts_by_level.parquet"))
    assert set(levels["level"]) == set(HIERARCHY)
    by_week = levels.groupby(["level", "week"])["forecast"].sum().unstack("level")
    expected = forecasts.groupby("week")["forecast"].sum()
    assert by_week.sub(expected, axis=0).abs().to_numpy().max() < 1e-6
    total = levels[levels["level"] == "total"]
    assert (total["hi_80"] < forecasts.groupby("week")["hi_80"].sum().to_numpy()).all()


def test_reasons_add_up_to_the_forecasts_and_leave_nothing_over(finished: Project) -> None:
    forecasts = pd.read_parquet(finished.path("07_model_output/turnover/forecasts.parquet"))
    reasons = pd.read_parquet(finished.path("07_model_output/turnover/attributions.parquet"))
    parts = reasons.drop(columns=["store", "department", "week", "forecast"])
    assert (parts.sum(axis=1) - forecasts["forecast"]).abs().max() < 1e-6
    assert reasons["other"].abs().max() < 1e-6


def test_the_planner_sheet_opens_in_a_spreadsheet(finished: Project) -> None:
    path = finished.path("07_model_output/turnover/planner_sheet.xlsx")
    sheets = pd.read_excel(path, sheet_name=None)
    forecasts = pd.read_parquet(finished.path("07_model_output/turnover/forecasts.parquet"))
    assert list(sheets) == [
        *("weeks", "by week", "hours", "stores", "regions", "departments", "all stores"),
        *("overrides", "read me"),
    ]
    assert len(sheets["weeks"]) == len(forecasts)
    assert set(sheets["weeks"]["week"]) == set(forecasts["week"])
    expected = forecasts["forecast"].sum()
    for name in ("weeks", "stores", "regions", "departments", "all stores"):
        sheet = sheets[name]
        assert sheet["forecast"].sum() == pytest.approx(expected, rel=1e-6)
        assert sheet["80 % from"].lt(sheet["forecast"]).mean() > 0.99
        assert sheet["80 % to"].gt(sheet["forecast"]).all()
    assert sheets["by week"]["total"].iloc[-1] == pytest.approx(expected, rel=1e-6)  # the formula
    hours = pd.read_parquet(finished.path("07_model_output/turnover/staffing_plan.parquet"))["hours"].sum()
    for name in ("weeks", "stores", "regions", "departments", "all stores"):
        assert sheets[name]["hours"].sum() == hours
    assert sheets["hours"]["hours"].iloc[-1] == hours  # the formula


def test_cells_of_the_planner_sheet_are_dates_and_numbers_in_columns_that_are_wide_enough(
    finished: Project,
) -> None:
    book = openpyxl.load_workbook(finished.path("07_model_output/turnover/planner_sheet.xlsx"))
    for page in book.worksheets[:-1]:
        heads = [cell.value for cell in page[1]]
        frozen = page.freeze_panes
        assert frozen.endswith("2")
        assert frozen != "A2"
        assert page.auto_filter.ref.startswith("A1:")
        for head, cell in zip(heads, page[2], strict=True):
            width = page.column_dimensions[cell.column_letter].width
            shown = f"{cell.value:,.1f}" if isinstance(cell.value, float) else str(cell.value or "")[:10]
            assert width >= len(shown), (page.title, head)
            if head == "week":
                assert (cell.is_date, cell.number_format) == (True, "yyyy-mm-dd")
            if head in ("forecast", "80 % from", "80 % to", "planned"):
                assert cell.number_format == "#,##0"
            if str(head).startswith("hours"):
                assert cell.number_format == "#,##0.0"


def test_the_override_sheet_of_the_workbook_is_filled_in_and_read_back(
    finished: Project, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """With the run's database; the import is tried, and changes nothing."""
    path = tmp_path / "monday.xlsx"
    book = openpyxl.load_workbook(finished.path("07_model_output/turnover/planner_sheet.xlsx"))
    page = book["overrides"]
    place = {cell.value: cell.column for cell in page[1]}
    filled = {
        5: {"planned": 12_345, "reason": "event", "note": "=half marathon"},
        9: {"per cent": 20, "reason": "local_knowledge"},
        14: {"per cent": -10.5, "reason": "other", "note": "building works"},
    }
    expected = []
    for row, cells in filled.items():
        for name, value in cells.items():
            page.cell(row, place[name]).value = value
            if isinstance(value, str):
                page.cell(row, place[name]).data_type = "s"
        of = {name: page.cell(row, place[name]).value for name in ("store", "department", "week")}
        scope = f"store {of['store']}, department {of['department']}"
        expected.append([str(row), scope, f"{of['week']:%Y-%m-%d}", cells["reason"]])
    book.save(path)
    monkeypatch.setenv("SALES_FORECAST_DATABASE_URL", f"sqlite:///{finished.folder}/sales_forecast.db")

    tried = finished.command("overrides", "import", str(path), "--dry-run")
    assert tried.exit_code == 0, tried.output
    lines = [[cell.strip() for cell in line.strip("│ ").split("│")] for line in tried.stdout.splitlines()]
    proposed = [line for line in lines if len(line) == 6 and line[0].isdigit()]
    assert [[*line[:3], line[5]] for line in proposed] == expected
    assert proposed[0][4] == "12,345"
    assert "3 override(s) would be stored, 0 refused." in tried.stdout

    page.cell(20, place["planned"]).value = "plenty"
    page.cell(20, place["reason"]).value = "event"
    book.save(path)
    tried = finished.command("overrides", "import", str(path), "--dry-run")
    assert tried.exit_code == 1
    assert "Refused: row 20, value plenty: planned: is no number such as 1250 or 12.5." in tried.stderr
    assert "3 override(s) would be stored, 1 refused." in tried.stdout


@pytest.mark.parametrize(
    ("name", "stages"),
    [("report", ("inference", "eda")), ("data_science", ("evaluation", "registration", "deployment"))],
)
def test_a_page_of_the_report_is_one_file_that_needs_no_network(
    finished: Project, name: str, stages: tuple[str, ...]
) -> None:
    page = finished.path(f"08_reporting/{name}.html").read_text()
    assert not re.findall(r"""src=["'](?!data:)[^"']+|href=["'](?:[a-z]+:(?<!data:)|//)[^"']*""", page)
    for section in (f"{domain}-{stage}" for domain in ("turnover", "marketing") for stage in stages):
        assert f'id="{section}"' in page
    assert str(finished.folder) not in page
    assert len(page) < 3_000_000


def test_a_run_ends_with_the_best_method_and_the_report(finished: Project) -> None:
    log = (finished.folder / "run.log").read_text()
    end = log[log.index("Where this leaves us") :]
    assert "blend" in end
    assert "WAPE" in end
    assert "report.html" in end
    assert "Backtest folds" in log


def test_a_run_shows_its_stages_and_writes_down_the_rest(finished: Project) -> None:
    shown = (finished.folder / "run.log").read_text()
    for stage in STAGES:
        for domain in ("turnover", "marketing"):
            assert re.search(rf"/13  {domain} {stage} +\d+ nodes +[\d.]+ s$", shown, flags=re.M)
    assert re.search(r"/13  turnover monitoring +\d+ nodes +[\d.]+ s$", shown, flags=re.M)
    assert len(shown.splitlines()) <= 45
    for noise in ("Loading data from", "Warning", "Kedro project", "mlflow.store.db", "alembic"):
        assert noise not in shown
    written = (finished.folder / "logs/sales_forecast.log").read_text()
    assert re.search(r"^[\d-]+ [\d:,]+ INFO kedro.*: Loading data from turnover.panel", written, flags=re.M)
    assert "blend after 2017-08-05: WAPE" in written


def test_a_run_is_tracked_with_parameters_metrics_and_reports(finished: Project) -> None:
    with sqlite3.connect(finished.folder / "mlflow.db") as store:
        parameters = dict(store.execute("select key, value from params").fetchall())
        metrics = dict(store.execute("select key, value from latest_metrics").fetchall())
        (status,) = store.execute("select status from runs").fetchone()
    assert status == "FINISHED"
    assert parameters["turnover.backtest.horizon_weeks"] == "8"
    assert parameters["turnover.methods.blend.members.boosting.trees"] == "80"
    assert metrics["turnover.blend.mean.wape"] > 0
    assert metrics["marketing.default.mae"] > 0
    artifacts = {path.name for path in finished.folder.glob("mlruns/**/artifacts/**/*") if path.is_file()}
    assert {"report.html", "data_science.html", "answers.json", "metrics.json", "windows.json"} <= artifacts
    assert not [name for name in artifacts if name.startswith(".")]


def test_models_are_readable_files_without_pickle(finished: Project) -> None:
    model = json.loads(finished.path("06_models/turnover/model.json").read_text())
    assert model["cutoff"] == "2017-09-30"
    assert model["fitted"]["members"]["boosting_together"]["all"][0] == "tree"
    assert not list(finished.folder.glob("data/**/*.pkl"))


@pytest.mark.parametrize("name", sorted(path.name for path in (REPOSITORY / "notebooks").glob("*.ipynb")))
def test_the_notebook_runs(
    small: Project, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    project = copy_finished(small, tmp_path / "project")
    notebooks = shutil.copytree(REPOSITORY / "notebooks", project.folder / "notebooks")
    monkeypatch.setenv("PYTHONPATH", str(project.folder / "src"))
    notebook = nbformat.read(notebooks / name, as_version=4)
    NotebookClient(notebook, resources={"metadata": {"path": notebooks}}).execute()
    assert notebook.cells[-1].outputs


def test_each_stage_runs_on_what_the_stage_before_left(small: Project, tmp_path: Path) -> None:
    again = copy_finished(small, tmp_path / "project")
    before = again.outputs()
    for stage in ("eda_reporting", "modelling", "evaluation", "inference"):
        code, output = again.run("--pipeline", stage)
        assert code == 0, output[-2000:]
        if stage == "modelling":  # all but the time it took
            shutil.copy(
                *(run.path("07_model_output/turnover/backtest_seconds.parquet") for run in (small, again))
            )
    after = again.outputs()
    assert set(after) == set(before)
    archives = (".xlsx", ".skops")  # carry the time they were written
    changed = {name for name in before if before[name] != after[name] and not name.endswith(archives)}
    assert changed == set(), "the same data and seed must give the same files"


@pytest.fixture(scope="module")
def backtested(small: Project) -> pd.DataFrame:
    """What the blend would have forecast after the newest cutoff but one."""
    backtest = pd.read_parquet(small.path("07_model_output/turnover/backtest.parquet"))
    cutoff = sorted(backtest["cutoff"].unique())[-2]
    return backtest[(backtest["method"] == "blend") & (backtest["cutoff"] == cutoff)]


@pytest.fixture(scope="module")
def turnover_alone(backtested: pd.DataFrame, tmp_path_factory: pytest.TempPathFactory) -> Project:
    """A project after a run of one domain, on files that end at that cutoff and ask for the same weeks."""
    wanted = backtested[["week", "store", "department"]]
    wanted = wanted.assign(week=wanted["week"].dt.strftime("%Y-%m-%d"))
    project = copy_small(tmp_path_factory.mktemp("turnover") / "project")
    raw = project.path("01_raw/turnover")
    last = f"{backtested['cutoff'].iloc[0]:%Y-%m-%d}"
    rewrite_csv(raw / "train.csv.gz", lambda sales: sales[sales["day_id"] <= last])
    rewrite_csv(raw / "test.csv.gz", lambda old: wanted.set_axis(old.columns[:3], axis=1))
    return run_alone(project, "turnover")


@pytest.fixture(scope="module")
def marketing_alone(copied: Callable[[Path], Project], tmp_path_factory: pytest.TempPathFactory) -> Project:
    return run_alone(copied(tmp_path_factory.mktemp("marketing") / "project"), "marketing")


def run_alone(project: Project, domain: str, *options: str) -> Project:
    code, output = project.run("--namespaces", domain, *options)
    assert code == 0, output[-2000:]
    return project


@pytest.mark.xdist_group("alone")
def test_a_file_that_ends_at_a_cutoff_gives_the_forecasts_of_the_backtest(
    backtested: pd.DataFrame, turnover_alone: Project
) -> None:
    forecasts = pd.read_parquet(turnover_alone.path("07_model_output/turnover/forecasts.parquet"))
    assert len(forecasts) > 0
    assert set(forecasts["method"]) == {"blend"}
    keys = ["store", "department", "week"]
    values = ["horizon", "forecast", "lo_80", "hi_80", "lo_95", "hi_95"]
    pd.testing.assert_frame_equal(
        forecasts.sort_values(keys)[keys + values].reset_index(drop=True),
        backtested.sort_values(keys)[keys + values].reset_index(drop=True),
    )


@pytest.mark.xdist_group("alone")
@pytest.mark.parametrize("domain", ["turnover", "marketing"])
def test_each_domain_runs_alone_from_raw_files(
    domain: str, turnover_alone: Project, marketing_alone: Project
) -> None:
    project = {"turnover": turnover_alone, "marketing": marketing_alone}[domain]
    assert set(read_json(project, "answers.json")) == {domain}
    assert set(read_json(project, "metrics.json")) == {domain}
    page = project.path("08_reporting/report.html").read_text()
    assert f'id="{domain}-eda"' in page
