"""Alarms, and whom they reach."""

import json
import re
from typing import Any

from aws_cdk.assertions import Match, Template
from deploy.monitoring.cloudwatch import Alarm, read_alarms
from synthesised import Deployment, statements


def alarms_of(deployment: Deployment) -> dict[str, dict[str, Any]]:
    found = (one["Properties"] for _, one in deployment.resources("AWS::CloudWatch::Alarm"))
    return {one["AlarmName"].removeprefix("sales-forecast-"): one for one in found}


def watched(properties: dict[str, Any]) -> tuple[set[str], int]:
    """Names of the metrics of an alarm, and its period."""
    if "MetricName" in properties:
        return {properties["MetricName"]}, properties["Period"]
    stats = [one["MetricStat"] for one in properties["Metrics"] if "MetricStat" in one]
    return {one["Metric"]["MetricName"] for one in stats}, stats[0]["Period"]


def same(alarm: Alarm, properties: dict[str, Any]) -> bool:
    names, period = watched(properties)
    return (
        names == {metric.name for metric in alarm.metrics.values()}
        and period == alarm.period
        and properties["Threshold"] == alarm.threshold
        and properties["ComparisonOperator"] == alarm.comparison
        and properties["EvaluationPeriods"] == alarm.evaluations
        and properties["TreatMissingData"] == alarm.missing
        and properties["AlarmDescription"] == alarm.description
    )


def test_alarms_are_those_of_the_definition(deployment: Deployment) -> None:
    assert {one["Type"] for _, one in deployment.resources("AWS::CloudWatch::Alarm")} == {
        "AWS::CloudWatch::Alarm"
    }
    settings, found = deployment.settings, alarms_of(deployment)
    has = {"": True, "api": bool(settings.model), "instances": bool(settings.model) and settings.large}
    wanted = {alarm.name: alarm for alarm in read_alarms() if has[alarm.needs]}
    assert found.keys() == wanted.keys()
    for name, alarm in wanted.items():
        assert same(alarm, found[name]), name
        (action,) = found[name]["AlarmActions"]
        assert alarm.severity.title() in json.dumps(action)
        assert found[name]["OKActions"] == [action]


def test_a_failed_run_is_told_though_no_other_was_stopped_or_late(deployment: Deployment) -> None:
    """A sum is missing where one of its parts is: AWS has no value of what did not happen."""
    metrics = alarms_of(deployment)["WeeklyRunFailed"]["Metrics"]
    (expression,) = (one["Expression"] for one in metrics if "Expression" in one)
    parts = {one["Id"] for one in metrics if "MetricStat" in one}
    assert parts == set(re.findall(r"FILL\((\w+), 0\)", expression))


def test_nothing_is_left_in_braces(deployment: Deployment) -> None:
    for alarm in alarms_of(deployment).values():
        for dimension in alarm.get("Dimensions", []):
            assert "{" not in str(dimension["Value"]) or "Fn::ImportValue" in str(dimension["Value"])


def test_alarms_reach_topics_and_topics_a_mailbox(deployments: dict[str, Deployment]) -> None:
    data = Template.from_json(deployments["large"].templates["sales-forecast-data"])
    data.resource_count_is("AWS::SNS::Subscription", 2)
    data.has_resource_properties(
        "AWS::SNS::Subscription", {"Protocol": "email", "Endpoint": "planning@example.com"}
    )
    policies = [one for _, one in deployments["large"].resources("AWS::SNS::TopicPolicy")]
    assert len(policies) == 2
    for policy in policies:
        found = list(statements(policy["Properties"]))
        allowed = {one["Principal"]["Service"] for one in found if one["Effect"] == "Allow"}
        assert allowed == {"cloudwatch.amazonaws.com", "budgets.amazonaws.com"}
        for one in found:
            if one["Effect"] == "Allow":
                assert one["Condition"] == {"StringEquals": {"aws:SourceAccount": {"Ref": "AWS::AccountId"}}}
        assert any(one["Effect"] == "Deny" for one in found), "without TLS"
    assert not list(deployments["files only"].resources("AWS::SNS::Subscription"))


def test_the_key_lets_alarms_into_encrypted_topics(deployment: Deployment) -> None:
    ((_, key),) = deployment.resources("AWS::KMS::Key")
    found = {one.get("Sid"): one for one in statements(key["Properties"]["KeyPolicy"])}
    assert found["AlarmsAndBudgetsToTopics"]["Principal"]["Service"] == [
        "cloudwatch.amazonaws.com",
        "budgets.amazonaws.com",
    ]
    assert ("LogsOfGlue" in found) == deployment.settings.spark
    if deployment.settings.spark:  # whose log groups are encrypted with this key
        logs = found["LogsOfGlue"]
        assert json.dumps(logs["Principal"]["Service"]).startswith('{"Fn::Join": ["", ["logs."')
        assert "log-group:/aws-glue/jobs/*" in json.dumps(logs["Condition"])


def test_a_budget_tells_before_it_is_spent(deployments: dict[str, Deployment]) -> None:
    monitoring = Template.from_json(deployments["files only"].templates["sales-forecast-monitoring"])
    monitoring.has_resource_properties(
        "AWS::Budgets::Budget",
        {
            "Budget": Match.object_like(
                {"BudgetLimit": {"Amount": 50, "Unit": "USD"}, "TimeUnit": "MONTHLY"}
            ),
            "NotificationsWithSubscribers": [
                Match.object_like(
                    {"Notification": Match.object_like({"NotificationType": "ACTUAL", "Threshold": 80})}
                ),
                Match.object_like(
                    {"Notification": Match.object_like({"NotificationType": "FORECASTED", "Threshold": 100})}
                ),
            ],
        },
    )


def test_the_dashboard_is_json_of_known_metrics(deployment: Deployment) -> None:
    ((_, board),) = deployment.resources("AWS::CloudWatch::Dashboard")
    body = json.dumps(board["Properties"]["DashboardBody"])
    for metric in (
        "realised_wape_ratio",
        "realised_coverage_ratio",
        "signal_state",
        "publication_made_age_seconds",
    ):
        assert f"sales_forecast_{metric}" in body
    assert ("AWS/ApiGateway" in body) == bool(deployment.settings.model)
