"""The planners' workbook as a spreadsheet sees it: numbers, dates and text, and nothing that runs."""

from pathlib import Path
from typing import Any

import openpyxl
import pandas as pd
import pytest
from kedro.config import OmegaConfigLoader
from kedro.io import DataCatalog, DatasetError

from projects import REPOSITORY
from sales_forecast.reporting.workbook import Entry, Sheet
from sales_forecast.settings import CONFIG_LOADER_ARGS

WEEK = pd.Timestamp("2017-10-07")
KINDS: dict[str, Any] = {"week": "date", "forecast": "money", "change": "change", "change %": "share"}


@pytest.fixture
def book(tmp_path: Path) -> Path:
    return tmp_path / "sheet.xlsx"


def saved(book: Path, *sheets: Sheet) -> Any:
    """The workbook as the catalog's entry writes it."""
    config = OmegaConfigLoader(str(REPOSITORY / "conf"), env="base", **CONFIG_LOADER_ARGS)["catalog"]
    entry = config["turnover.planner_sheet"] | {"filepath": str(book)}
    catalog = DataCatalog.from_config({"sheet": entry})
    catalog.save("sheet", sheets)
    assert list(catalog.load("sheet")) == [sheet.name for sheet in sheets]
    return openpyxl.load_workbook(book)


def weeks(**more: Any) -> Sheet:
    frame = pd.DataFrame(
        {
            "store": [112, 113],
            "department": ["007", "b"],
            "week": [WEEK, pd.NaT],
            "forecast": [1234.56, float("nan")],
            "change": [-3.0, 0.0],
            "change %": [-0.5, 0.1],
        }
    )
    return Sheet("weeks", frame, KINDS, **more)


@pytest.mark.parametrize(
    "label",
    [
        "=1+1",
        "{=1+1}",
        "+1",
        "-1",
        "@SUM(A1)",
        "\t=1+1",
        "\r=1+1",
        "007",
        "12",
        "http://shop",
        "mailto:a@shop",
    ],
)
def test_a_label_is_text_whatever_it_begins_with_and_stays_text_when_it_is_edited(
    label: str, book: Path
) -> None:
    frame = pd.DataFrame({"department": [label], label: ["words"]})
    page = saved(book, Sheet("sheet", frame, {label: "words"}, totals=("none",)))["sheet"]
    heading, cell = page["B1"], page["A2"]
    as_text = label.replace("\r", "_x000D_")  # openpyxl does not decode it
    for found in (heading, cell):
        assert (found.value, found.data_type, found.hyperlink) == (as_text, "s", None)
        assert found.quotePrefix  # without it, a spreadsheet makes a formula of text that is edited


def test_labels_that_are_numbers_are_numbers_and_labels_that_are_text_are_text(book: Path) -> None:
    page = saved(book, weeks())["weeks"]
    assert (page["A2"].value, page["A2"].data_type, page["A2"].quotePrefix) == (112, "n", False)
    assert (page["B2"].value, page["B2"].data_type, page["B2"].quotePrefix) == ("007", "s", True)


def test_a_week_is_a_date_and_what_is_missing_is_blank(book: Path) -> None:
    page = saved(book, weeks())["weeks"]
    assert (page["C2"].value, page["C2"].is_date, page["C2"].number_format) == (WEEK, True, "yyyy-mm-dd")
    assert (page["C3"].value, page["D3"].value) == (None, None)
    assert (page["D2"].value, page["D2"].number_format) == (1234.56, "#,##0")
    assert page["F2"].number_format.startswith("+0%;-0%")


def test_headings_stay_in_sight_filter_and_are_printed_on_each_page(book: Path) -> None:
    page = saved(book, weeks(frozen=3))["weeks"]
    assert (page.freeze_panes, page.auto_filter.ref) == ("D2", "A1:F3")
    assert (page.page_setup.orientation, page.print_title_rows) == ("landscape", "$1:$1")
    assert (page.sheet_properties.pageSetUpPr.fitToPage, page.page_setup.fitToHeight) == (True, 0)
    assert all(page.column_dimensions[letter].width > 10 for letter in "ABCDEF")
    assert saved(book, weeks(filtered=False))["weeks"].auto_filter.ref is None


def test_large_changes_are_coloured_up_and_down(book: Path) -> None:
    page = saved(book, weeks(coloured=("change %",), large=0.25))["weeks"]
    ((area, rules),) = [(str(each.sqref), each.rules) for each in page.conditional_formatting]
    assert area == "F2:F3"
    assert sorted((rule.operator, rule.formula) for rule in rules) == [
        ("greaterThanOrEqual", ["0.25"]),
        ("lessThanOrEqual", ["-0.25"]),
    ]


def test_the_last_row_sums_what_a_filter_shows_and_only_what_is_named(book: Path) -> None:
    by_week = pd.DataFrame({"store": [1, 2], WEEK: [10.0, 20.5], "total": [10.0, 20.5]})
    sheet = Sheet("by week", by_week, {"total": "money"}, totals=(WEEK, "total"))
    page = saved(book, sheet)["by week"]
    assert (page["B1"].value, page["B1"].is_date) == (WEEK, True)
    assert [cell.value for cell in page[4]] == ["rows shown", "=SUBTOTAL(109,B2:B3)", "=SUBTOTAL(109,C2:C3)"]
    assert page.auto_filter.ref == "A1:C3", "the sum is not filtered away"
    shown = openpyxl.load_workbook(book, data_only=True)["by week"]
    assert [cell.value for cell in shown[4]][1:] == [30.5, 30.5]


def test_a_sheet_that_cannot_be_written_leaves_the_workbook_as_it_was(book: Path) -> None:
    saved(book, weeks())
    before = book.read_bytes()
    with pytest.raises(DatasetError):
        saved(book, weeks(), weeks())  # two sheets of one name
    assert book.read_bytes() == before
    assert [path.name for path in book.parent.iterdir()] == [book.name]


def test_an_empty_table_is_a_sheet_of_headings(book: Path) -> None:
    empty = Sheet("weeks", weeks().frame[:0], KINDS, coloured=("change %",), totals=("forecast",))
    assert [cell.value for cell in saved(book, empty)["weeks"][1]] == list(weeks().frame.columns)


ENTRIES = {
    "planned": Entry("A number.", least=0.0, most=1e12),
    "per cent": Entry("Per cent.", least=-100.0, most=1000.0),
    "reason": Entry("Choose.", choices=("event", "other"), width=18),
    "note": Entry("In your words.", longest=500, width=40),
}


def test_cells_to_fill_in_are_coloured_and_refuse_what_does_not_fit(book: Path) -> None:
    frame = weeks().frame[["store", "week", "forecast"]].assign(**dict.fromkeys(ENTRIES))
    sheet = Sheet("overrides", frame, KINDS | {"planned": "money"}, entries=ENTRIES)
    page = saved(book, sheet)["overrides"]
    rules = {str(rule.sqref): rule for rule in page.data_validations.dataValidation}
    assert set(rules) == {"D2:D3", "E2:E3", "F2:F3", "G2:G3"}
    assert (rules["D2:D3"].type, rules["D2:D3"].formula1) == ("decimal", "0.0")
    assert (rules["E2:E3"].formula1, rules["E2:E3"].formula2) == ("-100.0", "1000.0")
    assert rules["F2:F3"].formula1 == '"event,other"'
    assert (rules["G2:G3"].type, rules["G2:G3"].formula1) == ("textLength", "500")
    assert {rule.prompt for rule in rules.values()} == {entry.help for entry in ENTRIES.values()}
    for letter, number_format in {"D": "#,##0", "E": "General", "F": "@", "G": "@"}.items():
        cell = page[f"{letter}2"]
        assert (cell.value, cell.number_format) == (None, number_format)
        assert cell.fill.fgColor.rgb not in (page["C2"].fill.fgColor.rgb, None)
    assert page.column_dimensions["G"].width > 39
