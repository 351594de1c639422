"""Render sections to HTML fragments and fragments to one page."""

from __future__ import annotations

import base64
import gzip
import re
from collections.abc import Callable
from functools import cache
from posixpath import basename, relpath
from typing import Any

import pandas as pd
import plotly.graph_objects as go
from jinja2 import Environment, PackageLoader
from markupsafe import Markup, escape
from plotly.offline import get_plotlyjs

from sales_forecast.reporting.pages import PAGES
from sales_forecast.reporting.section import Chart, Section, Table

_FOLDER = "data/08_reporting"
"""Where the page lies in the project: links to files begin there."""

_BOLD = re.compile(r"\*\*(.+?)\*\*")
_FILE = re.compile(r"\b(?:data|notebooks|docs|conf)/[\w./-]*\w\.[a-z]+\b")
_ZERO = re.compile(r"[-+](0(?:\.0*)?%?)")
_TITLE = re.compile(r"<h2>(.*?)</h2>", re.DOTALL)
_STAMP = re.compile(r'<p class="stamp" hidden>(.*?)</p>')
_DATE = re.compile(r"\b\d{4}-\d{2}-\d{2}\b")


def _emphasise(words: str, links: bool = False) -> Markup:
    html = _BOLD.sub(r"<strong>\1</strong>", str(escape(words)))
    html = _FILE.sub(lambda found: _link(found[0]), html) if links else html
    return Markup(_DATE.sub(r"<time>\g<0></time>", html))  # the page does not break a date


def _link(file: str) -> str:
    return f'<a class="file" href="{relpath(file, _FOLDER)}" title="{file}">{basename(file)}</a>'


def _cell(value: Any, spec: str) -> str:
    if pd.isna(value):
        return "-"
    if isinstance(value, pd.Timestamp):
        return f"{value:%Y-%m-%d}"
    if not spec:
        return str(value)
    text = format(value, spec)
    return zero[1] if (zero := _ZERO.fullmatch(text)) else text


def _rows(table: Table) -> list[list[str]]:
    specs = [table.formats.get(str(column), "") for column in table.frame.columns]
    return [
        [_cell(value, spec) for value, spec in zip(row, specs, strict=True)]
        for row in table.frame.itertuples(index=False, name=None)
    ]


def _numeric(table: Table) -> list[bool]:
    """Which columns hold amounts; a number without a format is a name, such as that of a store."""
    types = table.frame.dtypes.items()
    return [pd.api.types.is_numeric_dtype(dtype) and name in table.formats for name, dtype in types]


def _title(chart: Chart) -> str:
    return chart.figure.layout.title.text or ""


def untitled(chart: Chart) -> go.Figure:
    """Return the figure without its title, which the page sets in type that wraps."""
    figure = go.Figure(chart.figure)
    has_heading = any(note.yref == "paper" and note.y == 1 for note in figure.layout.annotations)
    return figure.update_layout(title=None, margin_t=26 if has_heading else 8)


def _figure_html(chart: Chart, name: str) -> Markup:
    html = untitled(chart).to_html(
        full_html=False,
        include_plotlyjs=False,
        div_id=name,  # the same data gives the same page
        config={"responsive": True, "displaylogo": False, "displayModeBar": False},
    )
    return Markup(html)


def _kind(block: object) -> str:
    return type(block).__name__.lower()


@cache
def environment() -> Environment:
    """Return the templates, which escape everything that is not marked as HTML."""
    environment = Environment(
        loader=PackageLoader("sales_forecast.reporting"),
        autoescape=True,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters |= {
        "emphasise": _emphasise,
        "rows": _rows,
        "numeric": _numeric,
        "title": _title,
        "kind": _kind,
    }
    return environment


def render_section(
    section: Section,
    name: str,
    draw: Callable[[Chart, str], Markup] = _figure_html,
    *,
    links: bool = True,
) -> str:
    """Render one section to an HTML fragment.

    Args:
        section: Its content.
        name: ``domain.stage``, the fragment's anchor on the page.
        draw: Makes HTML of a chart and its name; by default, with the script that draws it.
        links: Whether files of the project that are named become links.
    """
    template = environment().get_template("section.html.jinja")
    return template.render(section=section, anchor=_anchor(name), draw=draw, links=links)


def render_page(fragments: dict[str, str], file: str) -> str:
    """Put the fragments of one page together, on a page that needs neither a network nor other files.

    Args:
        fragments: ``domain.stage`` -> HTML, in any order, of all pages.
        file: Which of ``PAGES``.
    """
    page = PAGES[file]
    names = sorted((name for name in fragments if page.shows(name.partition(".")[2])), key=page.place)
    sections = [
        {
            "part": page.place(name)[0],
            "anchor": _anchor(name),
            "title": Markup("".join(_TITLE.findall(fragments[name])[:1])),
            "html": Markup(fragments[name]),
        }
        for name in names
    ]
    stamps = dict.fromkeys(Markup(stamp) for name in names for stamp in _STAMP.findall(fragments[name]))
    template = environment().get_template("page.html.jinja")
    return template.render(
        page=page,
        others={name: other for name, other in PAGES.items() if name != file},
        parts=[
            {"title": title, "anchor": f"part-{position}", "sections": inside}
            for position, title in enumerate(page.parts)
            if (inside := [section for section in sections if section["part"] == position])
        ],
        stamps=stamps,
        plotly=_compressed_plotly(),
    )


@cache
def _compressed_plotly() -> str:
    """Plotly's script, compressed, as text: a page would be three times as large with the script itself."""
    return base64.b64encode(gzip.compress(get_plotlyjs().encode(), mtime=0)).decode()


def _anchor(name: str) -> str:
    return name.replace(".", "-")
