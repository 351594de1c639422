import contextlib
import tempfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
from fastapi.testclient import TestClient

from projects import Project, copy_finished
from sales_forecast.aws.artifact import Outcome, Served, export
from sales_forecast.aws.exported_models import Models, load_models
from sales_forecast.aws.serve import make_app
from sales_forecast.configuration import load_configuration
from sales_forecast.registry.trust import NO_KEY
from sales_forecast.service.schemas.responses import ArmName
from sales_forecast.service.settings import read_budget_interval
from services import another_version, registry, twice_the_turnover


@dataclass(frozen=True)
class Exported:
    """A project whose registry has a champion and a challenger, and what a training job would leave of it."""

    project: Project
    folder: Path
    outcome: Outcome

    def load(self, arm: ArmName) -> Models:
        with contextlib.chdir(self.project.folder):
            curve = load_configuration("local")["parameters"]["marketing"]["curve"]
        return load_models(self.folder, arm, NO_KEY, read_budget_interval(curve))


@pytest.fixture(scope="session")
def exported(small: Project, made_once: Callable[..., Path]) -> Exported:
    """Version 1 serves, and version 2 predicts other figures."""

    def make(folder: Path) -> None:
        project = copy_finished(small, folder / "project")
        with contextlib.chdir(project.folder):
            before = Served.now()
            assert another_version(project, twice_the_turnover) == "2"
            registry(project).challenge("2")
            export(folder / "model", before)

    folder = made_once("exported", make)
    outcome = Outcome.model_validate_json((folder / "model/outcome.json").read_bytes())
    return Exported(Project(folder / "project"), folder / "model", outcome)


@pytest.fixture(scope="session")
def containers(exported: Exported) -> Iterator[dict[str, TestClient]]:
    """The inference container of each arm, in this process."""
    with contextlib.ExitStack() as stack:
        arms: tuple[ArmName, ...] = ("champion", "challenger")
        apps = {arm: make_app(exported.load(arm)) for arm in arms}
        yield {
            arm: stack.enter_context(TestClient(app, raise_server_exceptions=False))
            for arm, app in apps.items()
        }


@pytest.fixture
def temporary(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Temporary files in a folder of the test's own, where the copies of the project are made."""
    folder = tmp_path / "temporary"
    folder.mkdir()
    monkeypatch.setattr(tempfile, "tempdir", str(folder))
    return folder
