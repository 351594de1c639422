"""One run at a time in a project: two would write the same tables."""

from __future__ import annotations

import logging

from filelock import FileLock, Timeout

from sales_forecast.atomic import lock_file
from sales_forecast.places import join

logger = logging.getLogger(__name__)


class RunLock:
    """A lock that the operating system takes back from a killed process."""

    def __init__(self) -> None:
        self._held: FileLock | None = None

    def wait(self, root: str) -> None:
        """Wait until no other run is under way in this project, and say so.

        Args:
            root: Folder or URL of the data; of a URL only runs on this machine wait for one another.
        """
        self.release()
        file = lock_file(join(root, "run"))
        file.parent.mkdir(parents=True, exist_ok=True)
        lock = FileLock(file, is_singleton=True)
        try:
            lock.acquire(timeout=0)
        except Timeout:
            logger.info("Another run is under way in this project: this one waits for it. Ctrl-C gives up.")
            lock.acquire()
        self._held = lock

    def release(self) -> None:
        """Let the next run begin."""
        if self._held is not None:
            self._held.release()
            self._held = None
