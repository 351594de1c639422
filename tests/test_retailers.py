"""A model belongs to its data: another retailer's files in the same project, and back, without any option."""

import json
import shutil
from collections.abc import Iterator
from pathlib import Path

import pandas as pd
import pytest
import yaml
from mlflow import MlflowClient
from sqlalchemy import Engine

from projects import SMALL, Project, copy_finished, rewrite_csv
from publications import rows
from sales_forecast.registry.store import Registry
from sales_forecast.storage.database import open_database

pytestmark = pytest.mark.xdist_group("retailers")

SALES, INDEX, STORES = (f"turnover/{name}.csv.gz" for name in ("train", "test", "bu_feat"))
STORE, DEPARTMENT = "but_num_business_unit", "dpt_num_department"

TINY = SMALL | {
    "backtest": {"folds": 1},
    "methods": {
        "blend": {
            "alternatives": {"this_season": ["ridge"], "all_seasons": ["ridge"], "growth": ["growth_naive"]},
            "validation": {"windows": 1, "stride_weeks": 8},
        }
    },
}
"""One fold, and a blend without boosting: runs whose accuracy does not matter."""


def write_harbour(sample: Path, folder: Path) -> None:
    """Ten stores with labels of the sample and its last week; they have sold something else."""

    def few(table: pd.DataFrame) -> pd.DataFrame:
        return table[table[STORE].astype(int).between(120, 129)]

    shutil.copytree(sample, folder)
    rewrite_csv(folder / SALES, lambda table: few(table).assign(turnover=_doubled(table["turnover"])))
    for file in (INDEX, STORES):
        rewrite_csv(folder / file, few)


def _doubled(amounts: pd.Series) -> pd.Series:
    return 2 * amounts.astype(float)


def write_other_departments(sample: Path, folder: Path) -> None:
    """The stores and weeks of the sample, with departments that it does not have."""

    def rename(table: pd.DataFrame) -> pd.DataFrame:
        return table.assign(**{DEPARTMENT: "1" + table[DEPARTMENT]})

    shutil.copytree(sample, folder)
    for file in (SALES, INDEX):
        rewrite_csv(folder / file, rename)


def run(project: Project, *arguments: str) -> str:
    code, output = project.run(*arguments)
    assert code == 0, output[-3000:]
    return output


def decisions(project: Project, domain: str) -> dict[str, list[str]]:
    """What was decided on each version, by registered model."""
    client = MlflowClient(tracking_uri=f"sqlite:///{project.folder}/mlflow.db")
    names = [found.name for found in client.search_registered_models() if f".{domain}" in found.name]
    return {
        name: [found.tags["decision"].partition(":")[0] for found in Registry(client, name).versions()]
        for name in names
    }


@pytest.fixture(scope="module")
def project(small: Project, tmp_path_factory: pytest.TempPathFactory) -> Project:
    """After the sample, the files of another retailer were run; their folder is called harbour."""
    project = copy_finished(small, tmp_path_factory.mktemp("retailers") / "project")
    (project.folder / "conf" / "local" / "parameters.yml").write_text(yaml.safe_dump({"turnover": TINY}))
    harbour = project.folder.parent / "harbour"
    write_harbour(project.path("01_raw"), harbour)
    run(project, "--params", f"raw_folder={harbour}")
    return project


@pytest.fixture
def database(project: Project) -> Iterator[Engine]:
    engine = open_database(f"sqlite:///{project.folder}/sales_forecast.db")
    yield engine
    engine.dispose()


def retailer(project: Project, domain: str = "turnover") -> tuple[str, str]:
    """Whose files ``data/`` holds, and how it was found."""
    stated = json.loads(project.path(f"02_intermediate/{domain}/retailer.json").read_text())
    return stated["name"], stated["reason"]


def stores_of_forecasts(project: Project) -> set[int]:
    return set(pd.read_parquet(project.path("07_model_output/turnover/forecasts.parquet"))["store"])


def test_another_retailer_gets_a_champion_of_its_own(project: Project) -> None:
    for domain in ("turnover", "marketing"):
        model = f"sales_forecast.{domain}"
        assert decisions(project, domain) == {model: ["first"], f"{model}.harbour": ["first"]}
        assert retailer(project, domain)[0] == "harbour"
    assert stores_of_forecasts(project) == set(range(120, 130))
    described = json.loads(project.path("02_intermediate/turnover/data_version.json").read_text())
    assert described["retailer"] == "harbour"
    report = project.path("08_reporting/data_science.html").read_text()
    assert "of sales_forecast.turnover.harbour serves" in report


def test_the_database_keeps_the_rows_of_both(project: Project, database: Engine) -> None:
    runs = [(row["domain"], row["retailer"]) for row in rows(database, "forecast_runs")]
    assert sorted(runs) == [
        (domain, retailer) for domain in ("marketing", "turnover") for retailer in ("default", "harbour")
    ]
    turnover = pd.DataFrame(rows(database, "weekly_turnover"))
    assert turnover.groupby("retailer")["store"].nunique().to_dict() == {"default": 40, "harbour": 10}


def test_back_on_the_sample_its_own_champion_forecasts(project: Project) -> None:
    """Stage by stage: a stage that reads no raw file takes the retailer whose files are in ``data/``."""
    run(project, "--pipelines", "data_processing")
    assert retailer(project) == ("default", "160 of 160 series are among its 160")
    run(project, "--pipelines", "inference")
    assert len(stores_of_forecasts(project)) == 40
    forecasts = pd.read_parquet(project.path("07_model_output/turnover/forecasts.parquet"))
    assert set(forecasts["model_version"]) == {"1"}
    assert decisions(project, "turnover")["sales_forecast.turnover"] == ["first"]


def test_other_departments_with_the_same_last_week_are_not_newer_data(project: Project) -> None:
    own = copy_finished(project, project.folder.parent / "departments" / "project")
    folder = own.folder.parent / "aisles"
    write_other_departments(own.path("01_raw"), folder)
    only_turnover = ("--pipelines", "data_processing", "--namespaces", "turnover")
    run(own, *only_turnover, "--params", f"raw_folder={folder}")
    assert retailer(own) == ("aisles", "seen for the first time")


def test_a_name_that_does_not_fit_the_files_stops_the_run_before_anything_is_written(
    project: Project,
) -> None:
    before = project.outputs()
    code, output = project.run("--params", "retailer=harbour")
    assert code == 1
    assert "turnover/train.csv.gz: these are not the series of retailer 'harbour'" in output
    assert "0 of 160 series are among its 40" in output
    code, output = project.run("--params", "retailer=a/b")
    assert (code, "'a/b' cannot be the name of a retailer" in output) == (1, True)
    assert project.outputs() == before


def test_commands_mean_the_retailer_whose_files_are_in_data(project: Project) -> None:
    """Which is the sample since the test above."""
    listed = project.command("models", "list").stdout
    assert "sales_forecast.turnover.harbour" in listed
    assert "sales_forecast.marketing.harbour" in listed
    assert "sales_forecast.turnover version 1" in project.command("models", "show", "turnover").stdout
    of_harbour = project.command("models", "show", "turnover", "--retailer", "harbour").stdout
    assert "sales_forecast.turnover.harbour version 1" in of_harbour
    unknown = project.command("models", "rollback", "turnover", "--why", "x", "--retailer", "nobody")
    assert "there is no retailer 'nobody'" in unknown.stderr
    assert "2 retailer(s): default, harbour" in unknown.stderr
    stated = project.path("02_intermediate/turnover/retailer.json")
    kept = stated.read_text()
    stated.unlink()
    unclear = project.command("models", "promote", "turnover", "1", "--why", "x")
    assert (unclear.exit_code, "Name the one that is meant: --retailer default" in unclear.stderr) == (
        1,
        True,
    )
    stated.write_text(kept)
