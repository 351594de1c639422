"""Alarms of CloudWatch: one for each alert of Prometheus, on figures that are told."""

import json
import re
from datetime import UTC, datetime, timedelta
from typing import Any

import jsonschema
import pytest
import typer.testing
import yaml
from deploy.monitoring import cloudwatch
from deploy.monitoring.cloudwatch import Alarm, read_alarms, read_reasons
from prometheus_client.core import GaugeMetricFamily
from sqlalchemy import Engine

from projects import REPOSITORY
from sales_forecast.aws.metrics import NAMESPACE, emf_lines
from sales_forecast.service.metrics import ForecastMetrics
from sales_forecast.service.model_manager import ModelManager

pytestmark = pytest.mark.xdist_group("deploy")

NOW = datetime(2017, 10, 9, 6, tzinfo=UTC)

EMF: dict[str, Any] = {
    "type": "object",
    "required": ["_aws"],
    "properties": {
        "_aws": {
            "type": "object",
            "required": ["Timestamp", "CloudWatchMetrics"],
            "additionalProperties": False,
            "properties": {
                "Timestamp": {"type": "integer", "minimum": 10**12},
                "CloudWatchMetrics": {
                    "type": "array",
                    "items": {
                        "type": "object",
                        "required": ["Namespace", "Dimensions", "Metrics"],
                        "additionalProperties": False,
                        "properties": {
                            "Namespace": {"type": "string", "minLength": 1, "maxLength": 1024},
                            "Dimensions": {
                                "type": "array",
                                "minItems": 1,
                                "items": {
                                    "type": "array",
                                    "maxItems": 30,
                                    "items": {"type": "string", "minLength": 1, "maxLength": 250},
                                },
                            },
                            "Metrics": {
                                "type": "array",
                                "minItems": 1,
                                "maxItems": 100,
                                "items": {
                                    "type": "object",
                                    "required": ["Name"],
                                    "additionalProperties": False,
                                    "properties": {
                                        "Name": {"type": "string", "minLength": 1, "maxLength": 1024},
                                        "Unit": {"enum": ["Seconds", "Count", "Bytes", "Percent", "None"]},
                                    },
                                },
                            },
                        },
                    },
                },
            },
        }
    },
}
"""The schema in the specification of the embedded metric format, with the limits that its text adds."""


def check_line(line: dict[str, Any]) -> None:
    """See that a line is what the specification asks for: the schema, and where references lead."""
    jsonschema.validate(line, EMF)
    text = json.dumps(line, allow_nan=False)
    assert len(text) < 256_000
    assert "\n" not in text
    for directive in line["_aws"]["CloudWatchMetrics"]:
        for metric in directive["Metrics"]:
            value = line[metric["Name"]]
            assert isinstance(value, int | float)
            assert not isinstance(value, bool)
        for dimension in (name for names in directive["Dimensions"] for name in names):
            assert isinstance(line[dimension], str)
            assert 0 < len(line[dimension]) <= 1024


def gauge(name: str, labels: dict[str, str], value: float) -> GaugeMetricFamily:
    family = GaugeMetricFamily(name, "Help.", labels=tuple(labels))
    family.add_metric(tuple(labels.values()), value)
    return family


# --- lines ------------------------------------------------------------------------------------------


def test_figures_with_the_same_labels_are_one_line() -> None:
    labels = {"retailer": "shop", "detector": "level", "key": "88"}
    families = [
        gauge("sales_forecast_signal_value", labels, -6.0),
        gauge("sales_forecast_signal_state", labels, 2),
    ]
    (line,) = emf_lines(families, NOW)
    check_line(line)
    assert line["sales_forecast_signal_value"] == -6.0
    assert line["sales_forecast_signal_state"] == 2
    assert line["key"] == "88"
    assert line["_aws"]["Timestamp"] == 1507528800000


def test_departments_are_told_but_make_no_metrics_of_their_own() -> None:
    (line,) = emf_lines([gauge("sales_forecast_signal_state", {"retailer": "shop", "key": "88"}, 2)], NOW)
    (directive,) = line["_aws"]["CloudWatchMetrics"]
    assert directive["Dimensions"] == [["retailer"]]


def test_moments_become_ages() -> None:
    made = NOW - timedelta(days=9)
    (line,) = emf_lines(
        [gauge("sales_forecast_publication_made_timestamp_seconds", {}, made.timestamp())], NOW
    )
    check_line(line)
    assert line["sales_forecast_publication_made_age_seconds"] == 9 * 86400
    assert line["_aws"]["CloudWatchMetrics"][0]["Metrics"] == [
        {"Name": "sales_forecast_publication_made_age_seconds", "Unit": "Seconds"}
    ]


@pytest.mark.parametrize("value", [float("nan"), float("inf")])
def test_what_is_no_number_is_left_out(value: float) -> None:
    assert list(emf_lines([gauge("sales_forecast_signal_value", {"key": "88"}, value)], NOW)) == []


@pytest.mark.parametrize(
    "broken",
    [
        {"_aws": {"Timestamp": 1507528800, "CloudWatchMetrics": []}},
        {"_aws": {"Timestamp": 1507528800000}},
        {
            "_aws": {
                "Timestamp": 1507528800000,
                "CloudWatchMetrics": [{"Namespace": "n", "Dimensions": [["a"]], "Metrics": [{"Name": "m"}]}],
            },
            "a": 3,
            "m": 1,
        },
    ],
)
def test_the_check_of_lines_bites(broken: dict[str, Any]) -> None:
    with pytest.raises((jsonschema.ValidationError, AssertionError)):
        check_line(broken)


@pytest.fixture(scope="module")
def told(watched_database: Engine) -> list[dict[str, Any]]:
    """The lines of a shop after some weeks."""
    found = ForecastMetrics(watched_database, "default", ModelManager({}, 0.0, "")).families()
    return list(emf_lines(found, datetime.now(UTC)))


def test_the_lines_of_a_shop_are_what_cloudwatch_reads(told: list[dict[str, Any]]) -> None:
    assert len(told) > 20
    for line in told:
        check_line(line)


def test_the_command_prints_these_lines(
    told: list[dict[str, Any]], watched_database: Engine, monkeypatch: pytest.MonkeyPatch
) -> None:
    from sales_forecast.__main__ import app

    url = watched_database.url.render_as_string(hide_password=False)
    monkeypatch.setenv("SALES_FORECAST_DATABASE_URL", url)
    monkeypatch.chdir(REPOSITORY)
    result = typer.testing.CliRunner().invoke(app, ["metrics", "emf", "--env", "base"])
    assert result.exit_code == 0, result.output
    printed = [json.loads(line) for line in result.output.splitlines()]
    assert [line.keys() for line in printed] == [line.keys() for line in told]
    for line in printed:
        check_line(line)


# --- alarms -----------------------------------------------------------------------------------------


def rules() -> dict[str, dict[str, Any]]:
    content = yaml.safe_load((REPOSITORY / "deploy/monitoring/prometheus/alerts.yml").read_text())
    return {rule["alert"]: rule for group in content["groups"] for rule in group["rules"]}


def test_each_alert_of_prometheus_is_an_alarm_or_says_why_not() -> None:
    alarms, reasons = {alarm.name for alarm in read_alarms()}, read_reasons()
    assert not alarms & reasons.keys()
    assert rules().keys() <= alarms | reasons.keys()
    assert all(len(reason.split()) > 5 for reason in reasons.values())
    assert set(reasons) == {"SalesForecastDown", "SalesForecastNotReady", "SalesForecastMemory"}


def test_an_alert_that_nobody_has_thought_of_is_an_error(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(cloudwatch, "_rules", lambda: iter([{"alert": "NewAlert"}]))
    with pytest.raises(KeyError, match="NewAlert"):
        read_alarms()


@pytest.mark.parametrize(
    "alarm", [one for one in read_alarms() if one.name in rules()], ids=lambda one: one.name
)
def test_an_alarm_says_what_the_alert_says(alarm: Alarm) -> None:
    rule = rules()[alarm.name]
    assert alarm.severity == rule["labels"]["severity"]
    assert alarm.description.startswith(" ".join(rule["annotations"]["description"].split()))
    assert alarm.description.endswith(rule["annotations"]["runbook"])
    assert len(alarm.description) <= 1024


LIMITS = {
    "SalesForecastDatabase": ("LessThanOrEqualToThreshold", 0, 1),
    "SalesForecastErrors": ("GreaterThanThreshold", 0.02, 1),
    "SalesForecastSlow": ("GreaterThanThreshold", 1, 1),
    "MachineMemory": ("LessThanThreshold", 0.05, 2),
    "MachineDisk": ("LessThanThreshold", 0.1, 3),
    "ForecastsStale": ("GreaterThanThreshold", 777600, 1),
    "DeliveryStale": ("GreaterThanThreshold", 777600, 1),
    "DeliveryHeld": ("GreaterThanOrEqualToThreshold", 1, 1),
    "SignalsMissing": ("GreaterThanThreshold", 0, 24),
    "LevelAlarm": ("GreaterThanOrEqualToThreshold", 2, 1),
    "StoreWarning": ("GreaterThanThreshold", 0, 1),
    "CoverageAtOnceAlarm": ("GreaterThanOrEqualToThreshold", 2, 1),
    "CoverageAlarm": ("GreaterThanOrEqualToThreshold", 2, 1),
    "AccuracyWarning": ("GreaterThanOrEqualToThreshold", 1, 1),
    "RetrainingWanted": ("GreaterThanThreshold", 259200, 1),
}


def test_limits_are_those_of_the_rules() -> None:
    found = {one.name: (one.comparison, one.threshold, one.evaluations) for one in read_alarms()}
    assert {name: found[name] for name in LIMITS} == LIMITS
    assert rules().keys() - read_reasons().keys() == LIMITS.keys()


def test_another_limit_in_the_rule_is_another_limit_of_the_alarm(monkeypatch: pytest.MonkeyPatch) -> None:
    changed = rules()["ForecastsStale"]
    changed["expr"] = changed["expr"].replace("9 * 86400", "16 * 86400")
    monkeypatch.setattr(cloudwatch, "_rules", lambda: iter([changed]))
    assert read_alarms()[0].threshold == 16 * 86400


def metrics_of(alarm: Alarm) -> set[tuple[str, tuple[tuple[str, str], ...]]]:
    names = {"retailer": "default"}
    return {
        (metric.name, tuple(sorted((key, value.format(**names)) for key, value in metric.dimensions.items())))
        for metric in alarm.metrics.values()
        if metric.namespace == NAMESPACE
    }


def test_each_metric_of_an_alarm_is_one_that_is_told(told: list[dict[str, Any]]) -> None:
    known = set()
    for line in told:
        (directive,) = line["_aws"]["CloudWatchMetrics"]
        assert directive["Namespace"] == NAMESPACE == cloudwatch.NAMESPACE
        (names,) = directive["Dimensions"]
        dimensions = tuple(sorted((name, line[name]) for name in names))
        known |= {(metric["Name"], dimensions) for metric in directive["Metrics"]}
    wanted = set().union(*(metrics_of(alarm) for alarm in read_alarms()))
    assert len(wanted) >= 13
    assert wanted - known == set()


@pytest.mark.parametrize("alarm", [one for one in read_alarms() if metrics_of(one)], ids=lambda one: one.name)
def test_an_alarm_and_its_alert_watch_the_same_figures(alarm: Alarm) -> None:
    rule = rules()[alarm.name]["expr"]
    for metric in alarm.metrics.values():
        assert metric.name.replace("_age_seconds", "_timestamp_seconds") in rule
        for name, value in metric.dimensions.items():
            assert name in ("retailer", "state") or f'{name}="{value}"' in rule


def test_expressions_use_each_metric_and_nothing_else() -> None:
    for alarm in read_alarms():
        if not alarm.expression:
            assert len(alarm.metrics) == 1, alarm.name
            continue
        assert set(re.findall(r"\b[a-z]+\b", alarm.expression)) == set(alarm.metrics), alarm.name


def test_a_rule_without_a_number_needs_one_in_the_file() -> None:
    with pytest.raises(ValueError, match="must say 'above'"):
        cloudwatch._limit("max(a) > max(b)")


def test_alarms_of_aws_lead_to_a_page() -> None:
    page = (REPOSITORY / "docs/aws.md").read_text().lower()
    for alarm in read_alarms():
        runbook, _, heading = alarm.description.rpartition("Runbook: ")[2].partition("#")
        assert (REPOSITORY / runbook).is_file()
        if heading:
            assert f"# {heading.replace('-', ' ')}\n" in page


def test_the_guide_lists_each_alert_with_its_alarm() -> None:
    page = (REPOSITORY / "docs/aws.md").read_text()
    for name, reason in read_reasons().items():
        assert f"| `{name}` | {reason} |" in page
