"""The override sheet in a workbook: what is to be filled in is coloured, and offers its choices."""

from __future__ import annotations

import pandas as pd

from sales_forecast.planning.override_sheet import LABELS, PLANNED_NOW, REASON_WORDS, SHEET_NAME
from sales_forecast.planning.proposals import (
    LARGEST_NUMBER,
    LARGEST_PERCENT,
    LEAST_PERCENT,
    LONGEST_NOTE,
)
from sales_forecast.reporting.workbook import Entry, Kind, Sheet

KINDS: dict[str, Kind] = {
    "week": "date",
    **dict.fromkeys(("forecast", "80 % from", "80 % to", PLANNED_NOW, "planned"), "money"),
}
ENTRIES = {
    "planned": Entry(
        "Turnover of this week in currency units, or fill in 'per cent'. Empty: the forecast stays.",
        least=0.0,
        most=LARGEST_NUMBER,
    ),
    "per cent": Entry(
        "Change of the forecast: 20 is a fifth more, -10 a tenth less. Leave it empty where 'planned' is "
        "filled in.",
        least=LEAST_PERCENT,
        most=LARGEST_PERCENT,
    ),
    "reason": Entry(
        "Why: choose one. No number counts without.", choices=tuple(REASON_WORDS.values()), width=18
    ),
    "note": Entry(
        f"In your words, up to {LONGEST_NOTE} characters; the reason 'other' needs a note.",
        longest=LONGEST_NOTE,
        width=40,
    ),
}


def override_page(sheet: pd.DataFrame) -> Sheet:
    """Make the sheet that ``sales-forecast overrides import`` reads.

    Args:
        sheet: As ``planning.override_sheet.override_sheet`` lays it out.
    """
    return Sheet(SHEET_NAME, sheet, KINDS, frozen=len(LABELS) + 1, entries=ENTRIES)
