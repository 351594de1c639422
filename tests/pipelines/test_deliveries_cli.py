"""``sales-forecast deliver`` on files of all kinds, in a project that has no model yet."""

import gzip
import shlex
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from projects import Project, rewrite_csv
from publications import rows
from sales_forecast.storage.database import ready_database

SALES = "turnover/train.csv.gz"

pytestmark = pytest.mark.xdist_group("deliver")


@pytest.fixture(scope="module")
def project(copied: Callable[[Path], Project], tmp_path_factory: pytest.TempPathFactory) -> Project:
    return copied(tmp_path_factory.mktemp("deliver") / "project")


@pytest.fixture
def folder(project: Project, tmp_path: Path) -> Path:
    """The sample, for a test to spoil."""
    return Path(shutil.copytree(project.path("01_raw"), tmp_path / "in"))


def recorded(project: Project, folder: Path) -> list[tuple[str, list[str]]]:
    """Decisions about what came from a folder, with the checks that found something."""
    with ready_database(f"sqlite:///{project.folder}/sales_forecast.db") as engine:
        found = [row for row in rows(engine, "deliveries") if row["folder"] == str(folder)]
    return [(row["state"], [finding["check"] for finding in row["findings"]]) for row in found]


def cut_in_half(file: Path) -> None:
    content = file.read_bytes()
    file.write_bytes(content[: len(content) // 2])


SPOILED: dict[str, tuple[Callable[[Path], object], str]] = {
    "a blank": (
        lambda file: rewrite_csv(file, lambda table: table.assign(turnover="")),
        "value(s) that are missing",
    ),
    "half a file": (cut_in_half, "train.csv.gz cannot be read: "),
    "no archive": (lambda file: file.write_bytes(gzip.decompress(file.read_bytes())), "cannot be read: "),
    "a renamed column": (
        lambda file: rewrite_csv(file, lambda table: table.rename(columns={"turnover": "sold"})),
        "1 column(s) missing: turnover",
    ),
}


@pytest.mark.parametrize("kind", SPOILED)
def test_what_cannot_be_read_is_refused_with_the_reason_and_recorded(
    project: Project, folder: Path, kind: str
) -> None:
    spoil, says = SPOILED[kind]
    spoil(folder / SALES)
    result = project.command("deliver", str(folder))
    assert result.exit_code == 1, result.output
    assert says in result.output
    assert recorded(project, folder) == [("refused", ["contract"])]


def test_a_scheduler_can_tell_what_a_person_has_to_decide_from_an_error(
    project: Project, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    cut_in_half(folder / SALES)
    assert project.command("deliver", str(folder), "--held-exit-code", "3").exit_code == 3
    assert project.command("deliver", str(folder), "--held-exit-code", "3", "--params", "no=1").exit_code == 1


@pytest.mark.parametrize("kind", ["half a file", "a renamed column"])
def test_a_run_records_what_it_refuses_as_the_command_does_and_says_one_message(
    project: Project, folder: Path, kind: str
) -> None:
    """So that the alarm goes off where only the run is scheduled."""
    spoil, says = SPOILED[kind]
    spoil(folder / SALES)
    for _ in range(2):
        code, output = project.run("--pipelines", "refresh", "--params", f"raw_folder={folder}")
        assert code == 1
        assert output.count("Error: ") == 1, output
        assert says in output
        assert recorded(project, folder) == [("refused", ["contract"])]
    project.command("deliver", str(folder))
    assert recorded(project, folder) == [("refused", ["contract"])]


def test_bad_campaigns_are_no_delivery_of_turnover(project: Project, folder: Path) -> None:
    rewrite_csv(folder / "marketing/tvmarketing.csv", lambda table: table.iloc[:, :1])
    code, output = project.run("--params", f"raw_folder={folder}")
    assert code == 1, output
    assert "column(s) missing" in output
    assert recorded(project, folder) == []


def test_a_run_that_cannot_record_its_refusal_says_what_is_wrong_with_the_file(
    project: Project, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    cut_in_half(folder / SALES)
    monkeypatch.setenv("SALES_FORECAST_DATABASE_URL", f"sqlite:///{project.folder}/data")
    code, output = project.run("--pipelines", "refresh", "--params", f"raw_folder={folder}")
    assert code == 1
    assert "Error: " in output
    assert "train.csv.gz cannot be read: " in output


def test_a_good_file_is_not_refused_because_the_database_does_not_answer(
    project: Project, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SALES_FORECAST_DATABASE_URL", f"sqlite:///{project.folder}/data")
    result = project.command("deliver", str(folder))
    assert result.exit_code == 1
    assert "Error: the database sqlite:///" in result.output
    assert "refused" not in result.output


def test_a_missing_file_is_said_and_cannot_be_recorded(project: Project, folder: Path) -> None:
    (folder / SALES).unlink()
    result = project.command("deliver", str(folder))
    assert result.exit_code == 1
    assert "Put the file there" in result.output
    assert recorded(project, folder) == []


def test_the_next_command_is_one_that_works(project: Project, folder: Path) -> None:
    """Quoted for the shell, with the parameters that were given."""
    spaced = folder.rename(folder.with_name("with space"))
    result = project.command("deliver", str(spaced), "--params", "turnover.delivery.restated_at_most=0.5")
    assert result.exit_code == 0, result.output
    (line,) = [line for line in result.output.splitlines() if line.startswith("Next: ")]
    given = f"raw_folder={spaced},turnover.delivery.restated_at_most=0.5"
    assert shlex.split(line)[1:] == ["kedro", "run", "--pipelines", "refresh", "--params", given]


def test_a_retailer_can_be_named(project: Project, folder: Path) -> None:
    result = project.command("deliver", str(folder), "--params", "retailer=harbour")
    assert result.exit_code == 0, result.output
    assert "of retailer 'harbour': accepted" in result.output


@pytest.mark.parametrize(
    ("params", "code", "says"),
    [
        ("retaler=harbour", 1, "nothing reads 'retaler'; did you mean 'retailer'?"),
        ("harbour", 2, "'harbour' is not of the form name=value"),
    ],
)
def test_parameters_that_mean_nothing_are_refused(
    project: Project, folder: Path, params: str, code: int, says: str
) -> None:
    result = project.command("deliver", str(folder), "--params", params)
    assert (result.exit_code, says in result.output) == (code, True), result.output


def test_a_command_says_nothing_but_its_own(project: Project, folder: Path) -> None:
    command = [sys.executable, "-m", "sales_forecast", "deliver", str(folder)]
    found = subprocess.run(command, cwd=project.folder, capture_output=True, text=True, check=False)
    assert (found.returncode, found.stderr) == (0, "")
    assert [line.split()[0] for line in found.stdout.splitlines()] == ["Delivery", "Next:"]


def test_a_folder_that_kedro_cannot_be_given_is_refused(project: Project, folder: Path) -> None:
    result = project.command("deliver", str(folder.rename(folder.with_name("a, b"))))
    assert result.exit_code == 2
    assert "has a comma" in result.output
