"""Twelve weeks of a small chain by the real commands, five deliveries of which went wrong.

The only method repeats last year, so that every published number is known by hand.
"""

import os
import re
import shlex
import signal
import subprocess
import sys
from collections.abc import Callable
from dataclasses import dataclass
from datetime import date
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import yaml
from benchmarks.dirty_deliveries import half_the_stores, older_file, restated, times, zero_week
from sqlalchemy import Engine, create_engine

from projects import REPOSITORY, Project, only_last_year
from publications import rows
from sales_forecast.forecasting.panel.matrix import ROW_KEYS
from sales_forecast.pipelines.retention import RetentionParams
from sales_forecast.published_files import KEPT
from sales_forecast.storage.queries import newest_run
from sales_forecast.storage.turnover import turnover_as_of

pytestmark = pytest.mark.xdist_group("weekly")

STORES, DEPARTMENTS, HISTORY, HORIZON = range(1, 25), (10, 20), 130, 8
FIRST = pd.Timestamp("2015-01-03")
YEAR, WEEK = pd.Timedelta(weeks=52), pd.Timedelta(weeks=1)
TWELVE = 12

DIRTY: dict[int, Callable[[pd.DataFrame], pd.DataFrame]] = {
    2: zero_week,
    4: times(1000),
    6: half_the_stores,
    8: older_file,
    10: restated(0.2),
}
"""Delivery -> what went wrong with it; the last one is right after all, and accepted by hand."""

BY_HAND = 10


def truth() -> pd.DataFrame:
    """What was sold in all weeks: a size for each series, a season, a tenth more each year, and noise."""
    weeks = pd.date_range(FIRST, periods=HISTORY + TWELVE + 2, freq="7D")
    index = pd.MultiIndex.from_product([STORES, DEPARTMENTS, weeks], names=["store", "department", "week"])
    sales = index.to_frame(index=False)
    number = (sales["week"] - FIRST).dt.days // 7
    size = 1000 + 40 * sales["store"] + 20 * sales["department"]
    noise = np.random.default_rng(5).normal(0, 0.05, len(sales))
    turnover = size * (1 + 0.4 * np.sin(2 * np.pi * number / 52)) * 1.1 ** (number / 52) * np.exp(noise)
    return sales.assign(turnover=turnover.round(2))


def write(folder: Path, sales: pd.DataFrame) -> Path:
    """The files of a delivery, as the retailer sends them."""
    (folder / "turnover").mkdir(parents=True)
    named = {"store": "but_num_business_unit", "department": "dpt_num_department", "week": "day_id"}
    sales.rename(columns=named).to_csv(folder / "turnover/train.csv.gz", index=False)
    stores = pd.DataFrame(
        {
            "but_num_business_unit": STORES,
            "but_postcode": [f"{59000 + store}" for store in STORES],
            "but_latitude": 50.0,
            "but_longitude": 3.0,
            "but_region_idr_region": [1 + store % 2 for store in STORES],
            "zod_idr_zone_dgr": 1,
        }
    )
    stores.to_csv(folder / "turnover/bu_feat.csv.gz", index=False)
    return folder


@dataclass
class Life:
    """What happened: a project, and what each of its deliveries said."""

    project: Project
    outputs: list[tuple[int, str]]
    delivered: list[pd.DataFrame]

    @property
    def database(self) -> Engine:
        return create_engine(f"sqlite:///{self.project.folder}/sales_forecast.db")

    def published(self) -> list[dict]:
        return rows(self.database, "forecast_runs")


@pytest.fixture(scope="module")
def life(copied: Callable[[Path], Project], tmp_path_factory: pytest.TempPathFactory) -> Life:
    """One delivery a week, each read by the command of the schedule; what is held is not used."""
    folder = tmp_path_factory.mktemp("weekly")
    project = copied(folder / "project")
    only_last_year(project)
    sales, life = truth(), Life(project, [], [])
    for number in range(TWELVE + 1):
        until = sales[sales["week"] < FIRST + (HISTORY + number) * WEEK]
        sent = DIRTY.get(number, lambda rows: rows)(until)
        place = write(folder / f"delivery{number}", sent)
        given = ("--params", f"raw_folder={place}")
        stage = ("--namespaces", "turnover") if number == 0 else ("--pipelines", "refresh")
        life.outputs.append(project.run(*stage, *given))
        if number == BY_HAND:
            held = rows(life.database, "deliveries")
            (identity,) = [row["id"] for row in held if row["folder"] == str(place)]
            accepted = project.command("deliveries", "accept", identity, "--why", "the auditors did that")
            assert accepted.exit_code == 0, accepted.output
            life.outputs[-1] = project.run(*stage, *given)
            sales = pd.concat([sent, sales[sales["week"] > sent["week"].max()]])
        life.delivered.append(sent)
    return life


def folder_of(life: Life, number: int) -> Path:
    return life.project.folder.parent / f"delivery{number}"


def published_files(life: Life) -> dict[Path, bytes]:
    """What people read in data/, all that is kept of a publication."""
    kept = life.project.path("publications/1")
    files = [file.relative_to(kept) for file in kept.rglob("*") if file.is_file()]
    assert len(files) == len(KEPT["turnover"])
    return {file: (life.project.folder / file).read_bytes() for file in files}


def used(number: int) -> bool:
    return number not in DIRTY or number == BY_HAND


def last_year(sales: pd.DataFrame) -> pd.DataFrame:
    """What the method must say after these weeks: the same weeks of last year."""
    last = sales["week"].max()
    ahead = sales.assign(week=sales["week"] + YEAR)
    wanted = ahead[(ahead["week"] > last) & (ahead["week"] <= last + HORIZON * WEEK)]
    return wanted.astype({"store": str, "department": str}).rename(columns={"turnover": "forecast"})


def test_good_deliveries_are_published_and_those_that_went_wrong_are_held(life: Life) -> None:
    for number, (code, output) in enumerate(life.outputs):
        assert (code == 0) == used(number), (number, output[-2000:])
        if not used(number):
            assert "is held, and what serves goes on as it was" in output, number


def test_every_publication_says_what_last_year_says_of_the_data_it_was_made_from(life: Life) -> None:
    good = [sales for number, sales in enumerate(life.delivered) if used(number)]
    runs = life.published()
    assert len(runs) == len(good) == 9
    forecasts = pd.DataFrame(rows(life.database, "forecasts"))
    for run, sales in zip(runs, good, strict=True):
        assert run["cutoff"] == sales["week"].max().date()
        found = forecasts[forecasts["run"] == run["id"]]
        found = found.assign(week=pd.to_datetime(found["week"])).set_index(ROW_KEYS)["forecast"]
        wanted = last_year(sales).set_index(ROW_KEYS)["forecast"]
        assert len(found) == len(STORES) * len(DEPARTMENTS) * HORIZON
        pd.testing.assert_series_equal(found.sort_index(), wanted.sort_index(), rtol=1e-12)


def test_the_ledger_is_whole_and_names_data_delivery_and_model_of_each_publication(life: Life) -> None:
    result = life.project.command("ledger", "verify")
    assert result.exit_code == 0, result.output
    assert result.output.startswith("9 of 9 publication(s) are in the chain. Last link: ")
    runs, deliveries = life.published(), rows(life.database, "deliveries")
    assert len({run["data_version"] for run in runs}) == len({run["delivery"] for run in runs}) == 9
    assert all(run["model_data_version"] == run["data_version"] for run in runs)
    states = {row["id"]: row["state"] for row in deliveries}
    assert {states[run["delivery"]] for run in runs} == {"accepted"}
    assert sorted(state for state in states.values()) == ["accepted"] * 9 + ["held"] * 4
    assert [row["why"] for row in deliveries if row["why"]] == ["the auditors did that"]


def test_what_was_known_when_is_what_was_delivered_then(life: Life) -> None:
    good = [sales for number, sales in enumerate(life.delivered) if used(number)]
    for run, sales in zip(life.published(), good, strict=True):
        with life.database.connect() as connection:
            known = turnover_as_of(connection, run["made_at"], run["retailer"])
        assert len(known) == len(sales)
        assert sum(row["turnover"] for row in known) == pytest.approx(sales["turnover"].sum(), rel=1e-12)


def test_a_publication_can_be_made_again_to_the_last_digit(life: Life) -> None:
    result = life.project.command("ledger", "replay", "4")
    assert result.exit_code == 0, result.output
    assert "equal to the last digit (relative)" in result.output


def test_the_past_can_be_asked_by_the_clock_and_by_the_last_known_week(life: Life) -> None:
    run = life.published()[2]
    asked = ("ledger", "show", "--store", "3", "--department", "20")
    by_week = life.project.command(*asked, "--cutoff", str(run["cutoff"]))
    moment = f"{run['made_at']:%Y-%m-%d %H:%M:%S}"
    assert f"Publication {run['id']} of " in by_week.output
    by_clock = life.project.command(*asked, "--as-of", moment)
    assert by_clock.exit_code == 0, by_clock.output
    assert f"Publication {run['id'] - 1} of " in by_clock.output, "before the second had passed"


def test_a_withdrawal_brings_back_the_files_and_the_next_delivery_goes_on(life: Life) -> None:
    newest, before = life.published()[-1], life.published()[-2]
    file = life.project.path("07_model_output/turnover/forecasts.parquet")
    published = pd.read_parquet(file)
    result = life.project.command("ledger", "withdraw", str(newest["id"]), "--why", "a test")
    assert result.exit_code == 0, result.output
    assert f"Publication {before['id']} of " in result.output
    restored = pd.read_parquet(file)
    assert set(restored["data_version"]) == {before["data_version"]}
    assert restored["week"].min().date() == before["cutoff"] + (date(2000, 1, 8) - date(2000, 1, 1))
    files = published_files(life)
    code, output = life.project.run(
        "--pipelines", "refresh", "--params", f"raw_folder={folder_of(life, TWELVE)}"
    )
    assert code == 1, output[-2000:]
    assert f"these are the numbers of publication {newest['id']}, which was withdrawn (a test)" in output
    assert published_files(life) == files, "those of what serves, and not the withdrawn ones again"
    result = life.project.command("ledger", "restore", str(newest["id"]), "--why", "it was right")
    assert result.exit_code == 0, result.output
    pd.testing.assert_frame_equal(pd.read_parquet(file), published)


# --- killed, and two at once ---------------------------------------------------------------------------

KILLED = """
import os, signal, sys
from kedro.framework.hooks import hook_impl
from kedro.framework.startup import bootstrap_project
import sales_forecast.settings as settings

class Killer:
    @hook_impl
    def {when}(self, dataset_name):
        if dataset_name == "turnover.{dataset}":
            os.kill(os.getpid(), signal.SIGKILL)

settings.HOOKS = (*settings.HOOKS, Killer())
bootstrap_project(os.getcwd())
from sales_forecast.cli import cli
cli(["run", "--pipelines", "refresh", "--params", "raw_folder={folder}"])
"""

STEPS = {
    "delivery": "before_dataset_saved",
    "serving": "after_dataset_saved",
    "publication": "before_dataset_saved",
}
"""Dataset -> when the process is killed: nothing is written yet; a new model serves; all but published."""


def script(project: Project, text: str) -> subprocess.Popen[str]:
    """A process that runs this text: from a file, as pyspark ends a `python -c` that imports it."""
    file = project.folder.parent / "script.py"
    file.write_text(text)
    return python(project, str(file))


def python(project: Project, *arguments: str) -> subprocess.Popen[str]:
    environment = os.environ | {"PYTHONPATH": str(project.folder / "src"), "COLUMNS": "200"}
    pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.STDOUT, "stdin": subprocess.DEVNULL}
    return subprocess.Popen(
        [sys.executable, *arguments], cwd=project.folder, env=environment, text=True, **pipes
    )


def serving(life: Life) -> int:
    with life.database.connect() as connection:
        run = newest_run(connection, "turnover")
    assert run is not None
    return run.id


def test_a_refresh_that_is_killed_leaves_what_serves_and_two_at_once_publish_once(life: Life) -> None:
    sales = life.delivered[-1]
    more = truth()
    new = more[more["week"] == sales["week"].max() + WEEK]
    place = write(life.project.folder.parent / "next", pd.concat([sales, new]))
    before, files = serving(life), published_files(life)
    for dataset, when in STEPS.items():
        killed = script(life.project, KILLED.format(when=when, dataset=dataset, folder=place))
        output, _ = killed.communicate()
        assert killed.returncode == -signal.SIGKILL, (dataset, output[-2000:])
        assert serving(life) == before, dataset
    assert published_files(life) != files
    older = life.project.run("--pipelines", "refresh", "--params", f"raw_folder={folder_of(life, 8)}")
    assert older[0] == 1, "it is held"
    assert published_files(life) == files, "the next run has brought them back"
    run = ("-m", "kedro", "run", "--pipelines", "refresh", "--params", f"raw_folder={place}")
    both = [python(life.project, *run) for _ in range(2)]
    outputs = [process.communicate()[0] for process in both]
    assert [process.returncode for process in both] == [0, 0], outputs
    assert sum("Another run is under way in this project" in output for output in outputs) == 1
    assert serving(life) == before + 1
    assert life.project.command("ledger", "verify").exit_code == 0
    last = pd.read_parquet(life.project.path("07_model_output/turnover/forecasts.parquet"))
    assert last["week"].min() == new["week"].max() + WEEK


DELIVERY_KILLED = """
import os, signal
import sales_forecast.deliveries.dataset as dataset
from sales_forecast.__main__ import app

def killed(*arguments):
    os.kill(os.getpid(), signal.SIGKILL)

dataset.record_delivery = killed
app(["deliver", "{folder}"])
"""


def test_a_delivery_that_is_killed_before_it_is_recorded_comes_again(life: Life) -> None:
    sales = life.delivered[-1]
    place = write(life.project.folder.parent / "late", sales[sales["week"] > FIRST])
    before, recorded = serving(life), rows(life.database, "deliveries")
    killed = script(life.project, DELIVERY_KILLED.format(folder=place))
    output, _ = killed.communicate()
    assert killed.returncode == -signal.SIGKILL, output[-2000:]
    assert rows(life.database, "deliveries") == recorded
    again = life.project.command("deliver", str(place))
    assert "known values missing" in again.output, again.output
    assert len(rows(life.database, "deliveries")) == len(recorded) + 1
    assert serving(life) == before


def test_a_withdrawal_that_is_killed_can_be_finished(life: Life, monkeypatch: pytest.MonkeyPatch) -> None:
    newest = serving(life)
    file = life.project.path("07_model_output/turnover/forecasts.parquet")
    published = file.read_bytes()
    monkeypatch.setattr("sales_forecast.pipelines.ledger_cli.bring_back_files", _killed)
    assert life.project.command("ledger", "withdraw", str(newest), "--why", "a test").exit_code != 0
    assert serving(life) < newest, "the database is right before the files are"
    assert file.read_bytes() == published
    monkeypatch.undo()
    assert life.project.command("ledger", "withdraw", str(newest), "--why", "a test").exit_code == 0
    assert file.read_bytes() != published
    assert life.project.command("ledger", "restore", str(newest), "--why", "a test").exit_code == 0
    assert file.read_bytes() == published


def _killed(publication: int, root: str) -> int:
    raise KeyboardInterrupt


# --- the guide -------------------------------------------------------------------------------------------


def test_the_commands_of_the_guide_do_what_it_says(life: Life) -> None:
    """Line by line, on the next delivery; the numbers in the guide are those of this life."""
    known, more = life.delivered[-1], truth()
    inbox = write(
        life.project.folder.parent / "inbox", pd.concat([known, more[more["week"] > known["week"].max()]])
    )
    folder = str(folder_of(life, 4))
    (held,) = {row["id"] for row in rows(life.database, "deliveries") if row["folder"] == folder}
    blocks = re.findall(r"```bash\n(.*?)```", (REPOSITORY / "docs/weekly.md").read_text(), flags=re.DOTALL)
    lines = [line for block in blocks for line in block.splitlines() if not line.startswith("source ")]
    assert len(lines) == 19
    for line in lines:
        given = line.replace("/data/inbox/monday", str(inbox)).replace("5225a42c13df", held)
        program, *arguments = shlex.split(given, comments=True)
        if program == "kedro":
            code, output = life.project.run(*arguments[1:])
        else:
            result = life.project.command(*arguments)
            code, output = result.exit_code, result.output
        assert code == 0, (line, output[-2000:])


# --- what is kept ----------------------------------------------------------------------------------------


def test_what_is_older_than_it_is_kept_goes_and_what_serves_stays(life: Life) -> None:
    """The last of all: it removes what the others look at."""
    nothing = life.project.command("retention")
    assert nothing.output == "Nothing is older than it is kept.\n"
    file = life.project.folder / "conf/local/globals.yml"
    settings = yaml.safe_load(file.read_text())
    file.write_text(yaml.safe_dump(settings | {"retention": dict.fromkeys(RetentionParams.model_fields, 0)}))
    before, runs = serving(life), life.published()
    preview = life.project.command("retention", "--dry-run")
    assert preview.exit_code == 0, preview.output
    assert len(rows(life.database, "forecasts")) == len(runs) * len(STORES) * len(DEPARTMENTS) * HORIZON
    removed = life.project.command("retention")
    assert removed.exit_code == 0, removed.output
    assert removed.output.split()[1:] == preview.output.split()[3:], "the same, but for the title"
    assert {row["run"] for row in rows(life.database, "forecasts")} == {before}
    verified = life.project.command("ledger", "verify")
    assert verified.exit_code == 0, verified.output
    assert f"{len(runs) - 1} whose numbers were removed" in verified.output
    gone = life.project.command("ledger", "replay", "1")
    assert gone.exit_code == 1
    assert "the archive lacks" in gone.output
    again = life.project.command("ledger", "replay", str(before))
    assert "equal to the last digit" in again.output, again.output
    assert life.project.command("retention").output == "Nothing is older than it is kept.\n"
