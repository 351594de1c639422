"""Both domains: what the report says about rows that were set aside."""

from __future__ import annotations

import pandas as pd


def describe_rejected(rejected: pd.DataFrame, table: str) -> tuple[str, ...]:
    """Say how many rows of the file were set aside and why; nothing where there are none.

    Args:
        rejected: Rows that were set aside, with their ``reason``.
        table: Name of that table in the catalog.

    Returns:
        One sentence for the report, or none.
    """
    if rejected.empty:
        return ()
    reasons = "; ".join(
        f"{reason} ({count:,})" for reason, count in rejected["reason"].value_counts().items()
    )
    rows = "1 row" if len(rejected) == 1 else f"{len(rejected):,} rows"
    return (f"**{rows}** of the file could not be used: {reasons}. The table {table} lists them.",)
