"""The API: who may call it, how often, and with which bodies."""

import json
import os
from pathlib import Path
from typing import Any

import jsonschema
import pytest
from aws_cdk.assertions import Match, Template
from deploy.aws.app import OPENAPI, write_templates
from deploy.aws.schemas import body_schema
from deploy.aws.settings import Settings
from deploy.aws.stacks.api import PATHS
from synthesised import Deployment, read_templates

DOCUMENT: dict[str, Any] = json.loads(Path(os.environ.get("OPENAPI", OPENAPI)).read_text())


@pytest.fixture(scope="module")
def large(deployments: dict[str, Deployment]) -> Template:
    return Template.from_json(deployments["large"].templates["sales-forecast-api"])


def test_every_method_needs_a_key_and_has_a_body_that_is_checked(deployments: dict[str, Deployment]) -> None:
    for name in ("serverless", "large"):
        methods = [one["Properties"] for _, one in deployments[name].resources("AWS::ApiGateway::Method")]
        assert len(methods) == len(PATHS)
        for method in methods:
            assert method["HttpMethod"] == "POST"
            assert method["ApiKeyRequired"] is True
            assert method["RequestValidatorId"]
            assert list(method["RequestModels"]) == ["$default"], "of every content type"


def test_bodies_are_checked_before_a_function_starts(large: Template) -> None:
    large.has_resource_properties(
        "AWS::ApiGateway::RequestValidator", {"ValidateRequestBody": True, "ValidateRequestParameters": True}
    )
    for path in PATHS:
        large.has_resource_properties("AWS::ApiGateway::Model", {"Schema": body_schema(DOCUMENT, path)})


@pytest.mark.parametrize("path", PATHS)
def test_schemas_are_of_the_draft_that_api_gateway_reads(path: str) -> None:
    schema = body_schema(DOCUMENT, path)
    jsonschema.Draft4Validator.check_schema(schema)
    text = json.dumps(schema)
    assert "$ref" not in text
    assert "$defs" not in text


def examples(path: str) -> list[Any]:
    content = DOCUMENT["paths"][path]["post"]["requestBody"]["content"]["application/json"]["schema"]
    found: list[Any] = DOCUMENT["components"]["schemas"][content["$ref"].rpartition("/")[2]]["examples"]
    return found


@pytest.mark.parametrize("path", PATHS)
def test_the_examples_of_the_service_are_let_through(path: str) -> None:
    assert examples(path)
    for body in examples(path):
        jsonschema.Draft4Validator(body_schema(DOCUMENT, path)).validate(body)


@pytest.mark.parametrize(
    ("path", "body"),
    [
        ("/v1/turnover/predict", {}),
        ("/v1/turnover/predict", {"series": []}),
        ("/v1/turnover/predict", {"series": [{"store": 105}]}),
        ("/v1/turnover/predict", {"series": [{"store": 105, "department": 117}], "quantile": True}),
        ("/v1/turnover/predict", {"series": [{"store": 105, "department": 117}] * 501}),
        ("/v1/turnover/predict", {"series": [{"store": 105, "department": 117, "place": {"latitude": 91}}]}),
        ("/v1/marketing/predict", {"budgets": ["many"]}),
        ("/v1/marketing/predict", {"budgets": [-1]}),
    ],
)
def test_bodies_that_the_service_refuses_are_refused(path: str, body: Any) -> None:
    assert not jsonschema.Draft4Validator(body_schema(DOCUMENT, path)).is_valid(body)


def test_a_limit_that_excludes_its_end_still_does() -> None:
    document = {
        "paths": {
            "/p": {
                "post": {
                    "requestBody": {"content": {"application/json": {"schema": {"exclusiveMinimum": 0}}}}
                }
            }
        }
    }
    schema = body_schema(document, "/p")
    assert not jsonschema.Draft4Validator(schema).is_valid(0)
    assert jsonschema.Draft4Validator(schema).is_valid(1)


def test_callers_need_a_key_with_limits(large: Template, deployments: dict[str, Deployment]) -> None:
    large.has_resource_properties("AWS::ApiGateway::ApiKey", {"Enabled": True, "Value": Match.absent()})
    large.has_resource_properties(
        "AWS::ApiGateway::UsagePlan",
        {
            "Throttle": {"RateLimit": 200, "BurstLimit": 400},
            "Quota": {"Limit": 500_000_000, "Period": "MONTH"},
            "ApiStages": Match.any_value(),
        },
    )
    large.has_resource_properties("AWS::ApiGateway::UsagePlanKey", {"KeyType": "API_KEY"})
    small = Template.from_json(deployments["serverless"].templates["sales-forecast-api"])
    small.has_resource_properties(
        "AWS::ApiGateway::UsagePlan", {"Throttle": {"RateLimit": 10, "BurstLimit": 20}}
    )


def test_calls_are_logged_without_their_bodies(large: Template) -> None:
    large.has_resource_properties(
        "AWS::ApiGateway::Stage",
        {
            "StageName": "live",
            "AccessLogSetting": {
                "DestinationArn": Match.any_value(),
                "Format": Match.string_like_regexp("status"),
            },
            "MethodSettings": [
                Match.object_like(
                    {
                        "DataTraceEnabled": False,
                        "LoggingLevel": "ERROR",
                        "MetricsEnabled": False,  # those of each method are paid for, and nothing reads them
                        "ThrottlingRateLimit": 200,
                    }
                )
            ],
        },
    )
    large.has_resource_properties("AWS::ApiGateway::Account", {"CloudWatchRoleArn": Match.any_value()})


def test_the_log_of_errors_forgets_and_is_there_before_api_gateway_would_make_one_that_does_not(
    deployments: dict[str, Deployment],
) -> None:
    for name in ("serverless", "large"):
        (log,) = (
            one
            for one in deployments[name].resources("AWS::Logs::LogGroup")
            if "API-Gateway-Execution-Logs_" in json.dumps(one[1]["Properties"]["LogGroupName"])
        )
        assert log[1]["Properties"]["RetentionInDays"] == 90
        ((_, stage),) = deployments[name].resources("AWS::ApiGateway::Stage")
        assert log[0].rpartition("/")[2] in stage["DependsOn"]


@pytest.mark.parametrize("changed", ["a schema", "networks"])
def test_a_stage_gets_what_was_changed(changed: str, tmp_path: Path) -> None:
    """A stage answers as a deployment of the API was when it was made, whatever was changed after it."""
    document = json.loads(json.dumps(DOCUMENT))
    networks: tuple[str, ...] = ()
    if changed == "a schema":
        document["components"]["schemas"]["TurnoverRequest"]["properties"]["series"]["minItems"] = 2
    else:
        networks = ("203.0.113.0/24",)
    names = set()
    for number, (content, who) in enumerate([(DOCUMENT, ()), (document, networks)]):
        file, folder = tmp_path / f"{number}.json", tmp_path / str(number)
        file.write_text(json.dumps(content))
        write_templates(folder, Settings("a", model="s3://bucket/model.tar.gz", networks=who), file)
        resources = read_templates(folder)["sales-forecast-api"]["Resources"]
        names |= {name for name, one in resources.items() if one["Type"] == "AWS::ApiGateway::Deployment"}
    assert len(names) == 2


def test_a_body_that_is_wrong_is_answered_as_the_service_does(large: Template) -> None:
    for kind, status in (("BAD_REQUEST_BODY", "422"), ("REQUEST_TOO_LARGE", "413")):
        large.has_resource_properties(
            "AWS::ApiGateway::GatewayResponse", {"ResponseType": kind, "StatusCode": status}
        )


def test_only_with_a_challenger_the_function_reads_the_secret(deployments: dict[str, Deployment]) -> None:
    for name in ("serverless", "large"):
        api = deployments[name].templates["sales-forecast-api"]
        has_secret = "SALES_FORECAST_AWS_SECRET" in json.dumps(api)
        assert has_secret == ("secretsmanager:GetSecretValue" in json.dumps(api)) == (name == "large")


def test_the_role_for_the_logs_of_an_account_may_be_somebody_elses(tmp_path: Path) -> None:
    settings = Settings("a", model="s3://bucket/model.tar.gz", gateway_role=False)
    write_templates(tmp_path, settings, Path(os.environ.get("OPENAPI", OPENAPI)))
    api = read_templates(tmp_path)["sales-forecast-api"]
    assert "AWS::ApiGateway::Account" not in {one["Type"] for one in api["Resources"].values()}


def test_only_the_named_networks_may_call(large: Template, deployments: dict[str, Deployment]) -> None:
    large.has_resource_properties(
        "AWS::ApiGateway::RestApi",
        {
            "EndpointConfiguration": {"Types": ["REGIONAL"]},
            "Policy": Match.object_like(
                {
                    "Statement": Match.array_with(
                        [
                            Match.object_like(
                                {
                                    "Effect": "Deny",
                                    "Condition": {"NotIpAddress": {"aws:SourceIp": ["203.0.113.0/24"]}},
                                }
                            )
                        ]
                    )
                }
            ),
        },
    )
    ((_, api),) = deployments["serverless"].resources("AWS::ApiGateway::RestApi")
    assert "Policy" not in api["Properties"]


def test_a_firewall_is_there_on_request(large: Template, deployments: dict[str, Deployment]) -> None:
    large.has_resource_properties(
        "AWS::WAFv2::WebACL",
        {
            "Scope": "REGIONAL",
            "Rules": [Match.object_like({"Name": "common"}), Match.object_like({"Name": "rate"})],
        },
    )
    ((_, wall),) = deployments["large"].resources("AWS::WAFv2::WebACL")
    common, rate = (rule["Statement"] for rule in wall["Properties"]["Rules"])
    overrides = common["ManagedRuleGroupStatement"]["RuleActionOverrides"]
    assert {one["Name"]: one["ActionToUse"] for one in overrides} == {
        "SizeRestrictions_BODY": {"Count": {}},  # a body of 200 series has more than 8 KB
        "NoUserAgent_HEADER": {"Count": {}},
    }
    allowed = 5 * 60 * 200  # of one key, whose callers may all be behind one address
    assert rate["RateBasedStatement"]["Limit"] >= allowed
    large.resource_count_is("AWS::WAFv2::WebACLAssociation", 1)
    assert not list(deployments["serverless"].resources("AWS::WAFv2::WebACL"))
