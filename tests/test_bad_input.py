"""Each kind of bad input: one clear message, a non-zero exit, and the previous outputs untouched."""

import gzip
import shutil
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import pandas as pd
import pytest

from projects import Project, copy_finished, rewrite_csv

pytestmark = pytest.mark.xdist_group("bad input")

SALES, TARGETS, STORES = "turnover/train.csv.gz", "turnover/test.csv.gz", "turnover/bu_feat.csv.gz"
BUDGETS = "marketing/tvmarketing.csv"


def put(column: str, value: str, *rows: int) -> Callable[[pd.DataFrame], pd.DataFrame]:
    def change(table: pd.DataFrame) -> pd.DataFrame:
        table.loc[list(rows), column] = value
        return table

    return change


@dataclass(frozen=True)
class Bad:
    """One broken file and what the message must say about it."""

    file: str
    change: Callable[[pd.DataFrame], pd.DataFrame]
    says: tuple[str, ...]


BAD = {
    "a column is there twice": Bad(
        SALES,
        lambda table: table.assign(again=table["turnover"]).rename(columns={"again": "turnover"}),
        ("1 column(s) more than once in the header: 'turnover' 2 times", "remove the others"),
    ),
    "a column is missing": Bad(
        SALES,
        lambda table: table.drop(columns="turnover"),
        ("1 column(s) missing: turnover", "day_id", "globals.yml"),
    ),
    "text in a number column": Bad(
        SALES,
        put("turnover", "n/a", 0, 15, 40, 41),
        ("'turnover': 4 value(s) that are not numbers", "row 2: 'n/a', row 17: 'n/a', row 42: 'n/a'"),
    ),
    "a day that no calendar has": Bad(
        SALES,
        put("day_id", "2016-02-30", 7),
        ("'day_id': 1 value(s) that are not dates of the form %Y-%m-%d", "row 9: '2016-02-30'"),
    ),
    "a week off the grid": Bad(
        SALES,
        put("day_id", "2016-02-03", 7, 8),
        ("'day_id': 2 value(s) that are not a Saturday but a Wednesday", "row 9: '2016-02-03'"),
    ),
    "the same key twice": Bad(
        SALES,
        lambda table: pd.concat([table, table.iloc[[3, 4]]]),
        ("'but_num_business_unit' + 'dpt_num_department' + 'day_id': 2 value(s) that repeat",),
    ),
    "a store that nobody knows": Bad(
        SALES, put("but_num_business_unit", "9999", 5), ("are not in the stores of", "row 7: 9999")
    ),
    "an infinite value": Bad(
        SALES, put("turnover", "inf", 5), ("'turnover': 1 value(s) that are infinite", "row 7: inf")
    ),
    "a word among numbered departments": Bad(
        SALES,
        put("dpt_num_department", "n/a", 5),
        ("'dpt_num_department': 1 value(s) that are not whole numbers", "row 7: 'n/a'"),
    ),
    "a blank key": Bad(
        SALES, put("dpt_num_department", "", 5), ("'dpt_num_department': 1 value(s)", "missing")
    ),
    "a header without rows": Bad(SALES, lambda table: table.iloc[:0], ("has a header but no rows",)),
    "a week to forecast that is past": Bad(
        TARGETS, put("day_id", "2017-09-30", 0), ("are not after 2017-09-30", "row 2")
    ),
    "a store listed twice": Bad(
        STORES,
        lambda table: pd.concat([table, table.iloc[[0]]]),
        ("'but_num_business_unit': 1 value(s)", "repeat"),
    ),
    "a latitude in words": Bad(
        STORES, put("but_latitude", "north", 2), ("are not numbers", "row 4: 'north'")
    ),
    "a negative budget": Bad(
        BUDGETS, put("TV", "-3", 9), ("'TV': 1 value(s) that are negative", "row 11: -3")
    ),
    "no budget at all": Bad(BUDGETS, put("TV", "", 9), ("'TV': 1 value(s) that are missing",)),
}


@pytest.fixture(scope="module")
def project(small: Project, tmp_path_factory: pytest.TempPathFactory) -> Project:
    """A finished project that tests may run again."""
    return copy_finished(small, tmp_path_factory.mktemp("bad") / "project")


@pytest.mark.parametrize("case", BAD.values(), ids=BAD.keys())
def test_a_bad_file_is_named_and_nothing_else_happens(case: Bad, project: Project, tmp_path: Path) -> None:
    before = project.outputs()
    shutil.copytree(project.path("01_raw"), tmp_path / "raw")
    rewrite_csv(tmp_path / "raw" / case.file, case.change)

    code, output = project.run("--params", f"raw_folder={tmp_path / 'raw'}")

    message = output[output.index("Error: ") :]
    assert code == 1
    assert case.file in message
    for words in case.says:
        assert words in message
    assert "Traceback" not in output
    assert project.outputs() == before


def test_a_file_that_is_not_there_is_named_with_the_way_out(project: Project, tmp_path: Path) -> None:
    before = project.outputs()
    code, output = project.run("--params", f"raw_folder={tmp_path / 'nowhere'}")
    assert code == 1
    assert "nowhere" in output
    assert "raw_folder" in output
    assert "Traceback" not in output
    assert project.outputs() == before


def test_the_command_exits_non_zero_with_the_message_alone(project: Project, tmp_path: Path) -> None:
    shutil.copytree(project.path("01_raw"), tmp_path / "raw")
    rewrite_csv(tmp_path / "raw" / SALES, put("turnover", "n/a", 0))
    result = project.kedro("run", "--params", f"raw_folder={tmp_path / 'raw'}")
    assert result.returncode == 1
    assert "Error: turnover/train.csv.gz: 1 bad row(s)" in result.stdout + result.stderr
    assert "Traceback" not in result.stdout + result.stderr


def test_a_file_that_is_no_archive_is_named_with_what_to_do(project: Project, tmp_path: Path) -> None:
    before = project.outputs()
    shutil.copytree(project.path("01_raw"), tmp_path / "raw")
    (tmp_path / "raw" / SALES).write_text("day_id,turnover")
    code, output = project.run("--params", f"raw_folder={tmp_path / 'raw'}")
    assert code == 1
    assert "train.csv.gz cannot be read: Not a gzipped file" in output
    assert "compressed if its name ends in .gz" in output
    assert project.outputs() == before


@dataclass(frozen=True)
class Written:
    """Good files in another form, what the message says of it, and what it tells to put into globals.yml."""

    rewrite: Callable[[str], bytes]
    says: str
    remedy: str
    decimal_comma: bool = False


SEMICOLONS = "its columns seem to be separated by ';'", 'turnover: {read_csv: {sep: ";"}}'
WRITTEN = {
    "semicolons": Written(lambda text: text.replace(",", ";").encode(), *SEMICOLONS),
    "semicolons and decimal commas": Written(
        lambda text: text.replace(",", ";").replace(".", ",").encode(), *SEMICOLONS, decimal_comma=True
    ),
    "tabs": Written(
        lambda text: text.replace(",", "\t").encode(),
        "its columns seem to be separated by a tab",
        r'turnover: {read_csv: {sep: "\t"}}',
    ),
    "UTF-16": Written(
        lambda text: text.encode("utf-16"),
        "the file is in UTF-16",
        "turnover: {read_csv: {encoding: utf-16}}",
    ),
    "the encoding of Windows": Written(
        lambda text: "".join(f"{line},é\n" for line in text.splitlines()).encode("cp1252"),
        "the file is not in UTF-8; files from Excel or Windows are often in cp1252",
        "turnover: {read_csv: {encoding: cp1252}}",
    ),
}


@pytest.fixture(scope="module")
def told(copied: Callable[[Path], Project], tmp_path_factory: pytest.TempPathFactory) -> Project:
    """A project that is told how its files are written."""
    return copied(tmp_path_factory.mktemp("told") / "project")


@pytest.mark.parametrize("case", WRITTEN.values(), ids=WRITTEN.keys())
def test_files_in_another_form_are_told_what_to_set_and_that_helps(
    case: Written, project: Project, told: Project, tmp_path: Path
) -> None:
    before = project.outputs()
    shutil.copytree(project.path("01_raw"), tmp_path / "raw")
    for path in (tmp_path / "raw" / "turnover").glob("*.gz"):
        path.write_bytes(gzip.compress(case.rewrite(gzip.decompress(path.read_bytes()).decode())))
    run = ("--params", f"raw_folder={tmp_path / 'raw'}", "--namespaces", "turnover")

    code, output = project.run(*run)

    assert code == 1
    assert case.says in output
    assert f"put {case.remedy} into globals.yml of your environment (conf/local/ without --env)" in output
    assert "Traceback" not in output
    assert project.outputs() == before

    remedy = case.remedy.replace("}}", ', decimal: ","}}') if case.decimal_comma else case.remedy
    (told.folder / "conf" / "local" / "globals.yml").write_text(remedy)
    code, output = told.run(*run, "--pipeline", "data_processing")
    assert code == 0, output[-2000:]
    pd.testing.assert_frame_equal(
        pd.read_parquet(told.path("02_intermediate/turnover/sales.parquet")),
        pd.read_parquet(project.path("02_intermediate/turnover/sales.parquet")),
    )


def test_a_country_without_holidays_is_refused_before_anything_is_written(project: Project) -> None:
    before = project.outputs()
    code, output = project.run("--params", "turnover.calendar.country=ZZ")
    assert code == 1
    assert "turnover.calendar.country: 'ZZ'" in output
    assert project.outputs() == before


def test_a_misspelt_parameter_is_named(project: Project) -> None:
    before = project.outputs()
    code, output = project.run("--params", "turnover.backtest.horizn_weeks=8")
    assert code == 1
    assert "horizn_weeks" in output
    assert "Traceback" not in output
    assert project.outputs() == before


@pytest.mark.parametrize(
    ("option", "words"),
    [
        ("raw_foldr=/nowhere", "nothing reads 'raw_foldr'; did you mean 'raw_folder'?"),
        ("turnover.rangs.scale_share=0.2", "nothing reads 'turnover.rangs.scale_share'"),
        ("mlflow.requird=false", "did you mean 'mlflow.required'?"),
        ("colour=red", "the parameters are in conf/base/parameters"),
    ],
)
def test_a_parameter_that_nothing_reads_is_refused(project: Project, option: str, words: str) -> None:
    before = project.outputs()
    code, output = project.run("--params", option)
    assert code == 1
    assert words in output
    assert "Traceback" not in output
    assert project.outputs() == before


def test_a_cutoff_outside_the_data_is_refused_by_its_stage_too(project: Project) -> None:
    before = project.outputs()
    code, output = project.run("-p", "modelling", "--params", "turnover.backtest.cutoffs=[2031-01-04]")
    assert code == 1
    assert "turnover.backtest.cutoffs" in output
    assert project.outputs() == before


IMPOSSIBLE = {
    "turnover.backtest.cutoffs=[2031-01-04]": ["turnover.backtest.cutoffs", "2031-01-04"],
    "turnover.backtest.horizon_weeks=9": [
        "turnover.methods.blend.members.boosting.max_horizon_weeks: 8 is too few, "
        "turnover.backtest.horizon_weeks wants 9 (as in turnover.methods.blend.members.boosting_together.max",
    ],
    "turnover.methods.blend.members.ridge.max_horizon_weeks=7": [
        "turnover.methods.blend.members.ridge.max_horizon_weeks: 7 is too few",
        "the file of weeks to forecast (turnover.read.max_horizon_weeks leaves later ones out) wants 8",
    ],
    "turnover.methods.blend.members.boosting.partition=[brand]": [
        "turnover.methods.blend.members.boosting.partition: brand is no column",
        "department, store, postcode",
    ],
    "turnover.methods.headline={type: seasonal_naive}": [
        "turnover.methods",
        "cannot be called headline",
    ],
    "turnover.intervals.stride_weeks=0": ["turnover.intervals.stride_weeks: must be greater than 0, not 0"],
    "turnover.methods.blend.alternatives.growth=[theta]": ["alternatives: theta is no member"],
    "turnover.methods.blend.enough_weeks=9": ["'turnover.methods.blend.enough_weeks' exists no more"],
    "turnover.intervals.scale_share=-1": ["turnover.intervals.scale_share: must be greater than 0, not -1"],
    "turnover.intervals.weeks=8": ["turnover.intervals.weeks: there is no such option"],
    "turnover.evaluation.baseline=last_year": ["turnover.evaluation.baseline", "seasonal_naive"],
}


@pytest.mark.parametrize("option", IMPOSSIBLE)
def test_what_cannot_work_is_refused_before_anything_is_written(project: Project, option: str) -> None:
    before = project.outputs()
    code, output = project.run("--params", option)
    assert code == 1
    for words in IMPOSSIBLE[option]:
        assert words in output
    assert "Traceback" not in output
    assert project.outputs() == before


def test_a_stage_whose_input_was_never_made_says_what_to_run(new_project: Project) -> None:
    code, output = new_project.run("-p", "modelling")
    assert code == 1
    assert "Run the stages before this one first" in output
    assert "Traceback" not in output


def test_bad_rows_can_be_set_aside_with_their_reason(project: Project, tmp_path: Path) -> None:
    shutil.copytree(project.path("01_raw"), tmp_path / "raw")
    rewrite_csv(tmp_path / "raw" / SALES, put("turnover", "n/a", 0, 15))
    rows = len(pd.read_parquet(project.path("02_intermediate/turnover/sales.parquet")))

    code, output = project.run(
        *("--pipeline", "data_processing", "--namespaces", "turnover"),
        *("--params", f"raw_folder={tmp_path / 'raw'},turnover.read.bad_rows=set_aside"),
    )

    assert code == 0, output
    rejected = pd.read_parquet(project.path("02_intermediate/turnover/rejected.parquet"))
    kept = pd.read_parquet(project.path("02_intermediate/turnover/sales.parquet"))
    assert list(rejected["row"]) == [2, 17]
    assert set(rejected["reason"]) == {"turnover: values that are not numbers"}
    assert len(kept) + len(rejected) == rows
