import sys

import pytest
from hypothesis import settings

from projects import Project, copy_project

# Other work on the machine must not fail a test: how long something takes is a benchmark's business.
settings.register_profile("untimed", deadline=None)
settings.load_profile("untimed")

# pyspark.sql.connect, which MLflow looks for, takes a Python without main file or prompt for its own doctests
# and exits it with 0. pytest-xdist's workers are such Pythons.
sys.ps1 = ">>> "


@pytest.fixture(scope="session")
def finished(tmp_path_factory: pytest.TempPathFactory) -> Project:
    """A project after a whole run on the sample; tests must not change it."""
    project = copy_project(tmp_path_factory.mktemp("finished") / "project")
    result = project.kedro("run")
    assert result.returncode == 0, result.stdout[-3000:] + result.stderr[-3000:]
    (project.folder / "run.log").write_text(result.stdout + result.stderr)
    return project
