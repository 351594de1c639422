"""What Kedro's own datasets save is there completely or not at all."""

from __future__ import annotations

import threading
from typing import Any

import fsspec
from kedro.framework.context import KedroContext
from kedro.framework.hooks import hook_impl

from sales_forecast import compat
from sales_forecast.atomic import beside
from sales_forecast.data_root import data_root
from sales_forecast.places import on_disk, open_place


class WholeSaves(threading.local):
    """What this thread is saving through fsspec: the files get their names when all of it is complete.

    Kedro's file datasets write through fsspec's local file system, of which each thread has one. Inside
    its transaction they write under temporary names. ``kedro run --async`` saves all outputs of a node at
    the same time; with the ThreadRunner datasets belong to another thread than the one that saves, and
    are written as Kedro does it.

    In object storage, what a save that fails has left half written would be uploaded without a transaction.
    All threads share such a file system; the thread that has named it uses transactions.
    """

    under_way = 0
    is_open = False
    remote: Any = None
    """File system of the data, where they are not on a disk."""

    @property
    def _files(self) -> Any:
        return fsspec.filesystem("file", auto_mkdir=True)

    def begin(self) -> None:
        """Write under temporary names from now on."""
        if not self.under_way:
            self._files.start_transaction()
            if self.remote is not None:
                self.remote.start_transaction()
            self.is_open = True
        self.under_way += 1

    def complete(self) -> None:
        """Give the files their names, if no other save is under way."""
        self.under_way -= 1
        if not self.under_way:
            compat.bring_beside(self._files.transaction, beside)
            self._files.end_transaction()
            if self.remote is not None:
                self.remote.end_transaction()
            self.is_open = False

    def drop(self) -> None:
        """Forget what is half written, and write as usual."""
        self.under_way = 0
        if self.is_open:
            self.is_open = False
            compat.forget_appended(self._files.transaction)
            self._files.transaction.complete(commit=False)
            if self.remote is not None:
                self.remote.transaction.complete(commit=False)


class SaveHooks:
    """Outputs are written whole. Kedro calls these by name."""

    def __init__(self) -> None:
        self._saves = WholeSaves()

    @hook_impl
    def after_context_created(self, context: KedroContext) -> None:
        """Take the file system of the data, if they are not on a disk."""
        root = data_root(context.config_loader["globals"])
        files = open_place(root)[0] if on_disk(root) is None else None
        # Other file systems would let our own datasets, which upload whole files, wait as well.
        self._saves.remote = files if files is not None and files.async_impl else None

    @hook_impl
    def before_node_run(self) -> None:
        """Drop what an interrupted run left half written in this process."""
        self._saves.drop()

    @hook_impl
    def before_dataset_saved(self) -> None:
        """Begin to write under temporary names."""
        self._saves.begin()

    @hook_impl
    def after_dataset_saved(self) -> None:
        """Give the complete files their names."""
        self._saves.complete()

    @hook_impl
    def on_pipeline_error(self) -> None:
        """Drop what was half written: Kedro reports an error while saving only here."""
        self._saves.drop()
