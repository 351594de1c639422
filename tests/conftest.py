import pytest

from projects import Project, copy_project


@pytest.fixture(scope="session")
def finished(tmp_path_factory: pytest.TempPathFactory) -> Project:
    """A project after a whole run on the sample; tests must not change it."""
    project = copy_project(tmp_path_factory.mktemp("finished") / "project")
    result = project.kedro("run")
    assert result.returncode == 0, result.stdout[-3000:] + result.stderr[-3000:]
    (project.folder / "run.log").write_text(result.stdout + result.stderr)
    return project
