"""Render sections to HTML fragments and fragments to one page."""

from __future__ import annotations

import re
from functools import cache
from typing import Any

import pandas as pd
import plotly.graph_objects as go
from jinja2 import Environment, PackageLoader
from markupsafe import Markup, escape
from plotly.offline import get_plotlyjs

from sales_forecast.reporting.section import Chart, Section, Table

# The page's reading order; a stage that writes no section simply is not there.
DOMAINS = {"turnover": "Turnover", "marketing": "Marketing"}
STAGES = ("eda", "evaluation", "tuning", "registration", "inference", "deployment")

_BOLD = re.compile(r"\*\*(.+?)\*\*")
_STAMP = re.compile(r'<p class="stamp" hidden>(.*?)</p>')
_DATE = re.compile(r"\b\d{4}-\d{2}-\d{2}\b")


def _emphasise(words: str) -> Markup:
    html = _BOLD.sub(r"<strong>\1</strong>", str(escape(words)))
    return Markup(_DATE.sub(r"<time>\g<0></time>", html))  # the page does not break a date


def _cell(value: Any, spec: str) -> str:
    if pd.isna(value):
        return "-"
    if isinstance(value, pd.Timestamp):
        return f"{value:%Y-%m-%d}"
    return format(value, spec) if spec else str(value)


def _rows(table: Table) -> list[list[str]]:
    specs = [table.formats.get(str(column), "") for column in table.frame.columns]
    return [
        [_cell(value, spec) for value, spec in zip(row, specs, strict=True)]
        for row in table.frame.itertuples(index=False, name=None)
    ]


def _numeric(table: Table) -> list[bool]:
    types = pd.api.types
    return [types.is_numeric_dtype(dtype) and not types.is_bool_dtype(dtype) for dtype in table.frame.dtypes]


def _title(chart: Chart) -> str:
    return chart.figure.layout.title.text or ""


def _figure_html(chart: Chart, name: str) -> Markup:
    figure = go.Figure(chart.figure)
    figure.update_layout(title=None, margin_t=8)  # the page sets the title in type that wraps
    html = figure.to_html(
        full_html=False,
        include_plotlyjs=False,
        div_id=name,  # the same data gives the same page
        config={"responsive": True, "displaylogo": False, "displayModeBar": False},
    )
    return Markup(html)


def _kind(block: object) -> str:
    return type(block).__name__.lower()


@cache
def _environment() -> Environment:
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
        "figure": _figure_html,
        "title": _title,
        "kind": _kind,
    }
    return environment


def render_section(section: Section, name: str) -> str:
    """Render one section to an HTML fragment.

    Args:
        section: Its content.
        name: ``domain.stage``, the fragment's anchor on the page.
    """
    template = _environment().get_template("section.html.jinja")
    return template.render(section=section, anchor=name.replace(".", "-"))


def render_page(fragments: dict[str, str]) -> str:
    """Put all fragments on one page that needs no network.

    Args:
        fragments: ``domain.stage`` -> HTML, in any order; unknown names come last in their domain.
    """
    rank = {stage: position for position, stage in enumerate(STAGES)}
    domains = [
        {
            "name": domain,
            "title": title,
            "fragments": [
                Markup(fragments[name])
                for name in sorted(fragments, key=lambda name: rank.get(name.split(".")[1], 99))
                if name.split(".")[0] == domain
            ],
        }
        for domain, title in DOMAINS.items()
    ]
    template = _environment().get_template("page.html.jinja")
    return template.render(
        domains=[domain for domain in domains if domain["fragments"]],
        stamps=[Markup(stamp) for name in sorted(fragments) for stamp in _STAMP.findall(fragments[name])],
        plotly=Markup(get_plotlyjs()),
    )
