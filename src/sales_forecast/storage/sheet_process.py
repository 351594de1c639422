"""Sheets of others are read in a process of their own: a small file may take very long, and much memory."""

from __future__ import annotations

import resource
from concurrent.futures import ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from multiprocessing import get_context
from pathlib import Path

from sales_forecast.errors import InputError
from sales_forecast.planning.override_sheet import Cell
from sales_forecast.storage.override_files import read_sheet

SECONDS = 8
"""Processor time to read a sheet, with the start of the process; 10,000 rows take about three."""

BYTES = 600_000_000
"""Memory to read a sheet in, with what the process has; elements without text would take twice as much."""


def read_sheet_apart(path: Path, most_bytes: int) -> list[tuple[int, dict[str, Cell]]]:
    """Read a sheet as ``read_sheet`` does, in a process that ends when it takes too long.

    Args:
        path: File that ends with ``.xlsx`` or ``.csv``.
        most_bytes: Largest size of a workbook once it is unpacked.

    Raises:
        InputError: The file cannot be read, takes too long or too much memory, or columns are missing.
    """
    # a fork would have the locks of the other threads, and nobody who releases them
    with ProcessPoolExecutor(1, get_context("spawn"), _limit, (SECONDS, BYTES)) as process:
        try:
            return process.submit(read_sheet, path, most_bytes).result()
        except (BrokenProcessPool, MemoryError):
            raise InputError(
                f"{path} cannot be read, or takes more than {SECONDS} seconds to read, or too much memory; "
                "copy the rows that are filled in to a new sheet, and send that"
            ) from None


def _limit(seconds: int, most_bytes: int) -> None:
    resource.setrlimit(resource.RLIMIT_CPU, (seconds, seconds))
    resource.setrlimit(resource.RLIMIT_DATA, (most_bytes, most_bytes))
