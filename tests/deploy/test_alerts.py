"""Alerts: their texts, their rules by promtool, and one that goes all the way to a webhook."""

import contextlib
import re
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest
import typer.testing
import yaml
from deploy.monitoring import build

from projects import REPOSITORY
from services import wait_until

pytestmark = pytest.mark.xdist_group("deploy")

MONITORING = REPOSITORY / "deploy" / "monitoring"
PROMETHEUS = MONITORING / "prometheus"
DETECTORS = {
    "LevelAlarm": "level",
    "StoreWarning": "store",
    "CoverageAlarm": "coverage",
    "CoverageAtOnceAlarm": "coverage_at_once",
    "AccuracyWarning": "accuracy",
    "DeliveryHeld": "delivery",
}


def alerts() -> list[dict[str, Any]]:
    content = yaml.safe_load((PROMETHEUS / "alerts.yml").read_text())
    return [rule for group in content["groups"] for rule in group["rules"]]


def run(*command: str | Path) -> str:
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def test_the_alerts_are_made_from_the_template_and_the_measured_figures() -> None:
    assert (PROMETHEUS / "alerts.yml").read_text() == build.build_alerts(), "run: make monitoring"


def test_each_alarm_of_a_detector_says_how_often_it_is_false_and_how_late() -> None:
    figures = build.read_figures()
    told = {alert["alert"]: alert["annotations"]["description"] for alert in alerts()}
    for alert, detector in DETECTORS.items():
        for figure in ("false_alarms", "delay"):
            assert " ".join(figures[detector][figure].split()) in told[alert]


def test_another_figure_is_another_text(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    figures = yaml.safe_load((MONITORING / "figures.yml").read_text())
    figures["level"] = {"false_alarms": "one week in 50", "delay": "one week, 9 times in 10"}
    (tmp_path / "figures.yml").write_text(yaml.safe_dump(figures))
    monkeypatch.setattr(build, "FIGURES", tmp_path / "figures.yml")
    assert "false alarms: one week in 50. Delay: one week, 9 times in 10." in " ".join(
        build.build_alerts().split()
    )


@pytest.mark.parametrize("alert", alerts(), ids=lambda alert: str(alert["alert"]))
def test_each_alert_says_what_it_means_and_where_to_read_on(alert: dict[str, Any]) -> None:
    told = alert["annotations"]
    assert set(told) == {"summary", "description", "runbook"}
    assert "false alarms" in told["description"]
    assert "Delay" in told["description"]
    assert alert["labels"]["severity"] in ("page", "ticket")
    runbook = REPOSITORY / told["runbook"]
    assert alert["alert"] in runbook.read_text()
    assert {"## What it means", "## Look", "## Do", "## When to ignore it", "## Undo"} <= set(
        runbook.read_text().splitlines()
    )


def test_each_runbook_belongs_to_an_alert() -> None:
    named = {alert["annotations"]["runbook"] for alert in alerts()}
    assert named == {
        str(path.relative_to(REPOSITORY)) for path in (REPOSITORY / "docs/runbooks").glob("*.md")
    }


def test_the_guide_lists_each_alert_and_whom_it_reaches() -> None:
    page = (REPOSITORY / "docs" / "monitoring.md").read_text()
    for alert in alerts():
        runbook = Path(alert["annotations"]["runbook"]).relative_to("docs")
        row = next(line for line in page.splitlines() if line.startswith(f"| `{alert['alert']}` |"))
        assert f"| {alert['labels']['severity']} |" in row
        assert f"]({runbook})" in row


COMMANDS = sorted(
    {
        tuple(found.split())
        for path in (REPOSITORY / "docs/runbooks").glob("*.md")
        for found in re.findall(r"(?<=sales-forecast )[a-z]+(?: [a-z]+)?", path.read_text())
    }
)
GROUPS = {"models", "ledger", "deliveries", "audit", "cache", "keys"}


@pytest.mark.parametrize("command", COMMANDS, ids=" ".join)
def test_the_commands_of_the_runbooks_exist(command: tuple[str, ...]) -> None:
    from sales_forecast.__main__ import app

    wanted = command if command[0] in GROUPS else command[:1]
    result = typer.testing.CliRunner().invoke(app, [*wanted, "--help"])
    assert result.exit_code == 0, result.output


def test_promtool_and_amtool_accept_the_files(programs: None) -> None:
    run("promtool", "check", "config", PROMETHEUS / "prometheus.yml")
    run("promtool", "check", "rules", "--lint=all", "--lint-fatal", PROMETHEUS / "alerts.yml")
    run("amtool", "check-config", MONITORING / "alertmanager" / "alertmanager.yml")


def test_the_rules_fire_when_they_should(programs: None) -> None:
    run("promtool", "test", "rules", *sorted(PROMETHEUS.glob("*.test.yml")))


def test_each_alert_fires_in_a_test_of_the_rules() -> None:
    tests = "".join(path.read_text() for path in PROMETHEUS.glob("*.test.yml"))
    expected = re.findall(r"labels: '\{alertname=\"(\w+)\"", tests)
    assert {alert["alert"] for alert in alerts()} == set(expected)


@pytest.mark.parametrize("change", ["> 3 * 86400", "== 2", "> 0.02"])
def test_the_tests_of_the_rules_notice_a_rule_that_never_fires(
    programs: None, change: str, tmp_path: Path
) -> None:
    for path in PROMETHEUS.glob("*.test.yml"):
        shutil.copy(path, tmp_path)
    rules = (PROMETHEUS / "alerts.yml").read_text()
    assert change in rules
    (tmp_path / "alerts.yml").write_text(rules.replace(change, "> 1e99"))
    with pytest.raises(AssertionError, match="FAILED"):
        run("promtool", "test", "rules", *sorted(tmp_path.glob("*.test.yml")))


def test_who_is_called_and_who_gets_a_ticket(programs: None) -> None:
    route = (
        "amtool",
        "config",
        "routes",
        "test",
        f"--config.file={MONITORING}/alertmanager/alertmanager.yml",
    )
    for alert in alerts():
        severity = alert["labels"]["severity"]
        assert run(*route, f"severity={severity}", f"alertname={alert['alert']}").strip() == severity


LABELS = re.compile(r"\{[^}]*\}")
NO_DISK_HERE = {"node_filesystem_avail_bytes", "node_filesystem_size_bytes"}
"""A container may have none; they are in node-exporter's documentation."""


def test_each_metric_of_the_rules_is_one_that_is_told(watched: Any) -> None:
    rules = " ".join(LABELS.sub("", alert["expr"]) for alert in alerts())
    named = set(re.findall(r"\b(?:sales_forecast|node|process)_\w+|\bup\b", rules))
    assert len(named) > 15
    missing = named - NO_DISK_HERE

    def all_told() -> bool:
        missing.difference_update({name for name in missing if watched.query(name)})
        return not missing

    with contextlib.suppress(AssertionError):  # a scrape may fail on a busy machine; the next one may not
        wait_until(all_told, 30)
    assert not missing


def test_an_alarm_in_the_table_arrives_at_the_webhook(watched: Any) -> None:
    def arrived() -> dict[str, str]:
        return {alert["labels"]["alertname"]: path for path, alert in watched.received}

    wait_until(lambda: "LevelAlarm" in arrived(), 60)
    assert arrived()["LevelAlarm"] == "/ticket"
    level = [alert for _, alert in watched.received if alert["labels"]["alertname"] == "LevelAlarm"]
    assert {alert["labels"]["key"] for alert in level} == {"88"}
    assert level[0]["annotations"]["summary"].startswith("Department 88 sells far more or less")
    assert level[0]["annotations"]["runbook"] == "docs/runbooks/level-alarm.md"
    wait_until(lambda: "StoreWarning" in arrived(), 60)
    assert not {"AccuracyWarning", "CoverageAlarm", "ForecastsStale"} & set(arrived())
