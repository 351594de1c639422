"""The pages of the service: scripts, what they may do, and the monitoring, which the browser refreshes.

No script is inside the page, so that its Content-Security-Policy can refuse all that are: figures are data,
which ``live.js`` draws.
"""

from __future__ import annotations

import gzip
import hashlib
from collections.abc import Iterable, Mapping
from functools import cache

from markupsafe import Markup, escape
from plotly.offline import get_plotlyjs

from sales_forecast.reporting.page import environment, render_section, untitled
from sales_forecast.reporting.section import Chart, Section

CONTENT_SECURITY_POLICY = "; ".join(
    (
        *("default-src 'none'", "script-src 'self'", "connect-src 'self'", "form-action 'self'"),
        "style-src 'unsafe-inline'",  # Plotly sets styles as it draws
        *("img-src data:", "base-uri 'none'", "frame-ancestors 'none'"),
    )
)

SCRIPTS = {"plotly.js": None, "page.js": "live.js", "planner.js": "planner.js"}
"""Name of a script -> its template; Plotly's own has none."""

MONITORING, PLANNER = ("plotly.js", "page.js"), ("plotly.js", "planner.js")
"""Scripts of the pages."""


def render_live(sections: Mapping[str, Section], told: str, refresh_seconds: int, form_token: str) -> str:
    """Render the page.

    Args:
        sections: Name of the anchor -> section, in reading order.
        told: What the page is about and as of when, one or two sentences.
        refresh_seconds: How often the browser asks for a new one.
        form_token: Token that the form to sign out carries; empty where a proxy signs people in and out.
    """
    template = environment().get_template("live.html.jinja")
    return template.render(
        contents=[(name, section.title) for name, section in sections.items()],
        sections=[
            Markup(render_section(section, name, _figure_data, links=False))
            for name, section in sections.items()
        ],
        told=told,
        refresh_seconds=refresh_seconds,
        form_token=form_token,
        scripts=script_addresses(MONITORING),
    )


def script_addresses(names: Iterable[str]) -> list[str]:
    """Return where browsers find scripts; another content has another address."""
    return [f"/monitoring/{name}?v={_digest(name)}" for name in names]


@cache
def compressed_script(name: str) -> bytes:
    """Return one of ``SCRIPTS``, compressed by gzip: Plotly has several megabytes."""
    return gzip.compress(script(name), mtime=0)


@cache
def script(name: str) -> bytes:
    """Return one of ``SCRIPTS`` as it is: all requests share it, for it needs no key."""
    template = SCRIPTS[name]
    text: str = environment().get_template(template).render() if template else get_plotlyjs()
    return text.encode()


@cache
def _digest(name: str) -> str:
    """Return what changes when a script does: the browser keeps each version."""
    return hashlib.sha256(script(name)).hexdigest()[:12]


def _figure_data(chart: Chart, name: str) -> Markup:
    figure = untitled(chart)
    data = figure.to_json().replace("<", "\\u003c")  # no text of the data ends the element
    height = f"{figure.layout.height:.0f}px"
    return Markup(
        f'<div id="{escape(name)}" style="height: {height}"></div>'
        f'<script type="application/json" data-chart="{escape(name)}">{data}</script>'
    )
