"""What a workbook is made of: sheets for planners, whose columns know what they hold."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Literal

import pandas as pd

Kind = Literal["label", "date", "money", "change", "share", "probability", "hours", "count", "words"]
"""What a column holds: a name, a day, currency units, their difference, a relative change, a probability,
hours, a number of things, or sentences."""

Heading = str | pd.Timestamp


@dataclass(frozen=True)
class Entry:
    """What people may type into the cells of a column; spreadsheets refuse anything else.

    Args:
        help: Is shown beside the cell, at most 255 characters.
        choices: Texts to choose from; empty for any.
        least: Smallest number; None for text.
        most: Largest number; None for text.
        longest: Most characters of a text; None for no limit.
        width: Of the column, in characters.
    """

    help: str
    choices: tuple[str, ...] = ()
    least: float | None = None
    most: float | None = None
    longest: int | None = None
    width: int = 12

    @property
    def is_text(self) -> bool:
        """Whether the cells hold text, whatever it begins with."""
        return self.least is None


@dataclass(frozen=True)
class Sheet:
    """One sheet: a heading row, which stays in sight and filters, and one row below it for each of the table.

    Args:
        name: At most 31 characters, as spreadsheets demand.
        frame: Column names are the headings; a week as heading is written as a date, its column holds money.
        kinds: Heading -> what the column holds; ``label`` where nothing is said. Text is text, whatever it
            begins with, and a label that is a number is a number.
        frozen: So many columns on the left stay in sight.
        coloured: Headings of relative changes that are coloured from ``large`` on.
        large: Relative change, up or down, that is coloured.
        totals: Headings of columns that a last row sums over the rows that a filter shows; no such row if
            there are none.
        filtered: Whether the headings filter.
        entries: Heading -> what people may type into the cells of the column, which are empty and coloured.
    """

    name: str
    frame: pd.DataFrame
    kinds: dict[str, Kind] = field(default_factory=dict)
    frozen: int = 0
    coloured: tuple[str, ...] = ()
    large: float = 1.0
    totals: tuple[Heading, ...] = ()
    filtered: bool = True
    entries: dict[str, Entry] = field(default_factory=dict)

    def kind(self, heading: Heading) -> Kind:
        """What a column holds."""
        return "money" if isinstance(heading, pd.Timestamp) else self.kinds.get(heading, "label")
