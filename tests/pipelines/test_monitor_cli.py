"""``sales-forecast monitor`` on hand-made signals."""

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path

import pytest
import typer
from sqlalchemy import Engine, update
from typer.testing import CliRunner

from monitored import MARKUP, monitored
from publications import publication
from sales_forecast.__main__ import app
from sales_forecast.errors import InputError
from sales_forecast.pipelines import monitor_cli
from sales_forecast.storage.database import open_database, upgrade, writing
from sales_forecast.storage.publications import publish
from sales_forecast.storage.schema import monitor_signals


@pytest.fixture
def shop(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Engine]:
    """A database, which the command opens."""
    engine = open_database(f"sqlite:///{tmp_path}/shop.db")
    upgrade(engine)

    @contextmanager
    def opened(env: str) -> Iterator[Engine]:
        try:
            yield engine
        except InputError as error:
            typer.echo(f"Error: {error}", err=True)
            raise typer.Exit(1) from error

    monkeypatch.setattr(monitor_cli, "open_configured", opened)
    monkeypatch.setenv("COLUMNS", "250")
    yield engine
    engine.dispose()


@pytest.fixture
def published(shop: Engine) -> Engine:
    publish(shop, publication(), datetime(2030, 1, 14, tzinfo=UTC))
    return shop


@pytest.fixture
def watched(published: Engine) -> Iterator[Engine]:
    with monitored(published):
        yield published


def said(*options: str) -> tuple[int, list[str]]:
    found = CliRunner().invoke(app, ["monitor", *options])
    text = [" ".join(line.replace("│", "|").split()) for line in (found.stdout + found.stderr).splitlines()]
    return found.exit_code, text


def test_the_unusual_of_the_newest_week_is_shown_alarms_first_with_the_last_decision(watched: Engine) -> None:
    code, lines = said()
    assert code == 0
    assert lines[0] == "Signals in the week of 2030-01-05"
    assert [line for line in lines if line.startswith("| ")] == [
        f"| 2030-01-05 | level | {MARKUP} | alarm | 2030-01-05 | what level of {MARKUP} is |",
        "| 2030-01-05 | store | 105 | warning | 2030-01-05 | what store of 105 is |",
    ]
    assert lines[-1] == (
        "Decided after the week of 2030-01-05: let all methods compete again; department 117 sold less."
    )


def test_more_weeks_and_what_is_calm_can_be_shown(watched: Engine) -> None:
    rows = [line.split(" | ") for line in said("--weeks", "2", "--all")[1] if line.startswith("| ")]
    assert [(row[0], row[3]) for row in rows] == [
        ("| 2030-01-05", "alarm"),
        ("| 2030-01-05", "warning"),
        *[("| 2030-01-05", "calm")] * 3,
        *[("| 2029-12-29", "calm")] * 2,
    ]


def test_a_scheduler_can_stop_at_an_alarm(watched: Engine) -> None:
    assert said("--fail-on", "alarm")[0] == 3
    with writing(watched) as connection:
        connection.execute(update(monitor_signals).values(state="warning"))
    assert said("--fail-on", "alarm")[0] == 0
    assert said("--fail-on", "rain")[0] == 2


def test_a_calm_week_is_told(watched: Engine) -> None:
    with writing(watched) as connection:
        connection.execute(update(monitor_signals).values(state="calm"))
    assert said()[1][0] == "Nothing is unusual in the week of 2030-01-05."
    assert said("--weeks", "3")[1][0] == "Nothing is unusual in 3 weeks to that of 2030-01-05."


def test_before_there_is_a_past_a_sentence_says_so(published: Engine) -> None:
    assert said("--weeks", "2", "--fail-on", "alarm") == (
        0,
        ["There are too few weeks with forecasts to say what is unusual."],
    )


def test_a_retailer_without_forecasts_is_an_error(watched: Engine) -> None:
    assert said("--retailer", "default")[0] == 0
    assert said("--retailer", "other") == (
        1,
        ["Error: --retailer: no forecasts of 'other' are published; there are those of default"],
    )


def test_before_the_first_publication_a_sentence_says_so(shop: Engine) -> None:
    assert said() == (1, ["Error: nothing is published yet: kedro run"])
