"""The report page: one file that opens offline and shows what it was given, not what it might mean."""

from __future__ import annotations

import re

import pandas as pd
import pytest

from sales_forecast.reporting import (
    PAGES,
    Chart,
    Section,
    Table,
    Text,
    new_figure,
    render_page,
    render_section,
    small_multiples,
)

MANAGERS = "report.html"


def _section(title: str = "Turnover until now") -> Section:
    figure = new_figure("Sales <b>per</b> week", "week", "currency units")
    figure.add_scatter(x=[1, 2], y=[3, 4])
    table = pd.DataFrame({"store": ["A & B"], "turnover": [1234.5], "open": [True]})
    return Section(
        title=title,
        lead="All of **2016** from 2016-01-02.",
        answers=("Store <script>alert(1)</script> is **best**.",),
        blocks=(
            Text("Plain & simple", heading="How"),
            Chart(figure, "Up and up."),
            Table(table, "One store", formats={"turnover": ",.0f"}),
        ),
    )


def test_a_page_with_one_section_is_complete_and_asks_the_network_for_nothing():
    page = render_page({"turnover.eda": render_section(_section(), "turnover.eda")}, MANAGERS)

    assert page.startswith("<!DOCTYPE html>")
    assert page.count("<section") == 1
    markup = re.sub(r"<script>.*?</script>", "", page, flags=re.DOTALL)
    assert not re.search(r"""(src|href)=["']?https?:""", markup)


def test_words_are_shown_as_written_except_for_bold():
    html = render_section(_section("R&D <i>"), "turnover.eda")

    assert "R&amp;D &lt;i&gt;" in html
    assert "&lt;script&gt;alert(1)&lt;/script&gt; is <strong>best</strong>" in html
    assert "A &amp; B" in html
    assert "Sales &lt;b&gt;per&lt;/b&gt; week" in html


def test_a_number_is_formatted_and_stands_right_but_a_yes_does_not():
    html = render_section(_section(), "turnover.eda")

    assert '<td class="number">1,234</td>' in html
    assert "<td>True</td>" in html


def test_a_date_is_never_broken_over_two_lines():
    assert "<time>2016-01-02</time>" in render_section(_section(), "turnover.eda")


def test_the_same_section_gives_the_same_html_twice():
    assert render_section(_section(), "turnover.eda") == render_section(_section(), "turnover.eda")


def test_the_title_is_the_pages_and_not_cut_off_inside_the_chart():
    section = _section()

    html = render_section(section, "turnover.eda")

    assert html.count("per&lt;/b&gt; week") == 2  # shown, and read aloud
    assert section.blocks[1].figure.layout.title.text == "Sales <b>per</b> week"


NAMES = [
    *(
        f"{domain}.{stage}"
        for domain in ("marketing", "turnover")
        for stage in ("eda", "inference", "evaluation")
    ),
    *(f"turnover.{stage}" for stage in ("registration", "accuracy", "exceptions", "unheard_of", "drift")),
]


@pytest.mark.parametrize(
    ("file", "reading_order", "parts"),
    [
        (
            "report.html",
            [
                *("turnover.inference", "turnover.exceptions", "marketing.inference"),
                *("turnover.accuracy", "turnover.eda", "marketing.eda"),
            ],
            ["What comes next", "How right we were", "Until now"],
        ),
        (
            "data_science.html",
            [
                *("turnover.evaluation", "marketing.evaluation", "turnover.registration"),
                *("turnover.drift", "turnover.unheard_of"),
            ],
            ["How good the methods are", "Which model serves", "What changed in the data"],
        ),
    ],
)
def test_a_page_has_the_sections_of_its_readers_in_reading_order(file, reading_order, parts):
    page = render_page({name: f'<section id="{name}"><h2>[{name}]</h2></section>' for name in NAMES}, file)

    assert re.findall(r"<h2>\[(.+?)\]</h2>", page) == reading_order
    assert re.findall(r'<a href="#\w+-\w+">\[(.+?)\]</a>', page) == reading_order
    assert re.findall(r'<p class="part">(.+?)</p>', page) == parts
    (other,) = set(PAGES) - {file}
    assert page.count(f'href="{other}"') == 2  # at the top and at the foot


def test_each_section_is_on_one_page():
    for name in NAMES:
        stage = name.partition(".")[2]
        assert sum(page.shows(stage) for page in PAGES.values()) == 1


def test_a_part_without_sections_is_not_there():
    page = render_page({"turnover.eda": render_section(_section(), "turnover.eda")}, MANAGERS)
    assert re.findall(r'<p class="part">(.+?)</p>', page) == ["Until now"]


@pytest.mark.parametrize(
    ("path", "link"),
    [
        (
            "data/07_model_output/turnover/planner_sheet.xlsx",
            "../07_model_output/turnover/planner_sheet.xlsx",
        ),
        ("notebooks/why_this_forecast.ipynb", "../../notebooks/why_this_forecast.ipynb"),
        ("data/08_reporting/answers.json", "answers.json"),
    ],
)
def test_the_path_of_a_file_is_a_link_that_works_from_the_folder_of_the_page(path, link):
    html = render_section(Section("A", "b", blocks=(Text(f"See {path}. It is new."),)), "turnover.eda")

    name = path.rpartition("/")[2]
    assert f'<p>See <a class="file" href="{link}" title="{path}">{name}</a>. It is new.</p>' in html


def test_what_merely_looks_like_a_path_is_no_link():
    words = "models:/sales_forecast.turnover/1, turnover.sports, kedro run, and/or, data/, metadata/x.json"
    assert "<a" not in render_section(Section("A", words), "turnover.eda")


@pytest.mark.parametrize(
    ("value", "spec", "shown"),
    [(-0.001, "+.0%", "0%"), (0.0, "+.0%", "0%"), (-0.04, ",.1f", "0.0"), (-0.006, "+.0%", "-1%")],
)
def test_nothing_has_no_sign(value, spec, shown):
    table = Table(pd.DataFrame({"change": [value]}), "One", {"change": spec})
    html = render_section(Section("A", "b", blocks=(table,)), "turnover.eda")
    assert f'<td class="number">{shown}</td>' in html


def test_a_number_that_names_something_stands_left_like_a_name():
    table = Table(pd.DataFrame({"department": [127], "sold": [5.0]}), "One", {"sold": ",.0f"})
    html = render_section(Section("A", "b", blocks=(table,)), "turnover.eda")
    assert "<td>127</td>" in html
    assert '<td class="number">5</td>' in html


def test_a_long_reference_table_waits_behind_a_click():
    table = Table(pd.DataFrame({"week": [pd.Timestamp("2016-01-02")]}), "All weeks", collapsed=True)

    html = render_section(Section("Weeks", "All.", blocks=(table,)), "turnover.eda")

    assert "<details><summary>All weeks</summary>" in html
    assert "<td>2016-01-02</td>" in html


def test_small_multiples_grow_with_their_panels():
    two, four = (small_multiples("Years", list("abcd")[:n], "month", "index") for n in (2, 4))

    assert four.layout.height - two.layout.height == 2 * 230
    assert small_multiples("Years", [], "month", "index").data == ()


def test_where_figures_came_from_stands_at_the_foot_of_the_page():
    stamped = Section(title="A", lead="b", stamp="Version 7 <of a model>.")
    fragments = {"turnover.inference": render_section(stamped, "turnover.inference")}
    foot = render_page(fragments, MANAGERS).partition("<footer>")[2]
    assert "Version 7 &lt;of a model&gt;." in foot
    assert "Version" not in render_page({}, MANAGERS).partition("<footer>")[2]
    twice = fragments | {"turnover.changes": render_section(stamped, "turnover.changes")}
    assert render_page(twice, MANAGERS).partition("<footer>")[2].count("Version 7") == 1
