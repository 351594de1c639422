"""``sales-forecast changes`` on hand-made rows."""

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path

import pandas as pd
import pytest
import typer
from sqlalchemy import Engine
from typer.testing import CliRunner

from publications import changes, publication
from sales_forecast.__main__ import app
from sales_forecast.errors import InputError
from sales_forecast.pipelines import changes_cli
from sales_forecast.storage.database import open_database, upgrade
from sales_forecast.storage.publications import publish

MONDAY = datetime(2017, 10, 2, 6, tzinfo=UTC)


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

    monkeypatch.setattr(changes_cli, "open_configured", opened)
    monkeypatch.setenv("COLUMNS", "200")
    yield engine
    engine.dispose()


@pytest.fixture
def second(shop: Engine) -> Engine:
    """Publications 1 and 2; between them two stores changed."""
    rows = pd.concat([changes(), changes(refit=0.0, new_weeks=5.0, store=2)])
    publish(shop, publication(100.0), MONDAY)
    publish(shop, publication(80.0, changes=rows), MONDAY.replace(day=9))
    return shop


def said(*options: str) -> tuple[int, list[str]]:
    found = CliRunner().invoke(app, ["changes", *options])
    text = [" ".join(line.replace("│", "|").split()) for line in (found.stdout + found.stderr).splitlines()]
    return found.exit_code, text


def test_without_options_the_largest_changes_of_the_newest_publication_are_shown(second: Engine) -> None:
    code, lines = said()
    assert code == 0
    assert (
        lines[0] == "Publication 2 of 2017-10-09 06:00 UTC: the largest changes, summed over the shared weeks"
    )
    shown = [line for line in lines if line.startswith("| ")]
    assert shown == [
        "| 1 | 88 | 200 | 160 | -40 | the method was fitted again: -60; weeks that came since: +20 |",
        "| 2 | 88 | 200 | 210 | +10 | weeks that came since: +10 |",
    ]
    assert lines[-1] == (
        "Cycle-over-cycle change (absolute changes over the last forecasts): store and department 12.5%, "
        "department 7.5%, store 12.5%, all together 7.5%."
    )
    assert len([line for line in said("--limit", "1")[1] if line.startswith("| ")]) == 1


def test_a_store_and_department_have_a_waterfall_by_week(second: Engine) -> None:
    code, lines = said("--store", "1", "--department", "88", "--publication", "2")
    assert code == 0
    assert [line for line in lines if line.startswith("| ")] == [
        "| published before | 100 | 100 | 200 |",
        "| weeks that came since | +10 | +10 | +20 |",
        "| the method was fitted again | -30 | -30 | -60 |",
        "| published now | 80 | 80 | 160 |",
    ]


def test_a_store_alone_has_its_largest_changes(second: Engine) -> None:
    code, lines = said("--store", "2")
    assert code == 0
    assert [line.split(" | ")[0] for line in lines if line.startswith("| ")] == ["| 2"]


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["--store", "7"], "publication 2 has no change of store 7: it is not in both publications"),
        (["--publication", "9"], "there is no publication 9"),
    ],
)
def test_where_nothing_is_known_a_sentence_says_so(second: Engine, options: list[str], message: str) -> None:
    code, lines = said(*options)
    assert code == 1
    assert message in lines[-1]


def test_a_first_publication_has_no_changes_which_is_no_error(second: Engine) -> None:
    code, lines = said("--publication", "1", "--store", "1")
    assert code == 0
    assert " ".join(lines).startswith("Publication 1 has no changes: nothing was published before it from")


def test_before_the_first_publication_a_sentence_says_so(shop: Engine) -> None:
    assert said() == (1, ["Error: there are no turnover forecasts yet; make some: kedro run"])
