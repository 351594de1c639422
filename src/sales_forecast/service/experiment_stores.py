"""Which stores the challenger predicts; no model needs to be loaded to say so."""

from __future__ import annotations

import hashlib


def is_challengers(store: str, share: float, salt: str) -> bool:
    """Return whether the challenger predicts a store: always the same stores, for every department.

    Args:
        store: Store, as text.
        share: Share of stores that the challenger predicts, from 0 to 1.
        salt: Secret that decides which stores these are.
    """
    digest = hashlib.sha256(f"{salt}\n{store}".encode()).digest()
    return int.from_bytes(digest[:8]) < share * 2**64
