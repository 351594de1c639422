"""The report of a whole run as a phone and a desk show it."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from urllib.parse import unquote, urlparse

import pandas as pd
import pytest

from browser import NEEDS_CHROMIUM, Tab, browser
from projects import REPOSITORY, Project
from sales_forecast.reporting import PAGES, Section, Table, Text, render_page, render_section

pytestmark = [NEEDS_CHROMIUM, pytest.mark.xdist_group("finished")]

PHONE, DESK, PAPER = 390, 1400, 703
"""The paper is A4 without its margins."""

# Texts of a chart whose boxes overlap, but for tilted dates of one axis: their boxes do, the letters do not.
COLLISIONS = """[...document.querySelectorAll(".js-plotly-plot")].flatMap((chart) => {
  const kinds = ".annotation-text, .legendtext, .xtick text, .ytick text, [class*=title] text, text[class*=title]";
  const texts = [...chart.querySelectorAll(kinds)]
    .map((one) => ({words: one.textContent, axis: one.closest(".xtick"), box: one.getBoundingClientRect()}))
    .filter((one) => one.words && one.box.width);
  return texts.flatMap((a, place) => texts.slice(place + 1).filter((b) =>
    !(a.axis && b.axis && a.axis.parentNode === b.axis.parentNode)
    && Math.min(a.box.right, b.box.right) - Math.max(a.box.left, b.box.left) > 1
    && Math.min(a.box.bottom, b.box.bottom) - Math.max(a.box.top, b.box.top) > 1
  ).map((b) => `${chart.id}: ${a.words} / ${b.words}`));
})"""


@pytest.fixture(scope="module")
def tab() -> Iterator[Tab]:
    with browser() as tab:
        yield tab


def _open(tab: Tab, page: Path, width: int, media: str = "") -> None:
    """Open a page of the report, and wait until its charts are drawn."""
    tab.open(page, width, media=media)
    tab.ask("drawn")
    tab.wait()


@pytest.mark.parametrize("name", PAGES)
@pytest.mark.parametrize(("width", "media"), [(PHONE, ""), (DESK, ""), (PAPER, "print")])
def test_the_report_never_scrolls_sideways_and_no_text_of_a_chart_covers_another(
    finished: Project, tab: Tab, name: str, width: int, media: str
) -> None:
    _open(tab, finished.path(f"08_reporting/{name}"), width, media)

    assert tab.ask("document.scrollingElement.scrollWidth") <= width
    charts = tab.ask("document.querySelectorAll('.plotly-graph-div').length")
    assert tab.ask("document.querySelectorAll('.js-plotly-plot').length") == charts > 0
    assert not tab.ask("document.getElementById('no-charts').checkVisibility()")
    assert tab.ask(COLLISIONS) == []
    if media == "print":  # paper does not scroll
        wide = (
            "[...document.querySelectorAll('table')].filter((table) => table.offsetWidth > main.clientWidth)"
        )
        assert tab.ask(f"main = document.querySelector('main'), {wide}.map((table) => table.innerText)") == []


def test_charts_that_cannot_be_drawn_are_told_of(finished: Project, tab: Tab, tmp_path: Path) -> None:
    page = finished.path("08_reporting/report.html").read_text()
    broken = tmp_path / "report.html"
    broken.write_text(page.replace("new DecompressionStream", "new NoSuchStream"))
    tab.open(broken, PHONE)

    assert tab.ask("drawn.catch(() => document.getElementById('no-charts').checkVisibility())") is True


@pytest.mark.parametrize("name", PAGES)
def test_every_link_of_the_report_leads_to_something(finished: Project, tab: Tab, name: str) -> None:
    _open(tab, finished.path(f"08_reporting/{name}"), DESK)

    links = tab.ask("[...document.links].map((link) => link.href)")
    files = {unquote(urlparse(link).path) for link in links if "#" not in link}

    missing = [
        file
        for file in files
        if not Path(file.replace(str(finished.folder / "notebooks"), NOTEBOOKS)).exists()
    ]
    assert missing == []
    expected = {
        "report.html": {"planner_sheet.xlsx", "forecasts_by_level.parquet", "data_science.html"},
        "data_science.html": {"report.html", "answers.json"},
    }
    assert {Path(file).name for file in files} >= expected[name]
    anchors = [link.partition("#")[2] for link in links if "#" in link]
    assert tab.ask(f"{anchors}.filter((name) => !document.getElementById(name))") == []


NOTEBOOKS = str(REPOSITORY / "notebooks")  # a project under test has none


def _page(folder: Path, *, columns: int) -> Path:
    wide = pd.DataFrame(
        [[f"value {n}" for n in range(columns)]], columns=[f"column {n}" for n in range(columns)]
    )
    path = "data/07_model_output/turnover/a_file_whose_name_is_longer_than_a_phone_is_wide.parquet"
    section = Section(
        "A title", "A lead.", (path,), (Text(path), Table(wide, path), Table(wide, "All", collapsed=True))
    )
    page = folder / "report.html"
    fragments = {"turnover.inference": render_section(section, "turnover.inference")}
    page.write_text(render_page(fragments, page.name))
    return page


def test_a_wide_table_scrolls_in_its_own_box_and_says_so_until_its_end_is_seen(
    tmp_path: Path, tab: Tab
) -> None:
    tab.open(_page(tmp_path, columns=12), PHONE)
    hints = "[...document.querySelectorAll('.hint')].map((hint) => hint.checkVisibility({visibilityProperty: true}))"

    assert tab.ask("document.scrollingElement.scrollWidth") == PHONE
    assert tab.ask(hints) == [True, False]  # the second table waits behind a click
    tab.ask("document.querySelector('details').open = true")
    assert tab.ask(f"new Promise((done) => setTimeout(() => done({hints}), 100))") == [True, True]
    tab.ask("document.querySelectorAll('.table').forEach((box) => box.scrollTo(9999, 0))")
    assert tab.ask(f"new Promise((done) => setTimeout(() => done({hints}), 100))") == [False, False]


def test_a_table_that_fits_says_nothing(tmp_path: Path, tab: Tab) -> None:
    tab.open(_page(tmp_path, columns=2), PHONE)

    assert tab.ask("document.querySelectorAll('.table').length") == 2
    assert tab.ask("document.querySelectorAll('.hint.shown').length") == 0
