"""Templates of the pages."""

from __future__ import annotations

from functools import cache

from jinja2 import ChoiceLoader, Environment, PackageLoader, StrictUndefined
from markdown_it import MarkdownIt
from markupsafe import Markup

from sales_forecast.reporting.page import environment as report
from sales_forecast.service.planner import words
from sales_forecast.service.planner.addresses import series_address

HEADINGS_BELOW = 2
"""A document inside of a page begins with headings of this level plus one."""


@cache
def environment() -> Environment:
    """Return the templates, which escape everything that is not marked as HTML."""
    found = Environment(
        loader=ChoiceLoader(
            [PackageLoader("sales_forecast.service.planner"), PackageLoader("sales_forecast.reporting")]
        ),
        autoescape=True,
        trim_blocks=True,
        lstrip_blocks=True,
        undefined=StrictUndefined,
    )
    named = (words.money, words.signed, words.share, words.points, words.change, words.minute)
    found.filters |= {one.__name__: one for one in named}
    found.filters |= {
        "day": words.time_tag,
        "written": words.day,
        "markdown": from_markdown,
        "emphasise": report().filters["emphasise"],
    }
    found.globals |= {"ratio_of": words.ratio_of, "series_address": series_address}
    return found


def render(template: str, **content: object) -> str:
    """Render a template."""
    return environment().get_template(template).render(content)


def from_markdown(text: str) -> Markup:
    """Render Markdown; HTML inside of it is shown as it is written."""
    parser = MarkdownIt("commonmark", {"html": False}).enable("table")
    tokens = parser.parse(text)
    for token in tokens:
        if token.tag in ("h1", "h2", "h3", "h4"):
            token.tag = f"h{int(token.tag[1]) + HEADINGS_BELOW}"
    return Markup(parser.renderer.render(tokens, parser.options, {}))
