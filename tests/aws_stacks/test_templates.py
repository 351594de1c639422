"""Templates: what the rules of AWS and of the Well-Architected Framework ask for, and what we promise beyond."""

import json
import re
import subprocess
import sys
from collections import Counter
from pathlib import Path
from typing import Any

import pytest
from aws_cdk import App
from deploy.aws import costs
from deploy.aws.settings import read_settings
from deploy.aws.stacks.data import DataStack
from deploy.aws.stacks.ml import MlStack
from deploy.aws.stacks.state_machine import DEFINITION, calls_of
from synthesised import Deployment, as_list, statements

LARGEST_TEMPLATE = 51_200
"""Bytes; a larger one would have to be uploaded before it is deployed."""


def test_cfn_lint_finds_nothing(deployments: dict[str, Deployment]) -> None:
    files = [file for one in deployments.values() for file in one.folder.glob("*.template.json")]
    assert len(files) == 3 + 4 + 4
    lint = [str(Path(sys.executable).parent / "cfn-lint"), "--regions", "eu-west-3"]
    # W3005: CDK also says in so many words that a function needs its role
    command = [*lint, "--ignore-checks", "W3005", "--", *map(str, files)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr


def test_cfn_lint_would_find_something(deployments: dict[str, Deployment], tmp_path: Path) -> None:
    template = json.loads(json.dumps(deployments["files only"].templates["sales-forecast-data"]))
    bucket = next(one for one in template["Resources"].values() if one["Type"] == "AWS::S3::Bucket")
    bucket["Properties"]["Versionning"] = "yes"
    file = tmp_path / "data.template.json"
    file.write_text(json.dumps(template))
    command = [str(Path(sys.executable).parent / "cfn-lint"), str(file)]
    assert subprocess.run(command, capture_output=True, check=False).returncode != 0


def test_templates_are_small_enough_to_be_deployed_without_a_bucket(deployment: Deployment) -> None:
    for file in deployment.folder.glob("*.template.json"):
        assert file.stat().st_size < LARGEST_TEMPLATE, file.name


def test_nothing_is_uploaded_to_deploy_a_template(deployment: Deployment) -> None:
    manifest = json.loads((deployment.folder / "manifest.json").read_text())
    kinds = {one["type"] for one in manifest["artifacts"].values()}
    assert kinds == {"aws:cloudformation:stack", "cdk:feature-flag-report"}
    for template in deployment.templates.values():
        assert "cdk-bootstrap" not in json.dumps(template)
        assert not [one for _, one in deployment.resources() if one["Type"].startswith("Custom::")]


def test_stacks_need_only_those_before_them(deployment: Deployment) -> None:
    made: set[str] = set()
    for template in deployment.templates.values():
        needed = set(re.findall(r'"Fn::ImportValue": "([^"]+)"', json.dumps(template)))
        assert needed <= made
        made |= {
            json.dumps(one["Export"]["Name"]).strip('"')
            for one in template.get("Outputs", {}).values()
            if "Export" in one
        }


def test_the_stack_of_the_data_hands_on_the_same_whatever_the_others_are_made_of(
    deployments: dict[str, Deployment],
) -> None:
    exports = {
        name: {
            one["Export"]["Name"]
            for one in deployment.templates["sales-forecast-data"]["Outputs"].values()
            if "Export" in one
        }
        for name, deployment in deployments.items()
    }
    first = exports["files only"]
    assert first
    # else 'ml' with Spark could not be deployed before, and 'data' without it not before 'ml'
    assert all(one == first for one in exports.values()), exports


# --- who may do what ----------------------------------------------------------------------------------


RESOURCE_IS_ALL = {
    ("ecr:GetAuthorizationToken",): "it takes no resource",
    ("cloudwatch:PutMetricData",): "it takes no resource",
    ("sagemaker:ListEndpoints",): "it takes no resource",
    ("sagemaker:ListTags",): "the example of AWS for Step Functions allows it for all",
    ("sagemaker:ListTrainingJobs",): "it takes no resource",
    (
        *("xray:GetSamplingRules", "xray:GetSamplingTargets"),
        *("xray:PutTelemetryRecords", "xray:PutTraceSegments"),
    ): "X-Ray has no resources",
}


def test_no_statement_allows_all_actions(deployment: Deployment) -> None:
    for name, resource in deployment.resources():
        for statement in statements(resource["Properties"]):
            if statement["Effect"] != "Allow" or resource["Type"] == "AWS::KMS::Key":
                continue
            for action in as_list(statement["Action"]):
                assert not action.endswith(":*"), (name, action)
                assert action != "*", name


def test_statements_for_all_resources_are_few_and_each_has_its_reason(deployment: Deployment) -> None:
    logs = "logs:CreateLogDelivery"
    for name, resource in deployment.resources():
        for statement in statements(resource["Properties"]):
            if "*" not in as_list(statement.get("Resource")) or statement["Effect"] == "Deny":
                continue
            actions = tuple(sorted(as_list(statement["Action"])))
            known = actions in RESOURCE_IS_ALL or logs in actions or resource["Type"] == "AWS::KMS::Key"
            assert known, (name, actions)


def test_only_services_of_aws_take_roles_and_only_for_this_account(deployment: Deployment) -> None:
    for name, resource in deployment.resources("AWS::IAM::Role"):
        (statement,) = resource["Properties"]["AssumeRolePolicyDocument"]["Statement"]
        service = statement["Principal"]["Service"]
        assert service.endswith(".amazonaws.com"), name
        if service not in ("lambda.amazonaws.com", "apigateway.amazonaws.com", "events.amazonaws.com"):
            account = statement["Condition"]["StringEquals"]["aws:SourceAccount"]
            assert account == {"Ref": "AWS::AccountId"}, name


def test_roles_are_handed_to_sagemaker_only(deployment: Deployment) -> None:
    found = [
        statement
        for _, resource in deployment.resources("AWS::IAM::Policy")
        for statement in statements(resource["Properties"])
        if "iam:PassRole" in as_list(statement["Action"])
    ]
    assert found
    for statement in found:
        assert statement["Condition"] == {"StringEquals": {"iam:PassedToService": "sagemaker.amazonaws.com"}}
        assert "*" not in json.dumps(statement["Resource"])


def test_nobody_outside_may_read_a_bucket_and_nothing_goes_without_tls(deployment: Deployment) -> None:
    assert Counter(one["Type"] for _, one in deployment.resources("AWS::S3::Bucket")) == {
        "AWS::S3::Bucket": 2
    }
    for _, bucket in deployment.resources("AWS::S3::Bucket"):
        properties = bucket["Properties"]
        assert set(properties["PublicAccessBlockConfiguration"].values()) == {True}
        assert len(properties["PublicAccessBlockConfiguration"]) == 4
        assert properties["VersioningConfiguration"] == {"Status": "Enabled"}
        assert properties["BucketEncryption"]
        assert properties["LifecycleConfiguration"]["Rules"]
    policies = [one for _, one in deployment.resources("AWS::S3::BucketPolicy")]
    assert len(policies) == 2
    for policy in policies:
        found = list(statements(policy["Properties"]))
        assert any(
            one["Effect"] == "Deny" and one["Condition"] == {"Bool": {"aws:SecureTransport": "false"}}
            for one in found
        )
        for one in found:
            if one["Effect"] == "Allow":  # access logs, of the bucket beside it
                assert one["Principal"] == {"Service": "logging.s3.amazonaws.com"}


def test_data_and_key_outlive_their_stack_but_not_a_stack_that_could_not_be_made(
    deployment: Deployment,
) -> None:
    kinds = ("AWS::S3::Bucket", "AWS::KMS::Key")
    kept = [one for kind in kinds for _, one in deployment.resources(kind)]
    assert len(kept) == 3
    for one in kept:
        assert one["DeletionPolicy"] == "RetainExceptOnCreate", "what a failed try leaves would be paid for"
        assert one["UpdateReplacePolicy"] == "Retain"


def test_objects_are_encrypted_with_our_key_and_announced(deployment: Deployment) -> None:
    (_, bucket) = next(
        one
        for one in deployment.resources("AWS::S3::Bucket")
        if "NotificationConfiguration" in one[1]["Properties"]
    )
    (rule,) = bucket["Properties"]["BucketEncryption"]["ServerSideEncryptionConfiguration"]
    assert rule["ServerSideEncryptionByDefault"]["SSEAlgorithm"] == "aws:kms"
    assert rule["BucketKeyEnabled"] is True
    announced = bucket["Properties"]["NotificationConfiguration"]
    assert announced == {"EventBridgeConfiguration": {"EventBridgeEnabled": True}}
    assert bucket["Properties"]["LoggingConfiguration"]["LogFilePrefix"] == "data/"
    (_, key) = next(deployment.resources("AWS::KMS::Key"))
    assert key["Properties"]["EnableKeyRotation"] is True


SECRETS = re.compile(r"password|token|secret|signing|postgresql://", re.IGNORECASE)


def test_no_template_holds_a_secret(deployment: Deployment) -> None:
    (_, secret) = next(deployment.resources("AWS::SecretsManager::Secret"))
    assert "SecretString" not in secret["Properties"]
    assert secret["Properties"]["KmsKeyId"]
    for name, function in deployment.resources("AWS::Lambda::Function"):
        variables = function["Properties"].get("Environment", {}).get("Variables", {})
        secret_names = {key for key in variables if SECRETS.search(key)}
        assert secret_names <= {"SALES_FORECAST_AWS_SECRET"}, name
    for _, key in deployment.resources("AWS::ApiGateway::ApiKey"):
        assert "Value" not in key["Properties"]
    assert "postgresql://" not in json.dumps(deployment.templates)


TAGGED = {"AWS::S3::Bucket", "AWS::KMS::Key", "AWS::Lambda::Function", "AWS::StepFunctions::StateMachine"}


def test_what_costs_money_is_tagged(deployment: Deployment) -> None:
    for name, resource in deployment.resources():
        if resource["Type"] in TAGGED:
            tags = {tag["Key"]: tag["Value"] for tag in resource["Properties"]["Tags"]}
            assert tags == {"project": "sales-forecast", "size": deployment.settings.size}, name


def test_every_function_has_a_role_of_its_own_and_a_log_group_that_forgets(deployment: Deployment) -> None:
    functions = dict(deployment.resources("AWS::Lambda::Function"))
    roles = [json.dumps(one["Properties"]["Role"]) for one in functions.values()]
    assert len(set(roles)) == len(roles) == (4 if deployment.settings.model else 3)
    for function in functions.values():
        assert function["Properties"]["LoggingConfig"]["LogGroup"]
        assert function["Properties"]["PackageType"] == "Image"
        assert json.dumps(function["Properties"]["Code"]["ImageUri"]).endswith(':0123456789ab"]]}')
    for _, group in deployment.resources("AWS::Logs::LogGroup"):
        assert group["Properties"]["RetentionInDays"] == 90


# --- runs ---------------------------------------------------------------------------------------------


def test_a_delivery_starts_one_run_and_is_not_lost(deployment: Deployment) -> None:
    ((_, rule),) = deployment.resources("AWS::Events::Rule")
    pattern = rule["Properties"]["EventPattern"]
    assert pattern["source"] == ["aws.s3"]
    assert pattern["detail"]["object"] == {"key": [{"wildcard": "data/01_raw/*_DELIVERED"}]}
    policies = list(deployment.resources("AWS::SQS::QueuePolicy"))
    allowed = [
        one for _, policy in policies for one in statements(policy["Properties"]) if one["Effect"] == "Allow"
    ]
    assert [one["Principal"] for one in allowed] == [{"Service": "events.amazonaws.com"}]
    assert all("aws:SourceArn" in json.dumps(one["Condition"]) for one in allowed), "of this rule only"
    (target,) = rule["Properties"]["Targets"]
    assert target["DeadLetterConfig"]["Arn"]
    assert target["RetryPolicy"] == {"MaximumEventAgeInSeconds": 86400}
    # the same object version is the same input, whichever event announces it
    assert set(target["InputTransformer"]["InputPathsMap"].values()) == {
        "$.detail.object.key",
        "$.detail.object.version-id",
    }


def test_the_state_machine_logs_and_may_do_what_its_tasks_need(deployment: Deployment) -> None:
    ((_, machine),) = deployment.resources("AWS::StepFunctions::StateMachine")
    properties = machine["Properties"]
    assert properties["LoggingConfiguration"]["Level"] == "ALL"
    assert properties["TracingConfiguration"] == {"Enabled": True}
    named = set(re.findall(r"\$\{(\w+)\}", properties["DefinitionString"]))
    assert named == set(properties["DefinitionSubstitutions"])


def test_the_clock_starts_runs_only_where_somebody_asks_for_it(deployments: dict[str, Deployment]) -> None:
    def schedules(name: str) -> list[str]:
        return sorted(
            one["Properties"]["ScheduleExpression"]
            for _, one in deployments[name].resources("AWS::Scheduler::Schedule")
        )

    assert schedules("files only") == ["cron(30 * * * ? *)"]
    assert schedules("serverless") == ["cron(0 6 ? * MON *)", "cron(30 * * * ? *)"]


def test_the_state_machine_may_do_each_call_of_its_text(deployment: Deployment) -> None:
    text = DEFINITION.read_text()
    role = next(
        one for name, one in deployment.resources("AWS::IAM::Policy") if "RunRoleDefaultPolicy" in name
    )
    actions = {action for one in statements(role["Properties"]) for action in as_list(one["Action"])}
    calls = set(calls_of(json.loads(text)))
    assert len(calls) > 10
    for call in calls - {"lambda:invoke", "sns:publish", "aws-sdk:sfn:listExecutions"}:
        name = call.rpartition(":")[2]
        assert f"sagemaker:{name[0].upper()}{name[1:]}" in actions
    assert {"lambda:InvokeFunction", "sns:Publish", "states:ListExecutions", "iam:PassRole"} <= actions


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ('{"Comment": "${Nobody}"}', "names ${Nobody}; there are Bucket"),
        (
            '{"A": {"Type": "Task", "Resource": "arn:aws:states:::ecs:runTask"}}',
            "knows no permissions for 'ecs:runTask'",
        ),
    ],
)
def test_a_text_with_what_nobody_knows_is_an_error(
    text: str, says: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = tmp_path / "state_machine.asl.json"
    file.write_text(text)
    monkeypatch.setattr("deploy.aws.stacks.state_machine.DEFINITION", file)
    app = App(outdir=str(tmp_path / "out"))
    settings = read_settings(["image=a"])
    with pytest.raises(ValueError, match=re.escape(says)):
        MlStack(app, settings, DataStack(app, settings))


# --- endpoint -----------------------------------------------------------------------------------------


def variants(deployment: Deployment) -> list[dict[str, Any]]:
    ((_, configuration),) = deployment.resources("AWS::SageMaker::EndpointConfig")
    found: list[dict[str, Any]] = configuration["Properties"]["ProductionVariants"]
    return found


def test_without_a_model_there_is_no_endpoint_and_no_api(deployments: dict[str, Deployment]) -> None:
    kinds = {one["Type"] for _, one in deployments["files only"].resources()}
    assert not {kind for kind in kinds if "SageMaker" in kind or "ApiGateway" in kind}


def test_a_serverless_endpoint_has_one_variant_and_no_instance(deployments: dict[str, Deployment]) -> None:
    (variant,) = variants(deployments["serverless"])
    assert variant["ServerlessConfig"] == {"MaxConcurrency": 5, "MemorySizeInMB": 3072}
    assert not {"InstanceType", "InitialInstanceCount"} & variant.keys()


def test_champion_and_challenger_share_the_requests(deployments: dict[str, Deployment]) -> None:
    found = variants(deployments["large"])
    weights = {one["VariantName"]: one["InitialVariantWeight"] for one in found}
    assert weights == {"champion": 0.9, "challenger": 0.1}
    assert {one["InstanceType"] for one in found} == {"ml.m5.large"}
    models = [one["Properties"] for _, one in deployments["large"].resources("AWS::SageMaker::Model")]
    assert {one["EnableNetworkIsolation"] for one in models} == {True}
    arms = [one["PrimaryContainer"]["Environment"]["SALES_FORECAST_ARM"] for one in models]
    assert sorted(arms) == ["challenger", "champion"]
    targets = list(deployments["large"].resources("AWS::ApplicationAutoScaling::ScalableTarget"))
    assert sorted(one["Properties"]["ResourceId"] for _, one in targets) == [
        f"endpoint/sales-forecast/variant/{name}" for name in ("challenger", "champion")
    ]
    policies = list(deployments["large"].resources("AWS::ApplicationAutoScaling::ScalingPolicy"))
    assert {one["Properties"]["PolicyType"] for _, one in policies} == {"TargetTrackingScaling"}
    assert len(policies) == 2


def test_names_say_which_model_it_is_so_that_another_one_can_replace_it(
    deployments: dict[str, Deployment],
) -> None:
    found = set()
    for name in ("serverless", "large"):
        for kind, key in (("Model", "ModelName"), ("EndpointConfig", "EndpointConfigName")):
            for _, one in deployments[name].resources(f"AWS::SageMaker::{kind}"):
                assert one["Properties"][key].startswith("sales-forecast-"), "the state machine may see these"
                found.add(one["Properties"][key])
    assert len(found) == 2 + 3


def test_the_containers_of_the_endpoint_read_the_models_of_all_jobs_and_nothing_else(
    deployments: dict[str, Deployment],
) -> None:
    for name in ("serverless", "large"):
        reads = [
            one
            for policy, resource in deployments[name].resources("AWS::IAM::Policy")
            for one in statements(resource["Properties"])
            if "Serving" in policy and "s3:" in json.dumps(one["Action"])
        ]
        assert [one["Action"] for one in reads] == ["s3:GetObject"]
        assert json.dumps(reads[0]["Resource"]).endswith('some-bucket/models/run/output/model.tar.gz"]]}')
        ((_, role),) = (
            one for one in deployments[name].resources("AWS::IAM::Role") if "/ServingRole" in one[0]
        )
        (policy,) = role["Properties"]["ManagedPolicyArns"]
        assert "ReadModels" in json.dumps(policy), "the state machine gives this role to later models"


def test_an_update_of_the_endpoint_keeps_the_number_of_its_instances(
    deployments: dict[str, Deployment],
) -> None:
    ((_, endpoint),) = deployments["large"].resources("AWS::SageMaker::Endpoint")
    assert endpoint["Properties"]["RetainAllVariantProperties"] is True
    excluded = endpoint["Properties"]["ExcludeRetainedVariantProperties"]
    assert excluded == [{"VariantPropertyType": "DesiredWeight"}], "which follows challenger_share"
    ((_, serverless),) = deployments["serverless"].resources("AWS::SageMaker::Endpoint")
    assert "RetainAllVariantProperties" not in serverless["Properties"]


def test_functions_and_jobs_use_their_own_folders_of_the_bucket(deployment: Deployment) -> None:
    folders = {}
    for name, policy in deployment.resources("AWS::IAM::ManagedPolicy"):
        by_name = {one["Sid"]: one for one in statements(policy["Properties"])}
        objects = as_list(by_name["Objects"]["Resource"])
        folders[name.rpartition("/")[2][:-8]] = [
            re.findall(r'"/([^"]*)"', json.dumps(one))[0] for one in objects
        ]
        assert ("kms:GenerateDataKey" in as_list(by_name["Key"]["Action"])) == ("Read" not in name)
    assert folders == {
        "UseObjects": ["data/*", "mlflow/*"],
        "UseResults": ["models/*", "forecasts/*"],
        "ReadModels": ["models/*"],
        "ReadCode": ["code/*"],
    }
    attached = {
        name.rpartition("/")[2][:-8]: json.dumps(role["Properties"].get("ManagedPolicyArns"))
        for name, role in deployment.resources("AWS::IAM::Role")
    }
    assert {name for name, policies in attached.items() if "UseResults" in policies} == {"TrainingRole"}
    encrypts = [
        name
        for name, one in deployment.resources("AWS::IAM::Policy")
        for statement in statements(one["Properties"])
        if statement["Action"] == "kms:Encrypt"
    ]
    assert len(encrypts) == 1, "where the state machine names a key of the output"
    assert "TrainingRole" in encrypts[0]


def test_a_glue_job_is_there_on_request_and_is_not_tried_again(deployments: dict[str, Deployment]) -> None:
    assert not list(deployments["serverless"].resources("AWS::Glue::Job"))
    ((_, job),) = deployments["large"].resources("AWS::Glue::Job")
    assert job["Properties"]["GlueVersion"] == "5.0"
    assert job["Properties"]["MaxRetries"] == 0
    assert job["Properties"]["ExecutionProperty"] == {"MaxConcurrentRuns": 1}
    ((_, encryption),) = deployments["large"].resources("AWS::Glue::SecurityConfiguration")
    assert job["Properties"]["SecurityConfiguration"] == encryption["Properties"]["Name"]
    modes = json.dumps(encryption["Properties"]["EncryptionConfiguration"])
    assert modes.count("SSE-KMS") == 2
    assert modes.count("CSE-KMS") == 1


# --- settings and costs -------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("given", "says"),
    [
        (["size=small"], "image is missing"),
        (["image=a", "sice=large"], "there is no setting 'sice'; there are image, name, size"),
        (["image=a", "size=huge"], "it can be small or large"),
        (["image=a", "waf=maybe"], "waf is 'maybe', which is no bool"),
        (["image=a", "model=model.tar.gz"], "must be like s3://bucket/path/model.tar.gz"),
        (
            ["image=a", "challenger_share=0.1", "model=s3://bucket/model.tar.gz"],
            "needs a model and size=large",
        ),
        (["image=a", "challenger_share=2"], "must be from 0 to 1"),
        (["image=a", "name=Sales"], "2 to 20 of a-z"),
    ],
)
def test_settings_that_cannot_be_used_are_named(given: list[str], says: str) -> None:
    with pytest.raises(ValueError, match=re.escape(says)):
        read_settings(given)


def test_settings_come_from_words() -> None:
    found = read_settings(["image=a", "waf=true", "budget=80", "networks=203.0.113.0/24, 198.51.100.7/32"])
    assert found.waf is True
    assert found.budget == 80
    assert found.networks == ("203.0.113.0/24", "198.51.100.7/32")


def test_the_guide_has_the_costs_and_all_settings() -> None:
    page = costs.PAGE.read_text()
    assert costs.table() in page, "run: python -m deploy.aws.costs"
    from dataclasses import fields

    from deploy.aws.settings import Settings

    for field in fields(Settings):
        assert f"`{field.name}`" in page or field.name == "image", field.name


def test_the_guide_asks_for_outputs_that_there_are(deployments: dict[str, Deployment]) -> None:
    asked = set(re.findall(r"\$\(output (\w+) (\w+)\)", costs.PAGE.read_text()))
    assert len(asked) >= 5
    for stack, name in asked:
        assert name in deployments["serverless"].templates[f"sales-forecast-{stack}"]["Outputs"]


def test_the_guide_lets_the_database_prove_itself_by_certificates_that_the_driver_finds() -> None:
    """With verify-full and no sslrootcert, libpq looks for a file in the home folder, and our images have none."""
    urls = re.findall(r"postgresql://\S+sslmode=verify-full[^\s\"]*", costs.PAGE.read_text())
    assert urls
    assert all("&sslrootcert=/" in url for url in urls), urls


def test_the_guide_writes_the_secret_into_no_file() -> None:
    page = costs.PAGE.read_text()
    assert "--secret-string file:///dev/stdin <<END" in page
    assert "secret.json" not in page


def test_costs_count_the_metrics_that_alarms_have(deployments: dict[str, Deployment]) -> None:
    counted = {}
    for name, one in deployments.items():
        alarms = [alarm["Properties"] for _, alarm in one.resources("AWS::CloudWatch::Alarm")]
        counted[name] = sum(
            len([m for m in alarm.get("Metrics", [{"MetricStat": 1}]) if "MetricStat" in m])
            for alarm in alarms
        )
    assert [size.alarms for size in costs.SIZES] == [
        counted["files only"],
        counted["serverless"],
        counted["large"],
        counted["large"],
    ]


def test_twice_the_requests_cost_twice_as_much_for_requests_only() -> None:
    from dataclasses import replace

    size = costs.SIZES[1]
    once, twice = costs.monthly(size), costs.monthly(replace(size, requests=2 * size.requests))
    assert twice["requests"] == pytest.approx(2 * once["requests"])
    assert twice["endpoint"] == pytest.approx(2 * once["endpoint"])
    assert twice["weekly training"] == once["weekly training"] == pytest.approx(52 / 12 * 0.25 * 0.23)


def test_a_finding_that_is_accepted_in_one_place_is_found_in_another(tmp_path: Path) -> None:
    from aws_cdk import Stack, Validations
    from aws_cdk import aws_iam as iam
    from cdk_nag import AwsSolutionsChecks
    from deploy.aws.stacks.findings import accept

    app = App(outdir=str(tmp_path))
    stack = Stack(app, "Shop")
    for name in ("Accepted", "Found"):
        role = iam.Role(stack, name, assumed_by=iam.ServicePrincipal("lambda.amazonaws.com"))
        role.add_to_policy(iam.PolicyStatement(actions=["s3:ListBucket"], resources=["*"]))
        if name == "Accepted":
            accept(role, "AwsSolutions-IAM5[Resource::*]", "A test")
    Validations.of(app).add_plugins(AwsSolutionsChecks(app))
    with pytest.raises(RuntimeError, match="Shop/Found/DefaultPolicy/Resource") as failed:
        app.synth()
    assert "Shop/Accepted" not in str(failed.value)
