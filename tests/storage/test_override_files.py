"""Sheets of overrides: written, filled in, read back row by row, and the commands around them."""

import csv
import getpass
import io
import subprocess
import sys
from collections.abc import Iterator
from datetime import UTC, datetime, time, timedelta
from pathlib import Path
from typing import Any
from zipfile import ZIP_DEFLATED, ZipFile

import pandas as pd
import pytest
from openpyxl import load_workbook
from openpyxl.chart import BarChart
from rich.console import Console
from sqlalchemy import Engine
from typer.testing import CliRunner, Result

from projects import REPOSITORY
from publications import WEEK, forecasts, publication, rows, sums
from sales_forecast.__main__ import app
from sales_forecast.errors import InputError
from sales_forecast.planning.override_sheet import (
    REASON_WORDS,
    SHEET_COLUMNS,
    RefusedRow,
    corrections_of,
    override_sheet,
)
from sales_forecast.planning.overrides import Correction, Scope
from sales_forecast.storage import sheet_process
from sales_forecast.storage.cli import print_table
from sales_forecast.storage.database import open_database, upgrade, writing
from sales_forecast.storage.override_files import read_sheet, write_sheet
from sales_forecast.storage.override_limits import OverrideSettings, read_override_settings
from sales_forecast.storage.overrides import add
from sales_forecast.storage.publications import publish
from sales_forecast.storage.sheet_process import read_sheet_apart

FIRST = WEEK.date()
MONDAY = datetime(2017, 10, 2, 8, tzinfo=UTC)
AWKWARD = ["=1+1", "-2", "@SUM(A1)", "+3", "'quoted", "plain", "0105", "Zoë; 5,0"]


def made(labels: list[str] = AWKWARD) -> pd.DataFrame:
    template = forecasts(1.0, series=2).iloc[0].to_dict()
    ends = {
        "forecast": 100.0,
        "planned": 100.0,
        "override": None,
        "lo_80": 70.0,
        "hi_80": 130.0,
        "lo_95": 50.0,
        "hi_95": 150.0,
    }
    return pd.DataFrame(
        template | ends | {"store": store, "department": "88", "week": WEEK + ahead * pd.Timedelta(weeks=1)}
        for store in labels
        for ahead in (0, 1)
    )


def fill(path: Path, *cells: dict[str, Any]) -> None:
    """Fill in the first rows of a sheet, as a planner does."""
    if path.suffix == ".xlsx":
        book = load_workbook(path)
        page = book["overrides"]
        for number, filled in enumerate(cells, 2):
            for name, value in filled.items():
                cell = page.cell(number, SHEET_COLUMNS.index(name) + 1, value)
                if isinstance(value, str):
                    cell.data_type = "s"
        book.save(path)
        return
    with path.open(encoding="utf-8", newline="") as file:
        head, *lines = csv.reader(file)
    for line, filled in zip(lines, cells, strict=False):
        for name, value in filled.items():
            line[head.index(name)] = str(value)
    with path.open("w", encoding="utf-8", newline="") as file:
        csv.writer(file).writerows([head, *lines])


@pytest.fixture(params=["sheet.xlsx", "sheet.csv"])
def sheet(request: pytest.FixtureRequest, tmp_path: Path) -> Path:
    path = tmp_path / str(request.param)
    write_sheet(path, override_sheet(made()))
    return path


def test_a_sheet_comes_back_as_it_was_written(sheet: Path) -> None:
    found = read_sheet(sheet)
    assert [cells["store"] for _, cells in found[::2]] == AWKWARD
    assert [number for number, _ in found] == list(range(2, 18))
    assert {str(cells["week"])[:10] for _, cells in found} == {"2017-10-07", "2017-10-14"}
    assert all(cells["planned"] is None and cells["reason"] is None for _, cells in found)


def test_labels_that_look_like_formulas_are_text_in_the_file(tmp_path: Path) -> None:
    write_sheet(tmp_path / "a.xlsx", override_sheet(made()))
    page = load_workbook(tmp_path / "a.xlsx")["overrides"]
    assert [page.cell(2 * place, 1).value for place in range(1, 9)] == AWKWARD
    assert {page.cell(2 * place, 1).data_type for place in range(1, 9)} == {"s"}
    write_sheet(tmp_path / "a.csv", override_sheet(made()))
    text = (tmp_path / "a.csv").read_text()
    assert not any(line.startswith(tuple("=+-@")) for line in text.splitlines())


def test_the_workbook_has_dates_a_frozen_head_and_the_reasons_to_choose_from(tmp_path: Path) -> None:
    write_sheet(tmp_path / "a.xlsx", override_sheet(made()))
    page = load_workbook(tmp_path / "a.xlsx")["overrides"]
    assert page["C2"].value == datetime(2017, 10, 7)
    assert page["C2"].number_format == "yyyy-mm-dd"
    assert (page.freeze_panes, page.auto_filter.ref) == ("D2", "A1:K17")
    rules = {str(rule.sqref): rule for rule in page.data_validations.dataValidation}
    assert rules["J2:J17"].formula1 == f'"{",".join(REASON_WORDS.values())}"'
    assert set(rules) == {"H2:H17", "I2:I17", "J2:J17", "K2:K17"}


def test_per_cent_that_a_spreadsheet_shows_as_such_are_per_cent(tmp_path: Path) -> None:
    path = tmp_path / "a.xlsx"
    write_sheet(path, override_sheet(made()))
    book = load_workbook(path)
    cell = book["overrides"]["I2"]
    cell.value, cell.number_format = 0.25, "0%"
    book["overrides"]["I3"].value = 0.25
    book.save(path)
    assert [cells["per cent"] for _, cells in read_sheet(path)[:2]] == [25.0, 0.25]


def test_a_workbook_that_begins_with_a_chart_is_read_from_its_first_sheet(tmp_path: Path) -> None:
    path = tmp_path / "a.xlsx"
    write_sheet(path, override_sheet(made()))
    book = load_workbook(path)
    book["overrides"].title = "mine"
    book.create_chartsheet("overrides", 0).add_chart(BarChart())
    book.save(path)
    assert len(read_sheet(path)) == 16


@pytest.mark.parametrize("part", ["xl/workbook.xml", "xl/worksheets/sheet1.xml", "xl/sharedStrings.xml"])
@pytest.mark.parametrize("damage", ["bytes", "method", "password", "empty", "other"])
def test_a_damaged_workbook_says_so(tmp_path: Path, part: str, damage: str) -> None:
    path, broken = tmp_path / "a.xlsx", tmp_path / "b.xlsx"
    write_sheet(path, override_sheet(made()))
    with ZipFile(path) as whole, ZipFile(broken, "w", ZIP_DEFLATED) as copy:
        if part not in whole.namelist():
            pytest.skip("this workbook has no such part")
        for name in whole.namelist():
            other = {"empty": b"<x/>", "other": b"<worksheet><sheetData><row r='x'><c r='?'/></row>"}
            copy.writestr(name, other.get(damage, whole.read(name)) if name == part else whole.read(name))
        place = copy.getinfo(part).header_offset
    content = bytearray(broken.read_bytes())
    listed = content.rindex(part.encode()) - 46  # where the directory at the end begins to tell of it
    begin = place + 30 + len(part)
    match damage:
        case "bytes":
            content[begin : begin + 20] = b"\xff" * 20
        case "method":
            content[place + 8] = content[listed + 10] = 97
        case "password":
            content[place + 6] |= 1
            content[listed + 8] |= 1
    broken.write_bytes(content)
    with pytest.raises(InputError, match=r"is no Excel workbook, or is damaged|has no column"):
        read_sheet(broken)


def test_a_csv_is_marked_as_utf_8(tmp_path: Path) -> None:
    write_sheet(tmp_path / "a.csv", override_sheet(made()))
    assert (tmp_path / "a.csv").read_bytes().startswith(b"\xef\xbb\xbfstore,")


def test_the_sheet_is_found_in_a_workbook_with_others(tmp_path: Path) -> None:
    path = tmp_path / "a.xlsx"
    write_sheet(path, override_sheet(made()))
    book = load_workbook(path)
    book.create_sheet("totals", 0)["A1"] = "read me"
    book.save(path)
    assert len(read_sheet(path)) == 16


def test_csv_of_a_spreadsheet_that_writes_semicolons_and_commas_is_read(tmp_path: Path) -> None:
    path = tmp_path / "a.csv"
    head = "\ufeffStore;Department;Week;Planned;Per cent;Reason;Note\r\n"
    path.write_text(f"{head}0105;88;2017-10-07;1250,5;;event;a; b\r\n;;;;;;\r\n", encoding="utf-8")
    ((number, cells),) = read_sheet(path)
    assert (number, cells["store"], cells["planned"], cells["note"]) == (2, "0105", "1250.5", "a")


@pytest.mark.parametrize(
    ("name", "content", "says"),
    [
        ("a.csv", b"store,week\n1,2\n", "has no column 'department', 'planned', 'per cent', 'reason'"),
        ("a.csv", b"", "has no column"),
        ("a.csv", b"store\xff\n", "no CSV in UTF-8"),
        ("a.xlsx", b"PK not a workbook", "no Excel workbook"),
        ("a.ods", b"", "ends with .xlsx or .csv"),
        ("b.csv", None, "cannot be read: No such file"),
    ],
)
def test_a_file_that_is_no_sheet_is_refused(
    tmp_path: Path, name: str, content: bytes | None, says: str
) -> None:
    if content is not None:
        (tmp_path / name).write_bytes(content)
    with pytest.raises(InputError, match=says):
        read_sheet(tmp_path / name)


def test_a_cell_far_away_or_a_sheet_that_unpacks_to_too_much_is_refused_before_it_takes_memory(
    tmp_path: Path,
) -> None:
    path = tmp_path / "a.xlsx"
    write_sheet(path, override_sheet(made()))
    book = load_workbook(path)
    book["overrides"]["XFD1048576"] = "slipped"
    book.save(path)
    with pytest.raises(InputError, match="cells up to row 1,048,576 and column 16,384"):
        read_sheet(path)
    with pytest.raises(InputError, match="bytes unpacked; at most 1,000 are read"):
        read_sheet(path, most_bytes=1000)


def test_a_workbook_that_is_cut_short_inside_is_refused(tmp_path: Path) -> None:
    write_sheet(tmp_path / "a.xlsx", override_sheet(made()))
    with ZipFile(tmp_path / "a.xlsx") as whole, ZipFile(tmp_path / "b.xlsx", "w") as part:
        for name in whole.namelist():
            content = whole.read(name)
            part.writestr(name, content[: len(content) // 2] if "sheet1" in name else content)
    with pytest.raises(InputError, match="no Excel workbook"):
        read_sheet(tmp_path / "b.xlsx")


def test_only_the_sheet_itself_is_read_of_a_workbook_with_large_ones(tmp_path: Path) -> None:
    write_sheet(tmp_path / "a.xlsx", override_sheet(made()))
    book = load_workbook(tmp_path / "a.xlsx")
    other = book.create_sheet("weeks")
    for _ in range(100):
        other.append(["a"] * 20)
    book.save(tmp_path / "a.xlsx")
    with ZipFile(tmp_path / "a.xlsx") as whole, ZipFile(tmp_path / "b.xlsx", "w") as part:
        for name in whole.namelist():
            content = whole.read(name)  # which nobody could read to its end
            part.writestr(name, content[: len(content) // 2] if "sheet2" in name else content)
    assert len(read_sheet(tmp_path / "b.xlsx")) == 16


def test_a_sheet_that_says_it_is_smaller_than_it_is_is_read_whole(tmp_path: Path) -> None:
    write_sheet(tmp_path / "a.xlsx", override_sheet(made()))
    with ZipFile(tmp_path / "a.xlsx") as whole, ZipFile(tmp_path / "b.xlsx", "w") as part:
        for name in whole.namelist():
            part.writestr(name, whole.read(name).replace(b'ref="A1:K17"/><sheetV', b'ref="A1"/><sheetV'))
    assert b'<dimension ref="A1"/>' in ZipFile(tmp_path / "b.xlsx").read("xl/worksheets/sheet1.xml")
    assert read_sheet(tmp_path / "b.xlsx") == read_sheet(tmp_path / "a.xlsx")


@pytest.mark.parametrize("label", ["\uff1d1+1", " =1+1", "\n=1"])
def test_labels_that_begin_like_a_formula_to_some_spreadsheets_are_quoted_and_come_back(
    tmp_path: Path, label: str
) -> None:
    sheet = override_sheet(made()).head(1).assign(store=label)
    write_sheet(tmp_path / "a.csv", sheet)
    with (tmp_path / "a.csv").open(newline="") as file:
        assert list(csv.reader(file))[1][0] == f"'{label}"


# --- the commands --------------------------------------------------------------------------------------


@pytest.fixture
def shop(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Engine]:
    """A database with a publication, which the commands find."""
    url = f"sqlite:///{tmp_path}/shop.db"
    monkeypatch.setenv("SALES_FORECAST_DATABASE_URL", url)
    monkeypatch.chdir(REPOSITORY)  # whose configuration the commands read
    engine = open_database(url)
    upgrade(engine)
    tables = {"forecasts": made(), "level_forecasts": sums()}
    cutoff = FIRST - timedelta(weeks=1)
    publish(engine, publication(tables=tables, cutoff=cutoff), MONDAY)
    yield engine
    engine.dispose()


def call(*arguments: str) -> Result:
    return CliRunner().invoke(app, ["overrides", *arguments], env={"COLUMNS": "200"})


EVENT = {"per cent": 20, "reason": "event", "note": "half marathon"}


@pytest.mark.parametrize("kind", ["xlsx", "csv"])
def test_a_sheet_that_was_filled_in_is_imported_and_shown(shop: Engine, tmp_path: Path, kind: str) -> None:
    path = tmp_path / f"a.{kind}"
    assert call("export", str(path)).exit_code == 0
    before = 2 * sorted(AWKWARD).index("=1+1")  # the sheet is in the order of its labels
    fill(path, *[{}] * before, EVENT, {"planned": 130, "reason": "weather"})
    found = call("import", str(path))
    assert (found.exit_code, found.stdout) == (0, "2 override(s) stored.\n")
    stored = rows(shop, "overrides")
    assert [(row["store"], row["week_from"], row["kind"], row["value"]) for row in stored] == [
        ("=1+1", FIRST, "percent", 20.0),
        ("=1+1", FIRST + timedelta(weeks=1), "number", 130.0),
    ]
    assert stored[0]["note"] == "half marathon"
    shown = call("list").stdout
    assert "store =1+1, department 88" in shown
    assert "event: half marathon" in shown
    (record,) = [row for row in rows(shop, "audit_log") if row["kind"] == "plan_change"]
    assert record["input"]["overrides"] == [1, 2]
    assert (again := call("import", str(path))).exit_code == 0
    assert again.stdout == "0 override(s) stored; 2 rows ask for what counts already.\n"


def test_a_row_that_an_override_of_all_has_covered_is_stored_again(shop: Engine, tmp_path: Path) -> None:
    path = tmp_path / "a.csv"
    call("export", str(path))
    fill(path, EVENT)
    call("import", str(path))
    asked = Correction(Scope(), FIRST, FIRST, "percent", -50.0, "weather")
    with writing(shop) as connection:
        stores = frozenset(AWKWARD)
        add(
            connection,
            asked,
            stores,
            retailer="default",
            publication=1,
            who=("k", "Ann"),
            now=datetime.now(UTC),
        )
    assert call("import", str(path)).stdout.endswith("1 override(s) stored.\n")
    assert [row["value"] for row in rows(shop, "overrides")] == [20.0, -50.0, 20.0]


def test_one_row_that_is_refused_keeps_all_from_being_stored_unless_partly(
    shop: Engine, tmp_path: Path
) -> None:
    path = tmp_path / "a.xlsx"
    call("export", str(path))
    fill(
        path,
        EVENT,
        {"planned": "many", "reason": "event"},
        {"planned": 1, "reason": "magic"},
        {"store": "999", "planned": 1, "reason": "event"},
    )
    found = call("import", str(path))
    assert found.exit_code == 1
    assert "Refused: row 3, value many: planned: is no number such as 1250 or 12.5." in found.stderr
    assert "Refused: row 4, value magic: reason: 'magic' is none of promotion, " in found.stderr
    assert "Refused: row 5, value 999: store: no store '999' has forecasts." in found.stderr
    assert "3 row(s) are refused, so nothing was stored." in found.stderr
    assert rows(shop, "overrides") == []
    partly = call("import", str(path), "--partly")
    assert partly.exit_code == 1
    assert "1 override(s) stored." in partly.stdout
    assert len(rows(shop, "overrides")) == 1


def test_a_dry_run_shows_what_would_be_stored_and_stores_nothing(shop: Engine, tmp_path: Path) -> None:
    path = tmp_path / "a.xlsx"
    call("export", str(path), "--store", "plain")
    fill(path, EVENT, {"planned": 500, "reason": "weather"})
    tried = call("import", str(path), "--dry-run")
    assert tried.exit_code == 0
    lines = [" ".join(line.replace("│", "|").split()) for line in tried.stdout.splitlines()]
    assert "| 2 | store plain, department 88 | 2017-10-07 | 100 | 120 | event |" in lines
    assert "| 3 | store plain, department 88 | 2017-10-14 | 100 | 500 | weather |" in lines
    assert "Row 3: in 1 of 1 weeks the number is outside the 95 % range" in tried.stdout
    assert lines[-1] == "2 override(s) would be stored, 0 refused."
    fill(path, {"week": "soon"})
    refused = call("import", str(path), "--dry-run", "--partly")
    assert refused.exit_code == 1
    assert "Refused: row 2, value soon: week: is no date such as 2017-10-07." in refused.stderr
    assert refused.stdout.endswith("1 override(s) would be stored, 1 refused.\n")
    assert (rows(shop, "overrides"), rows(shop, "audit_log")) == ([], [])


def test_a_sheet_with_more_overrides_than_may_count_is_refused_as_a_whole(
    shop: Engine, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    few = OverrideSettings(max_active_per_key=1)
    monkeypatch.setattr("sales_forecast.storage.override_limits.read_override_settings", lambda _: few)
    path = tmp_path / "a.csv"
    call("export", str(path))
    fill(path, EVENT, {"planned": 130, "reason": "event"})
    found = call("import", str(path), "--partly")
    assert (found.exit_code, rows(shop, "overrides")) == (1, [])
    assert f"0 overrides of the account {getpass.getuser()} count already, and with 2 more" in found.stderr
    assert "overrides.max_active_per_key in service.yml" in found.stderr
    fill(path, EVENT, {"planned": "", "reason": ""})
    assert call("import", str(path)).stdout == "1 override(s) stored.\n"
    fill(path, EVENT, {"planned": 130, "reason": "event"})
    assert "1 overrides of the account" in call("import", str(path)).stderr


def test_a_wrong_limit_of_overrides_is_told_by_its_name() -> None:
    for content in ({"max_active_per_key": 0}, {"max_active": 5}):
        with pytest.raises(InputError, match=r"service\.yml: overrides: max_active"):
            read_override_settings({"overrides": content})


def test_warnings_are_told_with_their_row(shop: Engine, tmp_path: Path) -> None:
    path = tmp_path / "a.csv"
    call("export", str(path), "--store", "plain")
    fill(path, {"per cent": 1, "reason": "event"}, {"planned": 500, "reason": "event"})
    found = call("import", str(path)).stdout
    assert "Row 2: in 1 of 1 weeks the change is below a third" in found
    assert "Row 3: in 1 of 1 weeks the number is outside the 95 % range" in found


def test_an_override_is_withdrawn_once_with_a_reason(shop: Engine, tmp_path: Path) -> None:
    path = tmp_path / "a.csv"
    call("export", str(path))
    fill(path, EVENT)
    call("import", str(path))
    assert call("withdraw", "1", "--why", "rained off").exit_code == 0
    assert "No override counts" in call("list").stdout
    assert "rained off" in call("list", "--all").stdout
    for number, says in (("1", "was withdrawn before"), ("7", "there is no override 7")):
        again = call("withdraw", number, "--why", "once more")
        assert again.exit_code == 1
        assert says in again.stderr
    assert len([row for row in rows(shop, "audit_log") if row["kind"] == "plan_change"]) == 2


def test_the_value_is_told_once_weeks_have_come(shop: Engine, tmp_path: Path) -> None:
    assert call("value").stdout == "No week that was overridden has come yet.\n"
    path = tmp_path / "a.csv"
    call("export", str(path))
    fill(path, EVENT)
    call("import", str(path))
    came = made().assign(turnover=110.0)[lambda rows: rows["week"] == WEEK]
    later = made().assign(week=lambda rows: rows["week"] + pd.Timedelta(weeks=1))
    tables = {"forecasts": later, "level_forecasts": sums()}
    publish(
        shop,
        publication(
            tables=tables, cutoff=FIRST, weekly_turnover=came[["store", "department", "week", "turnover"]]
        ),
        datetime.now(UTC) + timedelta(seconds=1),
    )
    found = call("value").stdout
    assert "reason: event" in found
    assert "direction: up" in found
    assert "too few to say" in found


def test_an_unknown_store_or_folder_is_refused_by_export(shop: Engine, tmp_path: Path) -> None:
    unknown = call("export", str(tmp_path / "a.csv"), "--store", "999")
    assert (unknown.exit_code, "for store '999'" in unknown.stderr) == (1, True)
    nowhere = call("export", str(tmp_path / "no" / "a.csv"))
    assert (nowhere.exit_code, "cannot be written" in nowhere.stderr) == (1, True)
    assert list(tmp_path.glob("*.csv")) == []


@pytest.mark.parametrize("cell", [time(9, 30), timedelta(hours=1), 10**400])
def test_a_cell_that_is_no_number_is_refused_with_its_row(cell: Any) -> None:
    row = {"store": "1", "department": "88", "week": WEEK.to_pydatetime(), "planned": cell, "reason": "event"}
    ((number, refused),) = corrections_of([(7, row)])
    assert number == 7
    assert isinstance(refused, RefusedRow)


def test_a_terminal_is_told_nothing_by_a_note() -> None:
    told = io.StringIO()
    print_table(["note"], [["\x1b]0;title\x07\x9b2J[bold]two\nlines"]], Console(file=told, width=60))
    assert "\ufffd]0;title\ufffd\ufffd2J[bold]two" in told.getvalue()
    assert "\x1b" not in told.getvalue()
    assert "lines" in told.getvalue()


@pytest.mark.xdist_group("storage")
def test_a_model_of_mlflow_brings_code_of_its_own(tmp_path: Path) -> None:
    (tmp_path / "sales_forecast").mkdir()
    (tmp_path / "sales_forecast/__init__.py").touch()
    sys.path = [str(tmp_path), *sys.path]  # as mlflow.pyfunc.load_model does


@pytest.mark.xdist_group("storage")
def test_a_sheet_of_the_next_test_is_read_by_this_code(tmp_path: Path) -> None:
    sheet = tmp_path / "sheet.csv"
    write_sheet(sheet, pd.DataFrame(columns=list(SHEET_COLUMNS)))
    assert read_sheet_apart(sheet, 1_000_000) == []


READ_APART = """
import resource, sys
from pathlib import Path
from sales_forecast.errors import InputError
from sales_forecast.storage.sheet_process import read_sheet_apart
try:
    read_sheet_apart(Path(sys.argv[1]), 40_000_000)
except InputError as error:
    print(error)
print(resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss)
"""


def test_a_small_workbook_takes_no_more_memory_than_it_may(tmp_path: Path) -> None:
    usual, hostile = tmp_path / "usual.xlsx", tmp_path / "hostile.xlsx"
    write_sheet(usual, pd.DataFrame(columns=list(SHEET_COLUMNS)))
    styles = b"<styleSheet>" + b'<a b=""/>' * 4_300_000 + b"</styleSheet>"
    with ZipFile(usual) as source, ZipFile(hostile, "w", ZIP_DEFLATED) as target:
        for name in source.namelist():
            target.writestr(name, styles if name == "xl/styles.xml" else source.read(name))
    assert hostile.stat().st_size < 150_000
    command = [sys.executable, "-c", READ_APART, str(hostile)]
    # a process of its own, as the children of this one have taken any amount
    message, peak = subprocess.run(command, capture_output=True, text=True, check=True).stdout.splitlines()
    assert "or too much memory; copy the rows" in message
    assert int(peak) * 1024 < 1.1 * sheet_process.BYTES
