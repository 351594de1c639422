"""The stage as kedro runs it, after a whole run in a project without the environment of Evidently."""

from pathlib import Path

from projects import Project, copy_finished


def test_the_stage_adds_its_section_to_what_a_whole_run_left(small: Project, tmp_path: Path) -> None:
    project = copy_finished(small, tmp_path / "project")
    code, output = project.run("--pipelines", "monitoring")
    assert code == 0, output[-2000:]
    page = project.path("08_reporting/data_science.html").read_text()
    assert page.index('id="turnover-evaluation"') < page.index('id="turnover-drift"')
    assert "make evidently" in page[page.index('id="turnover-drift"') :]
    assert project.path("07_model_output/turnover/drift_rows.parquet").exists()
    tracked = {path.name for path in project.folder.glob("mlruns/**/artifacts/**/*")}
    assert {"drift.html", "drift.json"} <= tracked
