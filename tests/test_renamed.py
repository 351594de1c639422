"""Old names are met by one message with the new ones."""

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
import yaml
from kedro.config import OmegaConfigLoader

from projects import REPOSITORY, Project
from sales_forecast.errors import InputError
from sales_forecast.renamed import (
    DATASETS,
    GLOBALS,
    NODES,
    PARAMETERS,
    REMOVED,
    SELECTED,
    VALUES,
    refuse_old_names,
)
from sales_forecast.settings import CONFIG_LOADER_ARGS


def _loader(folder: Path, given: Mapping[str, Any] | None = None) -> OmegaConfigLoader:
    for env in ("base", "local"):
        (folder / "conf" / env).mkdir(parents=True, exist_ok=True)
    return OmegaConfigLoader(str(folder / "conf"), env="local", runtime_params=given, **CONFIG_LOADER_ARGS)


def _nested(path: str, value: object) -> dict[str, Any]:
    for name in reversed(path.split(".")):
        value = {name: value}
    assert isinstance(value, dict)
    return value


def _messages(loader: OmegaConfigLoader, options: Mapping[str, Any] | None = None) -> list[str]:
    with pytest.raises(InputError) as stopped:
        refuse_old_names(loader, options)
    first, *found, last = str(stopped.value).splitlines()
    assert first == f"{len(found)} name(s) in use have changed:"
    assert "CHANGELOG.md" in last
    return found


def _write(loader: OmegaConfigLoader, name: str, content: dict[str, Any]) -> None:
    path = Path(loader.conf_source) / "local" / name
    path.parent.mkdir(exist_ok=True)
    path.write_text(yaml.safe_dump(content))


def test_a_configuration_without_old_names_passes(tmp_path: Path) -> None:
    refuse_old_names(_loader(tmp_path))
    refuse_old_names(OmegaConfigLoader(str(REPOSITORY / "conf"), env="spark", **CONFIG_LOADER_ARGS))


@pytest.mark.parametrize("old", PARAMETERS)
def test_an_old_parameter_is_named_with_its_file_and_its_new_path(tmp_path: Path, old: str) -> None:
    loader = _loader(tmp_path, _nested(f"{old}.any", 1))
    _write(loader, "parameters/mine.yml", _nested(old, {"any": 1}))
    words = f"'{old}' is now '{PARAMETERS[old]}'"
    assert _messages(loader) == [f"conf/local/parameters/mine.yml: {words}", f"--params: {words}"]


@pytest.mark.parametrize("old", REMOVED)
def test_a_parameter_that_exists_no_more_is_named_with_its_file_and_the_reason(
    tmp_path: Path, old: str
) -> None:
    loader = _loader(tmp_path)
    _write(loader, "parameters/mine.yml", _nested(old, 1))
    words = f"'{old}' exists no more, as {REMOVED[old]}: leave it out"
    assert _messages(loader) == [f"conf/local/parameters/mine.yml: {words}"]


@pytest.mark.parametrize(("old", "value"), VALUES)
def test_an_old_value_is_named_with_the_new_one(tmp_path: Path, old: str, value: str) -> None:
    loader = _loader(tmp_path)
    _write(loader, "parameters.yml", _nested(old, value))
    now = VALUES[old, value]
    assert f"conf/local/parameters.yml: the value '{value}' of {old} is now '{now}'" in _messages(loader)


@pytest.mark.parametrize("old", GLOBALS)
def test_an_old_global_is_named_with_its_file_and_its_new_path(tmp_path: Path, old: str) -> None:
    loader = _loader(tmp_path)
    _write(loader, "globals.yml", _nested(old, "sales.csv"))
    assert _messages(loader) == [f"conf/local/globals.yml: '{old}' is now '{GLOBALS[old]}'"]


@pytest.mark.parametrize("old", DATASETS)
def test_an_old_dataset_is_named_with_its_file_and_its_new_name(tmp_path: Path, old: str) -> None:
    loader = _loader(tmp_path)
    _write(loader, "catalog/mine.yml", {old: {"type": "pandas.CSVDataset"}})
    assert _messages(loader) == [f"conf/local/catalog/mine.yml: '{old}' is now '{DATASETS[old]}'"]
    for option, typed in (("from_inputs", "--from-inputs"), ("to_outputs", "--to-outputs")):
        assert _messages(_loader(tmp_path / option), {option: ["turnover.panel", old]}) == [
            f"{typed}: '{old}' is now '{DATASETS[old]}'"
        ]
    assert _messages(_loader(tmp_path / "versions"), {"load_versions": {old: "2020"}})


def test_the_selected_method_that_was_called_champion_is_told_from_the_registrys(tmp_path: Path) -> None:
    loader = _loader(tmp_path)
    registry = {"type": "sales_forecast.registry.dataset.RegistryDataset"}
    _write(loader, "catalog.yml", {"turnover.champion": registry})
    refuse_old_names(loader)
    _write(loader, "catalog.yml", {"turnover.champion": {"type": "json.JSONDataset"}})
    (words,) = _messages(loader)
    assert "is now in turnover.selected_method" in words
    assert _messages(_loader(tmp_path / "other"), {"to_outputs": list(SELECTED)}) == [
        "--to-outputs: 'turnover.champion' is now 'turnover.selected_method'"
    ]


@pytest.mark.parametrize("old", NODES)
def test_an_old_node_is_named_with_its_new_name(tmp_path: Path, old: str) -> None:
    for option, typed in (
        ("node_names", "--nodes"),
        ("from_nodes", "--from-nodes"),
        ("to_nodes", "--to-nodes"),
    ):
        assert _messages(_loader(tmp_path), {option: (old,)}) == [f"{typed}: '{old}' is now '{NODES[old]}'"]


def test_all_old_names_are_listed_at_once(tmp_path: Path) -> None:
    loader = _loader(tmp_path)
    _write(loader, "parameters.yml", _nested("turnover.ranges", {}) | _nested("marketing.promotion", {}))
    _write(loader, "globals.yml", _nested("turnover.files.targets", "a.csv"))
    assert len(_messages(loader, {"node_names": list(NODES)[:2]})) == 5


def test_the_changelog_lists_every_renaming() -> None:
    section = (REPOSITORY / "CHANGELOG.md").read_text("utf-8").partition("## Renamed")[2]
    listed = set(re.findall(r"`([^`]+)`", section))
    names = PARAMETERS | GLOBALS | DATASETS | NODES
    missing = {name for pair in names.items() for name in pair} - listed
    assert not {name for name in missing if " and " not in name}


def test_the_changelog_lists_every_parameter_that_exists_no_more() -> None:
    changelog = (REPOSITORY / "CHANGELOG.md").read_text("utf-8")
    assert not {old for old, why in REMOVED.items() if f"| `{old}` | {why} |" not in changelog}


def test_a_run_with_an_old_name_stops_before_anything_is_done(new_project: Project) -> None:
    (new_project.folder / "conf" / "local" / "parameters.yml").write_text(
        "turnover: {ranges: {scale_share: 0.2}}\n"
    )
    status, output = new_project.run(
        "--nodes", "turnover.registration.fit_best", "--params", "turnover.workers.engine=here"
    )
    assert status == 1
    assert "conf/local/parameters.yml: 'turnover.ranges' is now 'turnover.intervals'" in output
    assert "--params: 'turnover.workers' is now 'turnover.fitting'" in output
    assert "--params: the value 'here' of turnover.workers.engine is now 'local'" in output
    assert "--nodes: 'turnover.registration.fit_best' is now 'turnover.registration.fit_selected'" in output
    assert not (new_project.folder / "mlflow.db").exists()
    assert new_project.outputs() == {}
