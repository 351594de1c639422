"""The page of the service: sections that the browser draws and refreshes, and the form to sign in.

No script is inside the page, so that its Content-Security-Policy can refuse all that are: figures are data,
which ``live.js`` draws.
"""

from __future__ import annotations

import gzip
import hashlib
from collections.abc import Mapping
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

SCRIPTS = ("plotly.js", "page.js")


def render_live(sections: Mapping[str, Section], told: str, refresh_seconds: int) -> str:
    """Render the page.

    Args:
        sections: Name of the anchor -> section, in reading order.
        told: What the page is about and as of when, one or two sentences.
        refresh_seconds: How often the browser asks for a new one.
    """
    template = environment().get_template("live.html.jinja")
    plotly, script = (f"{name}?v={_digest(name)}" for name in SCRIPTS)
    return template.render(
        contents=[(name, section.title) for name, section in sections.items()],
        sections=[
            Markup(render_section(section, name, _figure_data, links=False))
            for name, section in sections.items()
        ],
        told=told,
        refresh_seconds=refresh_seconds,
        plotly=plotly,
        script=script,
    )


def render_sign_in(hours: int, problem: str = "") -> str:
    """Render the form that asks for an API key.

    Args:
        hours: How long the browser stays signed in.
        problem: Why the last key was refused.
    """
    return environment().get_template("sign_in.html.jinja").render(hours=hours, problem=problem)


@cache
def compressed_script(name: str) -> bytes:
    """Return one of ``SCRIPTS``, compressed by gzip: Plotly has several megabytes."""
    text = get_plotlyjs() if name == "plotly.js" else environment().get_template("live.js").render()
    return gzip.compress(text.encode(), mtime=0)


def _digest(name: str) -> str:
    """Return what changes when a script does: the browser keeps each version."""
    return hashlib.sha256(compressed_script(name)).hexdigest()[:12]


def _figure_data(chart: Chart, name: str) -> Markup:
    figure = untitled(chart)
    data = figure.to_json().replace("<", "\\u003c")  # no text of the data ends the element
    height = f"{figure.layout.height:.0f}px"
    return Markup(
        f'<div id="{escape(name)}" style="height: {height}"></div>'
        f'<script type="application/json" data-chart="{escape(name)}">{data}</script>'
    )
