"""What a report section is made of."""

from __future__ import annotations

from dataclasses import dataclass, field

import pandas as pd
import plotly.graph_objects as go


@dataclass(frozen=True)
class Text:
    """A paragraph. ``**bold**`` is the only markup; everything else is shown as written."""

    words: str
    heading: str | None = None


@dataclass(frozen=True)
class Chart:
    """A chart with the sentence that says what to see in it."""

    figure: go.Figure
    caption: str


@dataclass(frozen=True)
class Table:
    """A small table.

    Args:
        frame: Column names are the headings a reader sees.
        caption: What the table says.
        formats: Heading -> Python format specification, such as ``,.0f`` or ``.1%``.
        collapsed: Behind a click, for reference rather than reading.
    """

    frame: pd.DataFrame
    caption: str
    formats: dict[str, str] = field(default_factory=dict)
    collapsed: bool = False


@dataclass(frozen=True)
class Section:
    """One stage's part of the report.

    Args:
        title: Heading.
        lead: What the section is about and on which data, one or two sentences.
        answers: The findings, one sentence each; shown first.
        blocks: Text, tables and charts in reading order.
        stamp: Which model, run and data it came from; stands at the foot of the page.
    """

    title: str
    lead: str
    answers: tuple[str, ...] = ()
    blocks: tuple[Text | Chart | Table, ...] = ()
    stamp: str = ""
