"""Retailers that are nothing like the sample, run by configuration alone: the one that the docs show."""

import json
from collections.abc import Callable
from pathlib import Path

import pandas as pd
import pytest

from projects import FEW_FOLDS, Project
from retailers import write_corner, write_harbour
from sales_forecast.tracking import flatten
from test_docs import code_blocks

Copied = Callable[[Path], Project]
HALF_WEEK = "2023-09-30"  # first day of the one that the file holds half of


def configure(project: Project, name: str, raw_folder: Path) -> None:
    """Write the files of one environment that docs/your-own-data.md shows."""
    for block in code_blocks("docs/your-own-data.md", "yaml"):
        path = project.folder / block.partition("\n")[0].removeprefix("# ")
        if path.parent.name == name:
            path.parent.mkdir(exist_ok=True)
            path.write_text(block.replace(f"/data/{name}", str(raw_folder)))


def read(project: Project, name: str) -> pd.DataFrame:
    return pd.read_parquet(project.path(name))


def run_on(write: Callable[[Path], None], name: str, project: Project) -> Project:
    """Run a project on the files that ``write`` makes beside it, in the environment ``name``."""
    raw = project.folder.parent / "raw"
    write(raw)
    configure(project, name, raw)
    few = ",".join(f"{key}={value}" for key, value in flatten({"turnover": FEW_FOLDS}))
    code, output = project.run("--env", name, "--namespaces", "turnover", "--params", few)
    assert code == 0, output[-3000:]
    return project


@pytest.fixture(scope="module")
def harbour(copied: Copied, tmp_path_factory: pytest.TempPathFactory) -> Project:
    return run_on(write_harbour, "harbour", copied(tmp_path_factory.mktemp("harbour") / "project"))


@pytest.mark.xdist_group("harbour")
def test_every_series_of_another_retailer_is_forecast(harbour: Project) -> None:
    forecasts = read(harbour, "07_model_output/turnover/forecasts.parquet")
    assert len(forecasts) == (60 * 4 - 1) * 8
    assert forecasts["week"].min() == pd.Timestamp(HALF_WEEK)
    panel = read(harbour, "03_primary/turnover/panel.parquet")
    assert panel["week"].nunique() == 143
    assert panel[["store", "department"]].drop_duplicates().shape[0] == 59 * 4
    assert panel.loc[panel["store"] == 1007, "is_gap"].sum() == 26 * 4


@pytest.mark.xdist_group("harbour")
def test_what_is_known_ahead_is_used_and_named_as_a_reason(harbour: Project) -> None:
    scores = read(harbour, "06_models/turnover/scores.parquet").groupby("method")["wape"].mean()
    assert scores["blend"] < scores["seasonal_naive"] / 2
    reasons = read(harbour, "07_model_output/turnover/attributions.parquet")
    future_covariates = read(harbour, "03_primary/turnover/future_covariates.parquet")
    both = reasons.merge(future_covariates, on=["store", "department", "week"])
    effect = (
        both.groupby(both["promotion_share"] > 0)["future_covariates"].sum()
        / both.groupby(both["promotion_share"] > 0)["forecast"].sum()
    )
    assert effect[True] > effect[False] + 0.2


@pytest.mark.xdist_group("harbour")
def test_a_shop_that_opens_in_the_weeks_to_come_is_forecast_as_a_cold_start(harbour: Project) -> None:
    forecasts = read(harbour, "07_model_output/turnover/forecasts.parquet")
    new = forecasts[forecasts["store"] == 1060]
    assert len(new) == 4 * 8
    assert new["cold_start"].all()
    assert (new["forecast"] > 0).all()
    half_widths = (forecasts["hi_80"] - forecasts["lo_80"]) / forecasts["forecast"]
    assert half_widths[new.index].median() > 2 * half_widths[~forecasts["cold_start"]].median()


@pytest.mark.xdist_group("harbour")
def test_a_retailer_without_zones_has_no_sums_of_zones(harbour: Project) -> None:
    levels = read(harbour, "07_model_output/turnover/forecasts_by_level.parquet")
    assert set(levels["level"]) == {"series", "department", "region", "region and department", "total"}
    assert set(levels.loc[levels["level"] == "region", "key"]) == {"NY", "MA", "ME"}


@pytest.mark.xdist_group("harbour")
def test_the_report_speaks_of_what_the_retailer_sells(harbour: Project) -> None:
    page = harbour.path("08_reporting/sections/turnover.eda.html").read_text()
    assert "sport" not in page
    assert "not in the data" not in page
    assert "Which stores sell most" in page


@pytest.fixture(scope="module")
def corner(copied: Copied, tmp_path_factory: pytest.TempPathFactory) -> Project:
    return run_on(write_corner, "corner", copied(tmp_path_factory.mktemp("corner") / "project"))


@pytest.mark.xdist_group("corner")
def test_days_of_shops_without_departments_are_summed_to_whole_weeks(corner: Project) -> None:
    panel = read(corner, "03_primary/turnover/panel.parquet")
    assert set(panel["department"]) == {"whole store"}
    assert panel["week"].agg(["min", "max"]).tolist() == [
        pd.Timestamp("2021-01-11"),
        pd.Timestamp("2023-09-25"),
    ]
    days = pd.read_csv(corner.folder.parent / "raw" / "daily.csv", parse_dates=["Date"])
    last = days[(days["Date"] >= "2023-09-25") & (days["Date"] <= "2023-10-01") & (days["Store"] == "shop 3")]
    found = panel[(panel["store"] == "shop 3") & (panel["week"] == "2023-09-25")]["turnover"].item()
    assert found == pytest.approx(last["Sales"].sum())
    future_covariates = read(corner, "03_primary/turnover/future_covariates.parquet")
    assert future_covariates["open"].max() == 6
    assert future_covariates["promotion"].between(0, 1).all()


@pytest.mark.xdist_group("corner")
def test_a_week_between_past_and_future_that_no_file_holds_wholly_is_not_forecast(corner: Project) -> None:
    forecasts = read(corner, "07_model_output/turnover/forecasts.parquet")
    assert forecasts["week"].min() == pd.Timestamp("2023-10-09")
    assert forecasts["horizon"].min() == 2
    assert forecasts["horizon"].max() == 8
    assert forecasts.groupby("week")["store"].nunique().eq(40).all()


@pytest.mark.xdist_group("corner")
def test_a_table_of_shops_and_days_is_known_ahead_of_their_weeks(corner: Project) -> None:
    known = read(corner, "03_primary/turnover/future_covariates.parquet")
    festivals = pd.read_csv(corner.folder.parent / "raw" / "festivals.csv", parse_dates=["Date"])
    festivals["week"] = festivals["Date"] - pd.to_timedelta(festivals["Date"].dt.dayofweek, unit="D")
    weeks = festivals[festivals["week"].isin(known["week"])]
    found = known[known["festival"] == 1]
    assert set(zip(found["store"], found["week"], strict=True)) == set(
        zip(weeks["Store"], weeks["week"], strict=True)
    )
    assert known["festival"].isin([0, 1]).all()
    reasons = read(corner, "07_model_output/turnover/attributions.parquet").merge(found)
    assert (reasons["future_covariates"] > 0).mean() > 0.9
    described = json.loads(corner.path("02_intermediate/turnover/data_version.json").read_text())
    assert described["files"]["festivals"]["rows"] == len(festivals)


def test_without_a_file_of_weeks_all_that_sells_is_forecast_as_far_as_one_setting_says(
    copied: Copied, tmp_path: Path
) -> None:
    project = copied(tmp_path / "project")
    globals_file = project.folder / "conf/local/globals.yml"
    globals_file.parent.mkdir(exist_ok=True)
    globals_file.write_text("turnover: {files: {forecast_index: null}}\n")
    options = ("--pipelines", "data_processing", "--namespaces", "turnover", "--params", "horizon_weeks=13")
    code, output = project.run(*options)
    assert code == 0, output[-3000:]
    index = read(project, "02_intermediate/turnover/forecast_index.parquet")
    last = read(project, "03_primary/turnover/panel.parquet")["week"].max()
    assert sorted(index["week"].unique()) == [last + pd.Timedelta(weeks=ahead) for ahead in range(1, 14)]
    assert index.groupby(["store", "department"]).size().eq(13).all()
