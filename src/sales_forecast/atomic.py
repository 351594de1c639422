"""Files and folders that are there completely or not at all.

They are written under another name in the same folder first, so that giving the right one is a mere rename.
"""

from __future__ import annotations

import os
import shutil
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import fsspec

from sales_forecast import compat


def beside(path: Path, end: str = "part") -> Path:
    """Name a file or folder next to another, hidden, and of this process only."""
    return path.with_name(f".{path.name}.{os.getpid()}.{end}")


@contextmanager
def whole_file(path: Path) -> Iterator[Path]:
    """Write a file under the name that is yielded; it takes the place of ``path`` if nothing goes wrong."""
    path.parent.mkdir(parents=True, exist_ok=True)
    part = beside(path)
    try:
        yield part
        part.replace(path)
    finally:
        part.unlink(missing_ok=True)


@contextmanager
def whole_folder(path: Path) -> Iterator[Path]:
    """Fill a folder under the name that is yielded; it takes the place of ``path`` if nothing goes wrong."""
    path.parent.mkdir(parents=True, exist_ok=True)
    part, old = beside(path), beside(path, "old")
    try:
        yield part
        if path.exists():
            path.replace(old)
        try:
            part.replace(path)
        except OSError:
            if old.exists():
                old.replace(path)
            raise
    finally:
        shutil.rmtree(part, ignore_errors=True)
        shutil.rmtree(old, ignore_errors=True)


class WholeSaves(threading.local):
    """What this thread is saving through fsspec: the files get their names when all of it is complete.

    Kedro's file datasets write through fsspec's local file system, of which each thread has one. Inside
    its transaction they write under temporary names. ``kedro run --async`` saves all outputs of a node at
    the same time; with the ThreadRunner datasets belong to another thread than the one that saves, and
    are written as Kedro does it.
    """

    under_way = 0
    is_open = False

    @property
    def _files(self) -> Any:
        return fsspec.filesystem("file", auto_mkdir=True)

    def begin(self) -> None:
        """Write under temporary names from now on."""
        if not self.under_way:
            self._files.start_transaction()
            self.is_open = True
        self.under_way += 1

    def complete(self) -> None:
        """Give the files their names, if no other save is under way."""
        self.under_way -= 1
        if not self.under_way:
            compat.bring_beside(self._files.transaction, beside)
            self._files.end_transaction()
            self.is_open = False

    def drop(self) -> None:
        """Forget what is half written, and write as usual."""
        self.under_way = 0
        if self.is_open:
            self.is_open = False
            compat.forget_appended(self._files.transaction)
            self._files.transaction.complete(commit=False)
