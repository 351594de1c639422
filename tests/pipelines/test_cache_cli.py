"""Folds that were computed before can be looked at and removed."""

from pathlib import Path

import pytest

from projects import Project, copy_finished

pytestmark = pytest.mark.xdist_group("lifecycle")


def test_folds_are_shown_and_removed(small: Project, tmp_path: Path) -> None:
    project = copy_finished(small, tmp_path / "project")
    kept = len(list(project.path("06_models/turnover/folds").glob("*.parquet")))
    assert kept > 3
    shown = project.command("cache", "show")
    assert shown.exit_code == 0
    assert f" {kept} " in shown.output
    assert "500 MB" in shown.output
    cleared = project.command("cache", "clear")
    assert cleared.output.startswith(f"{kept} fold(s) removed from ")
    assert " 0 " in project.command("cache", "show").output


def test_a_folder_without_a_project_is_refused(tmp_path: Path) -> None:
    found = Project(tmp_path).command("cache", "show")
    assert found.exit_code == 1
    assert "there is no project here" in found.output
