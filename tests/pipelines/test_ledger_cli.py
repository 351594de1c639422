"""``sales-forecast ledger`` on hand-made publications: what it says, and what it does to files."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import pytest
import typer
from sqlalchemy import Engine, text
from typer.testing import CliRunner

from publications import publication, rows
from sales_forecast.__main__ import app
from sales_forecast.deliveries.delivery import Delivery, Finding
from sales_forecast.errors import InputError
from sales_forecast.pipelines import deliveries_cli, exceptions_cli, ledger_cli
from sales_forecast.published_files import kept_folder
from sales_forecast.storage.database import database_errors, open_database, upgrade, writing
from sales_forecast.storage.deliveries import record_delivery
from sales_forecast.storage.publications import publish

MONDAY = datetime(2017, 10, 2, 6, tzinfo=UTC)
FILE = Path("data/report.html")
WHY = ("--why", "wrong unit")


@pytest.fixture
def shop(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Engine]:
    """Publications 1 and 2 by the same model, and the files of the second one."""
    engine = open_database(f"sqlite:///{tmp_path}/shop.db")
    upgrade(engine)

    @contextmanager
    def opened(env: str) -> Iterator[Engine]:
        try:
            with database_errors(engine):
                yield engine
        except InputError as error:
            typer.echo(f"Error: {error}", err=True)
            raise typer.Exit(1) from error

    for commands in (deliveries_cli, ledger_cli, exceptions_cli):
        monkeypatch.setattr(commands, "open_configured", opened)
    monkeypatch.setenv("COLUMNS", "250")
    monkeypatch.setattr(ledger_cli, "_champion", lambda model, env: "1")
    monkeypatch.setattr(ledger_cli, "_root", lambda env: f"{tmp_path}/data")
    monkeypatch.chdir(tmp_path)
    for number in (1, 2):
        publish(engine, publication(100.0 * number, code={"git_commit": "c"}), MONDAY.replace(day=number + 1))
        kept = tmp_path / kept_folder("data", number) / FILE
        kept.parent.mkdir(parents=True)
        kept.write_text(f"publication {number}")
    FILE.write_text("publication 2")
    yield engine
    engine.dispose()


def said(*arguments: str) -> tuple[int, str]:
    found = CliRunner().invoke(app, list(arguments))
    return found.exit_code, " ".join((found.stdout + found.stderr).split())


def test_a_withdrawal_brings_the_files_back_and_says_what_it_did(shop: Engine) -> None:
    code, words = said("ledger", "withdraw", "2", *WHY)
    assert (code, FILE.read_text()) == (0, "publication 1")
    assert words.startswith(
        "Publication 2 is withdrawn. Publication 1 of 2017-10-02 06:00 UTC serves. 1 file(s)"
    )
    _, listing = said("ledger", "list")
    assert ": wrong unit" in listing


LONG = "the promotion plan of the region in the north was that of last year, see http://intranet/plans/2017/north"


@pytest.mark.parametrize("columns", ["80", "40"])
def test_a_narrow_terminal_or_a_pipe_cuts_no_id_no_date_and_no_word(
    shop: Engine, monkeypatch: pytest.MonkeyPatch, columns: str
) -> None:
    """Eighty columns are what a pipe, a schedule and many a terminal have."""
    said("ledger", "withdraw", "2", "--why", LONG)
    held = Finding(check="known values missing", severity="hold", text="gone")
    delivery = Delivery(
        id="5225a42c13df",
        folder="/in",
        retailer="harbour-and-sons",
        files={},
        findings=(held,) * 2,
        state="held",
        last_week=MONDAY.date(),
    )
    with writing(shop) as connection:
        record_delivery(connection, delivery, MONDAY)
    monkeypatch.setenv("COLUMNS", columns)
    first, *more = listed("ledger")
    assert first[:7] == ["2", "2017-10-03 06:00", "blend 1", "-", "d1", "-", "c"]
    assert first[7].startswith(f"{datetime.now(UTC):%Y-%m-%d}")
    reason = first[7] + "".join(row[7] for row in more if not row[0])
    assert "".join(LONG.split()) in "".join(reason.split())
    first, *more = listed("deliveries")
    assert first[:5] == ["5225a42c13df", "2017-10-02 06:00", "harbour-and-sons", "2017-10-02", "held"]
    found = "".join(row[6] for row in (first, *more))
    assert "".join(found.split()) == "hold:knownvaluesmissing(2times)"


def listed(*command: str) -> list[list[str]]:
    """Rows of cells, as printed line by line."""
    lines = CliRunner().invoke(app, [*command, "list"]).stdout.splitlines()
    return [[cell.strip() for cell in line.split("│")[1:-1]] for line in lines if line.startswith("│")]


def test_lists_fit_eighty_columns_where_their_words_do(shop: Engine, monkeypatch: pytest.MonkeyPatch) -> None:
    delivery = Delivery(id="5225a42c13df", folder="/in", files={}, state="accepted", last_week=MONDAY.date())
    with writing(shop) as connection:
        record_delivery(connection, delivery, MONDAY)
    monkeypatch.setenv("COLUMNS", "80")
    lines = CliRunner().invoke(app, ["deliveries", "list"]).stdout.splitlines()
    assert max(map(len, lines)) <= 80


def test_a_second_reason_is_not_dropped_in_silence(shop: Engine) -> None:
    said("ledger", "withdraw", "2", *WHY)
    code, words = said("ledger", "withdraw", "2", "--why", "another")
    assert code == 0
    assert "Publication 2 is withdrawn already (wrong unit; that reason stays)." in words


REASONED = (
    *(("ledger", "withdraw", "2"), ("ledger", "restore", "2"), ("deliveries", "accept", "a1")),
    *(("models", "rollback", "turnover"), ("models", "promote", "turnover", "1")),
)


@pytest.mark.parametrize("command", REASONED, ids=" ".join)
def test_a_reason_is_not_blank(shop: Engine, command: tuple[str, ...]) -> None:
    code, words = said(*command, "--why", "  ")
    assert code == 2
    assert "say why in a few words" in words
    assert rows(shop, "withdrawals") == []


def test_a_full_disk_is_not_blamed_on_the_database(shop: Engine, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(number: int, root: str) -> int:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(ledger_cli, "bring_back_files", full)
    code, words = said("ledger", "withdraw", "2", *WHY)
    assert code == 1
    assert (
        "Publication 1 of 2017-10-02 06:00 UTC serves, but its files could not be written to data/" in words
    )
    assert "No space left on device. Run this command again" in words
    assert "database" not in words
    monkeypatch.undo()


def test_when_nothing_serves_that_is_said_and_how_to_go_on(shop: Engine) -> None:
    said("ledger", "withdraw", "2", *WHY)
    code, words = said("ledger", "withdraw", "1", *WHY)
    assert code == 0
    assert "None serves any more; the files in data/ are still those of a withdrawn one." in words
    code, words = said("exceptions")
    assert code == 1
    assert "all 2 publication(s) of turnover are withdrawn" in words
    assert "sales-forecast ledger restore 2 --why" in words


@pytest.mark.parametrize(("champion", "warned"), [("1", True), ("2", False), (None, False)])
def test_a_model_that_still_answers_is_named_and_no_other(
    shop: Engine, monkeypatch: pytest.MonkeyPatch, champion: str | None, warned: bool
) -> None:
    """Publications 1 and 2 are by version 1, and 3, which serves, by version 2."""
    other = publication(300.0)
    made_by = {**other.made_by, "model_version": "2"}
    publish(shop, replace(other, made_by=made_by), MONDAY.replace(day=9))
    monkeypatch.setattr(ledger_cli, "_champion", lambda model, env: champion)
    _, words = said("ledger", "withdraw", "2", *WHY)
    assert ("Version 1 of blend still answers live requests" in words) is warned


def test_who_is_unknown_is_said(shop: Engine) -> None:
    code, words = said("exceptions", "--retailer", "harbour")
    assert (code, words) == (1, "Error: nothing is published for retailer 'harbour'; there is: default")
    code, words = said("ledger", "list", "--domain", "sales")
    assert code == 2
    assert "'sales' is not one of 'turnover', 'marketing'" in words


def test_a_ledger_that_was_changed_is_not_called_whole(shop: Engine) -> None:
    with writing(shop) as connection:
        connection.execute(text("update forecasts set forecast = 1 where run = 2"))
    code, words = said("ledger", "verify")
    assert code == 1
    assert "its numbers are not those that were published." in words
    assert words.startswith("1 problem(s) in 2 publication(s). Last link: ")
