"""Where the project is that commands work in."""

from __future__ import annotations

from pathlib import Path

from kedro.utils import find_kedro_project


def project_root() -> str:
    """The project folder around the working directory; where there is none, as when packaged, the latter."""
    return Path(find_kedro_project(Path.cwd()) or Path.cwd()).as_posix()
