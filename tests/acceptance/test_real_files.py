"""The published facts, on the real files. They may not be shipped, so these tests run where they are."""

import json
import re
import resource
import time
from collections.abc import Callable
from pathlib import Path

import pandas as pd
import pytest
import yaml

from projects import REAL_FILES, Project

pytestmark = [
    pytest.mark.acceptance,
    pytest.mark.xdist_group("acceptance"),
    pytest.mark.skipif(not REAL_FILES.exists(), reason=f"the real files are not in {REAL_FILES}"),
]


@pytest.fixture(scope="module")
def project(copied: Callable[[Path], Project], tmp_path_factory: pytest.TempPathFactory) -> Project:
    project = copied(tmp_path_factory.mktemp("real") / "project")
    start = time.perf_counter()
    result = project.kedro("run", "--env", "benchmark", "--params", f"raw_folder={REAL_FILES}")
    seconds = time.perf_counter() - start
    assert result.returncode == 0, result.stdout[-3000:] + result.stderr[-3000:]
    peak = resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss / 1e6
    print(f"\nkedro run on the real files: {seconds:.0f} s, {peak:.2f} GB at its peak")
    return project


@pytest.mark.parametrize("end", ["2016-10-01", "2017-06-03", "2017-09-30"])
def test_files_that_end_anywhere_run_without_a_cutoff_in_the_configuration(
    copied: Callable[[Path], Project], tmp_path: Path, end: str
) -> None:
    project = copied(tmp_path / "project")
    parameters = project.folder / "conf" / "base" / "parameters" / "turnover.yml"
    declared = yaml.safe_load(parameters.read_text())
    declared["turnover"]["methods"] = {
        name: declared["turnover"]["methods"][name] for name in ("seasonal_naive", "growth_naive")
    }
    parameters.write_text(yaml.safe_dump(declared))
    code, output = project.run(
        *("--namespaces", "turnover", "--pipelines", "data_processing,modelling"),
        *("--params", f"raw_folder={REAL_FILES},turnover.read.to_date={end}"),
    )
    assert code == 0, output[-3000:]
    backtest = pd.read_parquet(project.path("07_model_output/turnover/backtest.parquet"))
    assert backtest["cutoff"].nunique() == 26
    assert backtest["cutoff"].max() == pd.Timestamp(end) - pd.Timedelta(weeks=8)


def answers(project: Project) -> dict:
    return json.loads(project.path("08_reporting/answers.json").read_text())


def metrics(project: Project) -> dict:
    return json.loads(project.path("08_reporting/metrics.json").read_text())


def test_the_files_are_read_whole(project: Project) -> None:
    sales = pd.read_parquet(project.path("02_intermediate/turnover/sales.parquet"))
    stores = pd.read_parquet(project.path("02_intermediate/turnover/stores.parquet"))
    panel = pd.read_parquet(project.path("03_primary/turnover/panel.parquet"))
    forecast_index = pd.read_parquet(project.path("02_intermediate/turnover/forecast_index.parquet"))
    assert len(sales) == 277_719
    assert len(sales[["store", "department"]].drop_duplicates()) == 1_270
    assert sales["store"].nunique() == 322
    assert sales["week"].nunique() == 249
    assert (f"{sales['week'].min():%F}", f"{sales['week'].max():%F}") == ("2012-12-29", "2017-09-30")
    assert (sales["turnover"] < 0).sum() == 5_049
    assert (sales["turnover"] == 0).sum() == 16_654
    assert len(stores) == 326
    assert not panel["is_gap"].any()
    assert len(forecast_index) == 10_136
    assert len(forecast_index[["store", "department"]].drop_duplicates()) == 1_267
    assert (f"{forecast_index['week'].min():%F}", f"{forecast_index['week'].max():%F}") == (
        "2017-10-07",
        "2017-11-25",
    )


def test_turnover_of_2016_per_department_to_seven_digits(project: Project) -> None:
    turnover = answers(project)["turnover"]
    published = {"127": 3.340203e7, "117": 6.322402e6, "88": 5.654691e6, "73": 1.960281e6}
    assert {d: float(f"{x:.6e}") for d, x in turnover["by_department"]["2016"].items()} == published
    assert turnover["best_department_2016"] == 127


def test_best_store_and_best_weeks(project: Project) -> None:
    turnover = answers(project)["turnover"]
    assert turnover["best_store_2014"] == 121
    ranked = pd.read_parquet(project.path("08_reporting/turnover/tables/best_stores.parquet"))
    assert list(ranked["store"][:3]) == [121, 17, 118]
    assert turnover["top_weeks_88_2015"] == [
        "2015-07-04",
        "2015-09-12",
        "2015-09-05",
        "2015-09-19",
        "2015-07-11",
    ]


def test_each_department_is_recognised_by_its_seasons(project: Project) -> None:
    sports = {"73": "hiking", "88": "fitness", "117": "winter sports", "127": "water sports"}
    assert answers(project)["turnover"]["sports"] == sports


def test_the_impossible_value_is_repaired_and_the_level_shifts_are_found(project: Project) -> None:
    turnover = answers(project)["turnover"]
    (repaired,) = turnover["repaired"]
    assert (repaired["store"], repaired["department"], repaired["week"], repaired["delivered"]) == (
        30,
        88,
        "2013-11-02",
        1_000_000,
    )
    shifts = {(str(s["department"]), s["week"]) for s in turnover["level_shifts"]}
    assert shifts == {
        (department, week) for department in ("73", "127") for week in ("2016-01-09", "2017-01-07")
    }


def test_marketing_answers_and_metrics(project: Project) -> None:
    marketing = answers(project)["marketing"]
    assert marketing["tv"]["mean"] == pytest.approx(147.04, abs=0.005)
    assert (marketing["tv"]["min"], marketing["tv"]["max"]) == (0.7, 296.4)
    assert marketing["sales"]["mean"] == pytest.approx(14.02, abs=0.005)
    assert (marketing["sales"]["min"], marketing["sales"]["max"]) == (1.6, 27.0)
    assert marketing["correlation"] == pytest.approx(0.782, abs=0.0005)
    for model in ("default", "tuned"):
        scores = metrics(project)["marketing"][model]
        assert scores["mae"] == pytest.approx(2.4444, abs=5e-5)
        assert scores["rmse"] == pytest.approx(3.1945, abs=5e-5)
        assert scores["mape"] == pytest.approx(0.1867, abs=5e-5)
        assert scores["r2"] == pytest.approx(0.6767, abs=5e-5)
    page = project.path("08_reporting/data_science.html").read_text()
    assert re.search(r"[Tt]uning changed (<strong>)?nothing", page)


def test_the_forecasts_beat_the_naive_ones(project: Project) -> None:
    turnover = metrics(project)["turnover"]
    wape = {name: turnover[name]["mean"]["wape"] for name in ("seasonal_naive", "growth_naive", "blend")}
    assert turnover["selected"] == "blend"
    assert wape["seasonal_naive"] == pytest.approx(0.545, abs=0.001)
    assert wape["blend"] < 0.85 * wape["growth_naive"]
    assert len(pd.read_parquet(project.path("07_model_output/turnover/forecasts.parquet"))) == 10_136
