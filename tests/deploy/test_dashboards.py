"""Dashboards: made by their builder, of keys that Grafana knows, and every query answered by a real server."""

import json
import re
import shutil
import subprocess
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
import yaml
from deploy.monitoring.grafana.build import FOLDER, dashboards
from sqlalchemy import Connection, text
from sqlalchemy.exc import ProgrammingError

from dashboard_keys import unknown_keys
from projects import REPOSITORY
from watched_shop import NOW

pytestmark = pytest.mark.xdist_group("deploy")

GRAFANA = REPOSITORY / "deploy" / "monitoring" / "grafana"
PATHS = sorted(FOLDER.glob("*.json"))
SINCE, UNTIL = NOW - timedelta(days=365), NOW + timedelta(days=70)


def targets(kind: str) -> list[Any]:
    """Every query to a kind of source, named by dashboard and panel."""
    return [
        pytest.param(panel, target, id=f"{path.stem}: {panel['title']} {target['refId']}")
        for path in PATHS
        for panel in json.loads(path.read_text())["panels"]
        for target in panel["targets"]
        if target["datasource"]["type"] == kind
    ]


def test_the_files_are_what_the_builder_makes() -> None:
    assert {path.name: path.read_text() for path in PATHS} == dashboards(), "run: make monitoring"
    assert len(PATHS) == 4


@pytest.mark.parametrize("path", PATHS, ids=lambda path: path.stem)
def test_a_dashboard_has_only_keys_that_grafana_knows(path: Path) -> None:
    assert list(unknown_keys(json.loads(path.read_text()))) == []


@pytest.mark.parametrize(
    ("old", "new", "told"),
    [
        ('"fieldConfig"', '"fieldconfig"', "panels[0].fieldconfig"),
        ('"reduceOptions"', '"reducer"', "panels[0].options.reducer"),
        ('"rawSql"', '"sql"', ".targets[0].sql"),
        ('"lineWidth"', '"width"', ".fieldConfig.defaults.custom.width"),
        ('"gridPos": {', '"gridPos": {"z": 1,', "panels[0].gridPos.z"),
    ],
)
def test_a_misspelt_key_is_found(old: str, new: str, told: str) -> None:
    changed = json.loads((FOLDER / "sales-forecast-manager.json").read_text().replace(old, new))
    assert any(told in key for key in unknown_keys(changed))


@pytest.mark.parametrize("path", PATHS, ids=lambda path: path.stem)
def test_panels_say_what_they_show_and_do_not_overlap(path: Path) -> None:
    taken: set[tuple[int, int]] = set()
    for panel in json.loads(path.read_text())["panels"]:
        assert panel["title"]
        assert panel["description"].endswith(".")
        at = panel["gridPos"]
        cells = {(at["x"] + x, at["y"] + y) for x in range(at["w"]) for y in range(at["h"])}
        assert not cells & taken
        assert all(x < 24 for x, _ in cells)
        taken |= cells


def test_the_provisioned_sources_are_those_of_the_panels() -> None:
    provisioned = yaml.safe_load((GRAFANA / "provisioning/datasources/sales_forecast.yml").read_text())
    known = {(source["type"], source["uid"]) for source in provisioned["datasources"]}
    written = {
        found for path in PATHS for found in re.findall(r'"datasource": (\{[^}]*\})', path.read_text())
    }
    asked = {(source["type"], source["uid"]) for source in map(json.loads, written)}
    assert asked == known
    assert not re.findall(r"password: (?!\$)", json.dumps(provisioned))


NO_DISK_HERE = "node_filesystem"
"""A container may have no disk of its own."""


@pytest.mark.parametrize(("panel", "target"), targets("prometheus"))
def test_prometheus_answers_each_panel(watched: Any, panel: dict[str, Any], target: dict[str, Any]) -> None:
    found = watched.query(target["expr"].replace("$retailer", "default"))
    assert found or NO_DISK_HERE in target["expr"], target["expr"]
    if panel["type"] == "stat":
        assert len(found) == 1


@pytest.mark.parametrize(("panel", "target"), targets("grafana-postgresql-datasource"))
def test_postgresql_answers_each_panel(
    reader: Connection, panel: dict[str, Any], target: dict[str, Any]
) -> None:
    query = target["rawSql"].replace("${retailer:sqlstring}", "'default'")
    query = re.sub(r"\$__timeFilter\(([\w.]+)\)", rf"\1 BETWEEN '{SINCE:%FT%TZ}' AND '{UNTIL:%FT%TZ}'", query)
    assert "$" not in query
    found = reader.execute(text(query.replace(":", r"\:"))).mappings().all()
    assert found
    if target["format"] == "time_series":
        assert all(row["time"].tzinfo is not None for row in found)
        assert [row["time"] for row in found] == sorted(row["time"] for row in found)
        others = [name for name in found[0] if name not in ("time", "metric")]
        assert all(isinstance(row[name], int | float) for row in found for name in others)


def test_the_choice_of_a_retailer_finds_one(reader: Connection) -> None:
    for path in PATHS:
        for variable in json.loads(path.read_text())["templating"]["list"]:
            assert reader.execute(text(variable["query"])).scalars().all() == ["default"]


@pytest.mark.parametrize(
    "query",
    ["select digest from api_keys", "select input from audit_log", "delete from monitor_signals"],
)
def test_grafana_may_neither_write_nor_read_secrets(reader: Connection, query: str) -> None:
    with pytest.raises(ProgrammingError, match="permission denied"):
        reader.execute(text(query))


def test_typescript_accepts_the_dashboards_as_grafana_describes_them(tmp_path: Path) -> None:
    npm = shutil.which("npm")
    if npm is None:
        pytest.skip("npm is not installed")
    done = subprocess.run(
        [GRAFANA / "check" / "check.sh", tmp_path], capture_output=True, text=True, check=False
    )
    if done.returncode == 3:
        pytest.skip(f"npm cannot fetch typescript and @grafana/schema: {done.stderr[-300:]}")
    assert done.returncode == 0, done.stdout + done.stderr
