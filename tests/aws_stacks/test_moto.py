"""A deployment on a stand-in for AWS on loopback, compared with its templates resource by resource."""

import copy
import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import boto3
import pytest
from moto.server import ThreadedMotoServer
from synthesised import Deployment

SKIPPED = {
    "AWS::ApiGateway::Account": "test_calls_are_logged_without_their_bodies",
    "AWS::ApiGateway::ApiKey": "test_callers_need_a_key_with_limits",
    "AWS::ApiGateway::GatewayResponse": "test_a_body_that_is_wrong_is_answered_as_the_service_does",
    "AWS::ApiGateway::Model": "test_bodies_are_checked_before_a_function_starts",
    "AWS::ApiGateway::RequestValidator": "test_bodies_are_checked_before_a_function_starts",
    "AWS::ApiGateway::Stage": "test_calls_are_logged_without_their_bodies",
    "AWS::ApiGateway::UsagePlan": "test_callers_need_a_key_with_limits",
    "AWS::ApiGateway::UsagePlanKey": "test_callers_need_a_key_with_limits",
    "AWS::ApplicationAutoScaling::ScalableTarget": "test_champion_and_challenger_share_the_requests",
    "AWS::ApplicationAutoScaling::ScalingPolicy": "test_champion_and_challenger_share_the_requests",
    "AWS::Budgets::Budget": "test_a_budget_tells_before_it_is_spent",
    "AWS::CloudWatch::Alarm": "test_alarms_are_those_of_the_definition",
    "AWS::Glue::Job": "test_a_glue_job_is_there_on_request_and_is_not_tried_again",
    "AWS::Glue::SecurityConfiguration": "test_a_glue_job_is_there_on_request_and_is_not_tried_again",
    "AWS::S3::BucketPolicy": "test_nobody_outside_may_read_a_bucket_and_nothing_goes_without_tls",
    "AWS::SNS::Subscription": "test_alarms_reach_topics_and_topics_a_mailbox",
    "AWS::SNS::TopicPolicy": "test_alarms_reach_topics_and_topics_a_mailbox",
    "AWS::SQS::QueuePolicy": "test_a_delivery_starts_one_run_and_is_not_lost",
    "AWS::Scheduler::Schedule": "test_the_clock_starts_runs_only_where_somebody_asks_for_it",
    "AWS::SecretsManager::Secret": "test_no_template_holds_a_secret",
    "AWS::WAFv2::WebACL": "test_a_firewall_is_there_on_request",
    "AWS::WAFv2::WebACLAssociation": "test_a_firewall_is_there_on_request",
}
"""Types that moto leaves out without a word, and the test of the templates that looks at them."""

NAMELESS = {"AWS::ApiGateway::Deployment", "AWS::ApiGateway::Method", "AWS::Lambda::Permission"}
"""Types that moto makes without telling how they are called."""

pytestmark = pytest.mark.filterwarnings("ignore:Tried to parse")


def without_skipped(template: dict[str, Any]) -> dict[str, Any]:
    """What moto can make of a template: without what it skips, and without what it stumbles over."""
    resources = template["Resources"]
    gone = {name for name, one in resources.items() if one["Type"] in SKIPPED}

    def kept(part: Any) -> Any:
        if isinstance(part, dict):
            if part.get("Ref") in gone or (part.get("Fn::GetAtt") or [""])[0] in gone:
                return "skipped"
            return {key: kept(value) for key, value in part.items()}
        return [kept(value) for value in part] if isinstance(part, list) else part

    found = copy.deepcopy(template) | {
        "Resources": {name: kept(one) for name, one in resources.items() if name not in gone},
        "Outputs": kept(template.get("Outputs", {})),
    }
    for one in found["Resources"].values():
        if one["Type"] == "AWS::KMS::Key":
            del one["Properties"]["Tags"]  # moto takes them only in the words of the API of KMS
        if "DependsOn" in one:
            one["DependsOn"] = [name for name in one["DependsOn"] if name not in gone]
    return found


@pytest.fixture(scope="module")
def address() -> Iterator[str]:
    server = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    server.start()
    host, port = server.get_host_and_port()
    yield f"http://{host}:{port}"
    server.stop()


Made = dict[str, dict[str, tuple[str, str]]]
"""Stack -> name of a resource in the template -> its type, and its name in the account."""


REGIONS = {"files only": "eu-west-1", "large": "eu-west-3"}


@pytest.fixture(scope="module", params=REGIONS)
def made(
    request: pytest.FixtureRequest, address: str, deployments: dict[str, Deployment]
) -> tuple[str, Made]:
    """A deployment after its stacks were made, in a region of its own."""
    client = boto3.client("cloudformation", endpoint_url=address, region_name=REGIONS[request.param])
    found: Made = {}
    for stack, template in deployments[request.param].templates.items():
        body = json.dumps(without_skipped(template))
        client.create_stack(StackName=stack, TemplateBody=body, Capabilities=["CAPABILITY_NAMED_IAM"])
        (description,) = client.describe_stacks(StackName=stack)["Stacks"]
        assert description["StackStatus"] == "CREATE_COMPLETE", description
        pages = client.get_paginator("list_stack_resources").paginate(StackName=stack)
        found[stack] = {
            one["LogicalResourceId"]: (one["ResourceType"], one.get("PhysicalResourceId", ""))
            for page in pages
            for one in page["StackResourceSummaries"]
        }
    return request.param, found


def test_every_resource_of_the_templates_was_made_or_is_known_to_be_skipped(
    made: tuple[str, Made], deployments: dict[str, Deployment]
) -> None:
    name, found = made
    for stack, template in deployments[name].templates.items():
        wanted = {
            key: one["Type"] for key, one in template["Resources"].items() if one["Type"] not in SKIPPED
        }
        assert {key: kind for key, (kind, _) in found[stack].items()} == wanted
        assert {kind for kind, physical in found[stack].values() if not physical} <= NAMELESS


def test_what_is_skipped_is_looked_at_by_a_test_that_exists() -> None:
    tests = "".join(path.read_text() for path in Path(__file__).parent.glob("test_*.py"))
    for kind, test in SKIPPED.items():
        assert f"def {test}(" in tests, kind
        body = tests.split(f"def {test}(")[1].split("\ndef ")[0]
        assert f'"{kind}"' in body, (kind, test)


def test_nothing_is_called_skipped_that_moto_makes() -> None:
    from moto.cloudformation.parsing import resource_class_from_type

    assert [kind for kind in SKIPPED if resource_class_from_type(kind) is not None] == []


def names(found: Made, kind: str) -> list[str]:
    return [physical for stack in found.values() for one, physical in stack.values() if one == kind]


def test_what_was_made_is_what_the_templates_say(
    made: tuple[str, Made], address: str, deployments: dict[str, Deployment]
) -> None:
    name, found = made

    def client(service: str) -> Any:
        return boto3.client(service, endpoint_url=address, region_name=REGIONS[name])

    s3 = client("s3")
    for bucket in names(found, "AWS::S3::Bucket"):
        rules = s3.get_bucket_encryption(Bucket=bucket)["ServerSideEncryptionConfiguration"]["Rules"]
        assert rules  # of the rest of a bucket, moto makes nothing: the tests of the templates look at it
    large = name == "large"
    functions = {one["FunctionName"]: one for one in client("lambda").list_functions()["Functions"]}
    parts = ["processing", "metrics", "gate", *(["gateway"] if large else [])]
    assert set(functions) == {f"sales-forecast-{part}" for part in parts}
    assert functions["sales-forecast-processing"]["MemorySize"] == (10240 if large else 3008)
    (machine,) = names(found, "AWS::StepFunctions::StateMachine")
    described = client("stepfunctions").describe_state_machine(stateMachineArn=machine)
    assert "Train" in json.loads(described["definition"])["States"]
    for topic in names(found, "AWS::SNS::Topic"):
        attributes = client("sns").get_topic_attributes(TopicArn=topic)["Attributes"]
        assert attributes["KmsMasterKeyId"]
    if large:
        sagemaker = client("sagemaker")
        (endpoint,) = sagemaker.list_endpoints()["Endpoints"]
        configuration = sagemaker.describe_endpoint(EndpointName=endpoint["EndpointName"])[
            "EndpointConfigName"
        ]
        variants = sagemaker.describe_endpoint_config(EndpointConfigName=configuration)["ProductionVariants"]
        assert [one["VariantName"] for one in variants] == ["champion", "challenger"]


# --- the secret, as the code reads it -------------------------------------------------------------------


@pytest.fixture
def secrets(address: str, monkeypatch: pytest.MonkeyPatch) -> Any:
    monkeypatch.setenv("AWS_ENDPOINT_URL", address)
    from sales_forecast.aws.secrets import read_secret

    read_secret.cache_clear()
    return boto3.client("secretsmanager")


def test_the_secret_is_read_by_its_name(secrets: Any) -> None:
    from sales_forecast.aws.secrets import read_secret

    content = {"SALES_FORECAST_DATABASE_URL": "postgresql://shop"}
    secrets.create_secret(Name="shop/service", SecretString=json.dumps(content))
    assert read_secret("shop/service") == content


@pytest.mark.parametrize("value", ["n0 JSON", '["a"]', '{"a": 1}'])
def test_a_secret_that_is_no_json_says_what_it_must_be(secrets: Any, value: str) -> None:
    from sales_forecast.aws.secrets import read_secret
    from sales_forecast.errors import InputError

    secrets.create_secret(Name=f"shop/{value}", SecretString=value)
    with pytest.raises(InputError, match=r"must be a JSON object of texts, such as .*put-secret-value"):
        read_secret(f"shop/{value}")


def test_a_secret_that_is_not_there_says_so(secrets: Any) -> None:
    from sales_forecast.aws.secrets import read_secret
    from sales_forecast.errors import InputError

    with pytest.raises(InputError, match="the secret nothing cannot be read from AWS Secrets Manager"):
        read_secret("nothing")


# --- back to nothing -------------------------------------------------------------------------------------


def test_the_guide_empties_a_bucket_with_all_versions(address: str, monkeypatch: pytest.MonkeyPatch) -> None:
    page = (Path(__file__).parents[2] / "docs/aws.md").read_text()
    (code,) = re.findall(r"python -c '(.*?)' \$bucket", page)
    s3 = boto3.client("s3", endpoint_url=address)
    s3.create_bucket(Bucket="shop", CreateBucketConfiguration={"LocationConstraint": "eu-west-3"})
    s3.put_bucket_versioning(Bucket="shop", VersioningConfiguration={"Status": "Enabled"})
    for content in (b"1", b"2"):
        s3.put_object(Bucket="shop", Key="data/file", Body=content)
    s3.delete_object(Bucket="shop", Key="data/file")
    monkeypatch.setenv("AWS_ENDPOINT_URL", address)
    monkeypatch.setattr("sys.argv", ["-c", "shop"])
    exec(code, {})
    s3.delete_bucket(Bucket="shop")
