"""The report page: one file that opens offline and shows what it was given, not what it might mean."""

from __future__ import annotations

import re

import pandas as pd

from sales_forecast.reporting import (
    Chart,
    Section,
    Table,
    Text,
    new_figure,
    render_page,
    render_section,
    small_multiples,
)


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
    page = render_page({"turnover.eda": render_section(_section(), "turnover.eda")})

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


def test_domains_and_stages_come_in_reading_order():
    names = ["marketing.eda", "turnover.inference", "turnover.eda"]
    page = render_page({name: f"<p>[{name}]</p>" for name in names})

    assert re.findall(r"<p>\[(.+?)\]</p>", page) == ["turnover.eda", "turnover.inference", "marketing.eda"]


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
    foot = render_page(fragments).partition("<footer>")[2]
    assert "Version 7 &lt;of a model&gt;." in foot
    assert "<br>" not in render_page({}).partition("<footer>")[2]
