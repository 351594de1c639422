"""Digests that tell equal tables from others."""

from __future__ import annotations

import hashlib

import pandas as pd


def digest_table(table: pd.DataFrame) -> str:
    """Digest of columns, types and values, whatever the index and however the table lies in memory."""
    digest = hashlib.sha256(str([(name, str(kind)) for name, kind in table.dtypes.items()]).encode())
    digest.update(pd.util.hash_pandas_object(table, index=False).to_numpy().tobytes())
    return digest.hexdigest()
