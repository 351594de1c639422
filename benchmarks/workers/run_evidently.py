"""Test with Evidently's defaults whether turnover changed between periods, for the files of a folder.

The folder has ``panel.parquet``, ``periods.parquet`` and ``settings.json``, see benchmarks/drift.py; the
program adds ``changed.json``.
"""

from __future__ import annotations

import json
import os
import sys
from pathlib import Path

os.environ["DO_NOT_TRACK"] = "1"

import evidently
import pandas as pd
from evidently import DataDefinition, Dataset, Report
from evidently.metrics import ValueDrift

DEFINITION = DataDefinition(numerical_columns=["turnover"])


def is_changed(current: pd.DataFrame, reference: pd.DataFrame) -> bool:
    """Whether Evidently calls the distribution of turnover changed."""
    both = (
        Dataset.from_pandas(rows[["turnover"]], data_definition=DEFINITION) for rows in (current, reference)
    )
    (metric,) = Report([ValueDrift(column="turnover")]).run(*both).dict()["metrics"]
    score, limit = metric["value"], metric["config"]["threshold"]
    return bool(score < limit if "p_value" in metric["config"]["method"] else score >= limit)


def main() -> None:
    """Test period after period."""
    folder = Path(sys.argv[1])
    panel = pd.read_parquet(folder / "panel.parquet")
    length = pd.Timedelta(weeks=json.loads((folder / "settings.json").read_text())["weeks"])
    parts = dict(tuple(panel.groupby("department")))
    changed = []
    for period in pd.read_parquet(folder / "periods.parquet").itertuples():
        own = parts[period.department]
        current, reference = (
            own[(own["week"] > last - length) & (own["week"] <= last)]
            for last in (period.last, period.reference_last)
        )
        changed.append(is_changed(current, reference))
    (folder / "changed.json").write_text(json.dumps({"changed": changed, "version": evidently.__version__}))


if __name__ == "__main__":
    main()
