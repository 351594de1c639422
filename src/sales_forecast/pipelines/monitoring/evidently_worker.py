"""Compares two tables with Evidently; a program of the environment that ``make evidently`` sets up.

Its only argument is a folder with ``reference.parquet``, ``current.parquet`` and ``settings.json``
(``columns``, names by group, and ``note``, a sentence on top of the page). It adds ``report.html`` and
``report.json``, and imports nothing of this project.
"""

from __future__ import annotations

import json
import re
import sys
from html import escape
from itertools import count
from pathlib import Path

import pandas as pd
from evidently import DataDefinition, Dataset, Report
from evidently.metrics import ValueDrift
from evidently.presets import DataDriftPreset

RANDOM_NAME = re.compile(r"\b[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}\b|(?<=metric_)[0-9a-f]{32}\b")

STYLE = """<style>
  .MuiGrid-root, .MuiBox-root { min-width: 0; max-width: 100%; }
  .MuiPaper-root, .MuiTableContainer-root { overflow-x: auto; }
  .MuiTypography-root { overflow-wrap: break-word; }
  .js-plotly-plot { min-width: 600px; }
  .note { font: 16px system-ui, sans-serif; max-width: 60em; margin: 1em auto; padding: 0 1em; }
</style>"""
"""On a phone wide tables and charts are scrolled in their own frames, instead of being cut off."""


def compare(folder: Path) -> None:
    """Write the report of one folder."""
    settings = json.loads((folder / "settings.json").read_text(encoding="utf-8"))
    groups: dict[str, list[str]] = settings["columns"]
    columns = [name for names in groups.values() for name in names]
    definition = DataDefinition(numerical_columns=columns)
    reference, current = (
        Dataset.from_pandas(pd.read_parquet(folder / f"{name}.parquet"), data_definition=definition)
        for name in ("reference", "current")
    )
    outcomes = [ValueDrift(column=name) for name in (*groups["targets"], *groups["errors"])]
    report = Report([*outcomes, DataDriftPreset(columns=groups["features"])])
    snapshot = report.run(current, reference)
    page = folder / "report.html"
    snapshot.save_html(str(page))
    snapshot.save_json(str(folder / "report.json"))
    page.write_text(completed(page.read_text(encoding="utf-8"), settings["note"]), encoding="utf-8")


def completed(page: str, note: str) -> str:
    """Add the note, and number the names that Evidently draws at random: so equal tables give equal pages."""
    numbers = count(1)
    names: dict[str, str] = {}

    def numbered(found: re.Match[str]) -> str:
        if found[0] not in names:
            names[found[0]] = f"{next(numbers):0{len(found[0])}d}"
        return names[found[0]]

    head = f"<title>Drift</title>{STYLE}</head>"
    page = page.replace("</head>", head, 1).replace("<body>", f'<body><p class="note">{escape(note)}</p>', 1)
    return RANDOM_NAME.sub(numbered, page)


if __name__ == "__main__":
    compare(Path(sys.argv[1]))
