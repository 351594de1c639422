"""``sales-forecast staffing`` on hand-made forecasts."""

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path

import openpyxl
import pandas as pd
import pytest
import typer
from sqlalchemy import Engine
from typer.testing import CliRunner

from publications import forecasts, publication, sums
from sales_forecast.__main__ import app
from sales_forecast.errors import InputError
from sales_forecast.forecasting.intervals.conformal import QUANTILES
from sales_forecast.planning.overrides import Correction, Scope
from sales_forecast.planning.staffing import StaffingRule
from sales_forecast.service import staffing_cli
from sales_forecast.storage.database import open_database, upgrade, writing
from sales_forecast.storage.overrides import add, withdraw
from sales_forecast.storage.publications import publish

MONDAY = datetime(2017, 10, 2, 6, tzinfo=UTC)
FORMULA = "=1+1"


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

    monkeypatch.setattr(staffing_cli, "open_configured", opened)
    monkeypatch.setenv("COLUMNS", "200")
    yield engine
    engine.dispose()


def rules(*departments: object) -> pd.DataFrame:
    rows = [
        {"department": each, **StaffingRule().model_dump(), "source": "configured"} for each in departments
    ]
    return pd.DataFrame(rows)


@pytest.fixture
def published(shop: Engine) -> Engine:
    """Two stores with departments 88 and =1+1; the quantile at 2 : 1 is 15,000, which takes 106 hours."""
    both = pd.concat([forecasts(series=2), forecasts(series=2).assign(department=FORMULA)])
    both = both.assign(**{name: 15_000.0 * probability * 1.5 for name, probability in QUANTILES.items()})
    tables = {"forecasts": both, "level_forecasts": sums()}
    publish(shop, publication(tables=tables, staffing_rules=rules(88, FORMULA)), MONDAY)
    return shop


def said(*options: str) -> tuple[int, str]:
    found = CliRunner().invoke(app, ["staffing", *options])
    lines = (found.stdout + found.stderr).replace("│", "|").splitlines()
    return found.exit_code, "\n".join(" ".join(line.split()) for line in lines)


@pytest.mark.usefixtures("published")
def test_hours_are_summed_over_departments_with_the_rules() -> None:
    code, text = said()
    assert code == 0
    assert text.startswith("Publication 1 of 2017-10-02 06:00 UTC")
    assert "Rule of department 88: configured" in text
    assert "| department | 2017-10-07 |" in text.replace("┃", "|")
    assert "| 88 | 216 |" in text  # 106 hours are 27 shifts of 4 in each of two stores
    assert "| all | 432 |" in text


@pytest.mark.usefixtures("published")
def test_one_department_is_shown_by_store() -> None:
    code, text = said("--department", "88")
    assert code == 0
    assert "| 1 | 108 |" in text
    assert "=1+1" not in text


@pytest.mark.usefixtures("published")
def test_a_file_has_every_row_and_its_text_is_text(tmp_path: Path) -> None:
    for name in ("hours.csv", "hours.xlsx"):
        code, text = said("--output", str(tmp_path / name))
        assert (code, text.splitlines()[-1]) == (0, f"4 rows are in {tmp_path / name}.")
    table = pd.read_csv(tmp_path / "hours.csv", dtype=str)
    assert set(table["department"]) == {"88", "'=1+1"}
    assert set(table["hours"]) == {"108"}
    assert table["store"].tolist() == ["1", "1", "2", "2"]
    sheet = openpyxl.load_workbook(tmp_path / "hours.xlsx")["hours"]
    heads = [cell.value for cell in sheet[1]]
    cells = [dict(zip(heads, row, strict=True)) for row in sheet.iter_rows(min_row=2)]
    assert {(row["department"].value, row["department"].data_type) for row in cells[:-1]} == {
        ("88", "s"),
        (FORMULA, "s"),
    }
    assert {row["week"].value for row in cells[:-1]} == {datetime(2017, 10, 7)}
    assert cells.pop()["hours"].value == "=SUBTOTAL(109,G2:G5)"
    assert (sheet.freeze_panes, sheet.auto_filter.ref) == ("D2", "A1:O5")
    widths = {sheet.column_dimensions[cell.column_letter].width for cell in sheet[1]}
    assert min(widths) > 10
    formats = {name: cell.number_format for name, cell in cells[0].items()}
    assert formats["week"] == "yyyy-mm-dd"
    assert formats["turnover"] == "#,##0"
    assert formats["hours"] == formats["model_hours"] == "#,##0.0"


def test_hours_follow_a_planners_number_and_the_models_hours_stay_beside_them(
    published: Engine, tmp_path: Path
) -> None:
    week = datetime(2017, 10, 7).date()
    asked = Correction(Scope(store="2", department="88"), week, week, "percent", 100.0, "event")
    with writing(published) as connection:
        made = add(
            *(connection, asked, frozenset({"2"})),
            **{"retailer": "default", "publication": 1, "who": ("k", "Ann"), "now": MONDAY},
        )
    code, text = said("--department", "88")
    assert code == 0
    assert "1 of 2 rows follow planners' numbers: 316 hours, 216 by the model." in text
    assert "| 2 | 208 |" in text  # 206 hours
    said("--output", str(tmp_path / "hours.csv"))
    table = pd.read_csv(tmp_path / "hours.csv")
    (changed,) = table[table["override"].notna()].to_dict("records")
    assert (changed["store"], changed["override"], changed["hours"]) == (2, made.id, 208)
    assert (changed["model_hours"], changed["turnover"], changed["model_turnover"]) == (108, 30_000, 15_000)
    with writing(published) as connection:
        withdraw(connection, "default", made.id, by="Ann", why="rained off", now=MONDAY)
    assert "follow planners' numbers" not in said("--department", "88")[1]


@pytest.mark.usefixtures("published")
@pytest.mark.parametrize(
    ("options", "says"),
    [
        (("--store", "77"), "publication 1 has no forecast of store 77"),
        (("--retailer", "nobody"), "nobody"),
    ],
)
def test_what_is_not_there_is_named(options: tuple[str, ...], says: str) -> None:
    code, text = said(*options)
    assert (code, says in text) == (1, True), text


@pytest.mark.usefixtures("published")
def test_a_file_of_another_kind_is_not_begun(tmp_path: Path) -> None:
    code, text = said("--output", str(tmp_path / "hours.pdf"))
    assert code == 2
    assert ".csv or .xlsx" in text
    assert list(tmp_path.glob("hours*")) == []


def test_publications_from_before_have_no_hours(shop: Engine) -> None:
    publish(shop, publication(), MONDAY)
    assert said() == (1, "Error: no staffing rules are published: publish with this version of "
                         "sales_forecast (kedro run)")  # fmt: skip
    without = publication(7.0, staffing_rules=rules(88))
    without.tables["forecasts"][list(QUANTILES)] = None
    publish(shop, without, MONDAY.replace(day=9))
    code, text = said()
    assert (code, "6 of 6 forecasts have no quantiles" in text) == (1, True), text
